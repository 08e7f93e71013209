"""A record that can be shown to others. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from ..record.redact import discreet_command
from ..record.run_record import Record
from ..text.printable import mapped, printable_lines
from ..text.secrets import redacted

T = TypeVar("T")


def record_of(record: Record) -> Record:
    """The same with texts that have no control characters and no secrets. Older versions recorded
    texts unchanged."""
    run = record.run
    run = replace(
        run,
        command=discreet_command(run.command),
        snakefile=redacted(run.snakefile),
        settings=mapped(run.settings, redacted),
    )
    said = ("sentence", "log_end", "reason", "text", "command")
    hidden = replace(
        record,
        run=run,
        jobs=tuple(_without_secrets(job, said) for job in record.jobs),
        attempts=tuple(_without_secrets(attempt, said) for attempt in record.attempts),
        environments=tuple(_without_secrets(each, said) for each in record.environments),
        notes=tuple(_without_secrets(note, said) for note in record.notes),
    )
    return mapped(hidden, lambda text: "\n".join(printable_lines(text)))


def _without_secrets(of: T, names: Iterable[str]) -> T:
    found = {name: text for name in names if (text := getattr(of, name, None))}
    return replace(of, **{n: redacted(text) for n, text in found.items()}) if found else of  # type: ignore[type-var]
