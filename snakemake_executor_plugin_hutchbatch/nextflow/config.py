"""The settings of a config, with the profile that counts and the values that they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .carried import shown
from .expressions import evaluate
from .syntax import NextflowError, Reader, Selector, Skipped, Source, Unread
from .tokens import bare


@dataclass(frozen=True)
class Entry:
    """One setting. ``selector``: ``("withName", "ALIGN")`` if it only applies to some processes;
    ``value``: from ``expressions.evaluate``; ``text``: the value as written; ``file``: the included
    file that it is from."""

    path: tuple[str, ...]
    selector: Selector | None
    value: object
    text: str
    line: int
    file: str = ""


@dataclass(frozen=True)
class Config:
    """A parsed config. Of entries with the same path the last one counts. ``profile``: the one that
    was included."""

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]
    profile: str | None = None


def no_files(name: str) -> str | None:
    """Of an ``include``: there are none."""
    return None


def read(
    text: str, profile: str | None = None, include: Callable[[str], str | None] = no_files
) -> Config:
    """The settings of a config, with those of one of its ``profiles`` on top. By default that is
    the only profile that runs on AWS Batch, unless the config does so outside of its profiles.
    ``include``: the text of a file by its name relative to the config's folder; None where it
    cannot be had.

    Raises ``NextflowError`` for an unclosed block or bracket, an unknown profile, and for a config
    that is larger or deeper than any real one.
    """
    reader = Reader(Source(text), include)
    reader.block((), None, None)
    outside: list[Unread] = []
    profiles: dict[str, list[Unread]] = {name: [] for name in reader.profiles}
    for found in reader.found:
        if found.path[0] == "profiles" and len(found.path) > 2:
            inner = replace(found, path=found.path[2:])
            profiles.setdefault(found.path[1], []).append(inner)
        else:
            outside.append(found)
    if profile is not None and profile not in profiles:
        known = shown(", ".join(profiles)) or "none"
        raise NextflowError(f"there is no profile {profile!r} in it; there are: {known}")
    on_batch = [name for name, those in profiles.items() if _on_batch(those)]
    if profile is None and len(on_batch) == 1 and not _on_batch(outside):
        profile = on_batch[0]
    chosen = outside + profiles.pop(profile or "", [])
    why = "use --nextflow-profile to choose one of them instead"
    others = [
        Skipped(name, reader.profiles.get(name, 1), why, group="profiles:") for name in profiles
    ]
    params: Mapping[tuple[str, ...], object] = {
        f.path[1:]: evaluate(f.tokens, {}, f.source.text) for f in chosen if f.path[0] == "params"
    }
    entries = tuple(
        Entry(
            f.path,
            f.selector,
            evaluate(f.tokens, params, f.source.text),
            f.shown,
            f.line,
            f.source.file,
        )
        for f in chosen
    )
    # What is skipped within a profile that is not used is no loss of its own.
    skipped = [s for name, s in reader.skipped if not name or name == profile]
    return Config(entries, (*skipped, *others), profile)


def _on_batch(found: list[Unread]) -> bool:
    return any(
        each.path == ("process", "executor") and [bare(t) for t in each.tokens] == ["awsbatch"]
        for each in found
    )
