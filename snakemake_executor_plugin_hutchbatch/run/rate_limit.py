"""Snakemake's limit on jobs per second: lifted if it is the default, kept if somebody set it.

Snakemake hands over 100 jobs a second at most unless told otherwise, to spare services that take
one call a job. Ours are fused and paced, so that limit only delays them. Its settings do not tell a
default from the same value in a profile; its argument parser (ConfigArgParse) remembers where each
value came from, and stands in the call that leads to us.
"""

from __future__ import annotations

import inspect
import sys
from argparse import Action
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Protocol, runtime_checkable

from ..snakemake_types import Workflow

#: The limit, and its former name.
OPTIONS = ("--max-jobs-per-timespan", "--max-jobs-per-second")
_DESTINATIONS = ("max_jobs_per_timespan", "max_jobs_per_second")


@runtime_checkable
class _Parser(Protocol):
    """ConfigArgParse's, once it has parsed: by source and option, an action and its values."""

    def get_source_to_settings_dict(
        self,
    ) -> Mapping[str, Mapping[str, tuple[Action | None, list[str]]]]: ...


def lift(workflow: Workflow) -> None:
    """Takes the limit away unless the command line, a profile or the environment sets it, or
    Snakemake was not started by its command (then nobody knows). Its scheduler reads the limit
    again in each round, and the first one begins after the executor is made."""
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    parser = next(_parsers(inspect.currentframe()), None)
    if limit is not None and parser is not None and not is_set(parser):
        limit.max_jobs = sys.maxsize


def is_set(parser: _Parser) -> bool:
    """Whether anything but the default says what the limit is. ``parser``: has parsed."""
    sources = dict(parser.get_source_to_settings_dict())
    sources.pop("defaults", None)
    (_, typed) = sources.pop("command_line", {}).get("", (None, []))
    actions = [action for found in sources.values() for action, _ in found.values()]
    return any(map(_names_it, _options(typed))) or any(
        action and action.dest in _DESTINATIONS for action in actions
    )


def _parsers(frame: FrameType | None) -> Iterator[_Parser]:
    while frame is not None:
        found = frame.f_locals.get("parser")
        if isinstance(found, _Parser):
            yield found
        frame = frame.f_back


def _options(words: list[str]) -> list[str]:
    options = words[: words.index("--")] if "--" in words else words
    return [word.partition("=")[0] for word in options if word.startswith("--")]


def _names_it(option: str) -> bool:
    # argparse takes abbreviations.
    return any(name.startswith(option) for name in OPTIONS)
