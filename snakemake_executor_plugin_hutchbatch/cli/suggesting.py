"""``hutchbatch report --suggest``: what the rules could request, as lines to add to a profile."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from ..planning.memory_request import FUNCTION
from ..record.run_record import Record
from ..reporting import attempt_table, resource_advice, statistics
from ..text import terminal
from ..text.terminal import note

#: How the names of profiles end.
_PROFILES = (".yaml", ".yml")


def suggest(records: Sequence[Record]) -> None:
    """Prints the lines for the rules of these runs together, and on the error output what the user
    must know of them."""
    requests = resource_advice.requests(job for record in records for job in record.jobs)
    rows = [row for record in records for row in attempt_table.rows(record)]
    rules = statistics.rules(rows, requests)
    advised = {r.name: (r.mem_mb, r.threads) for r in rules if re.fullmatch(r"\w+", r.name)}
    output = terminal.output_file()
    target = output if output and output.suffix in _PROFILES else None
    before = _read(target) if target else ""
    existing = _parsed(before)
    for rule in rules:
        if rule.mem_mb.value is None and requests[rule.name].given == FUNCTION:
            note(f"{rule.name}: its mem_mb stays, {rule.mem_mb.why}.")
    if existing is None:
        note(f"{target} is not a profile that can be read: nothing was added.")
        return
    text = resource_advice.profile(advised, existing)
    if not text:
        note("Nothing to suggest: these rules request what they need.")
        return
    terminal.say_exactly(("\n" if before and not before.endswith("\n") else "") + text)
    doubled = resource_advice.repeated(text, existing)
    if target is not None and doubled:
        keys = " and ".join(f"{key}:" for key in doubled)
        note(
            f"{target} had {keys} already. What was added repeats their entries and counts "
            "instead of them: you can remove the earlier ones."
        )
    elif target is None and not terminal.output_is_shown():
        note(
            "If this goes into a profile that has set-resources: or set-threads: already, put the "
            "lines under those: of two equal keys only the last one counts."
        )


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _parsed(text: str) -> Mapping[str, object] | None:
    """What the file says now; None if that is no YAML mapping."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    if found is None:
        return {}
    return found if isinstance(found, dict) else None
