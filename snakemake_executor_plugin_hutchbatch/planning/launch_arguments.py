"""Snakemake's arguments, as another machine must have them: paths of this one are written so that
they lead to what was sent with them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass

#: Options whose values name files and folders that Snakemake reads when it starts.
_FILES = frozenset(
    ("snakefile", "configfile", "directory", "hutchbatch_queue_catalog", "hutchbatch_site")
)
_PROFILES = frozenset(("profile", "workflow_profile"))
_SECRETS_OF_STORAGE = ("access_key", "secret_key", "token", "password")


@dataclass(frozen=True)
class Word:
    """An argument. ``option``: as it is written, empty for a target; ``dest``: what it is about, as
    argparse calls it; ``joined``: the option is written before the value, as ``--name=value``."""

    text: str
    dest: str = ""
    option: str = ""
    joined: str = ""


def read(arguments: Sequence[str], parser: argparse.ArgumentParser) -> list[Word]:
    """What each argument belongs to. Options may be shortened, as argparse allows it."""
    words: list[Word] = []
    waiting = list(arguments)
    action: argparse.Action | None = None
    left = 0.0
    while waiting:
        text = waiting.pop(0)
        if text == "--":
            words += [Word(text), *map(Word, waiting)]
            break
        if text.startswith("-") and len(text) > 1 and not (left == 1 and action and _one(action)):
            name, joined, value = text.partition("=")
            action = _action(name, parser)
            if action is None and not text.startswith("--"):
                action, name, value = _action(text[:2], parser), text[:2], text[2:]
                joined = "" if value else joined
                if action is not None and value:
                    words.append(Word(value, action.dest, name, name))
                    left = 0
                    continue
            dest = action.dest if action else ""
            if joined:
                words.append(Word(value, dest, name, f"{name}="))
                left = 0
            else:
                words.append(Word("", dest, text, text))
                left = _values(action)
        elif left > 0 and action is not None:
            words.append(Word(text, action.dest, ""))
            left -= 1
        else:
            words.append(Word(text))
    return words


def _one(action: argparse.Action) -> bool:
    return action.nargs is None


def _values(action: argparse.Action | None) -> float:
    if action is None:
        return 0
    if action.nargs is None:
        return 1
    if isinstance(action.nargs, int):
        return action.nargs
    return 1 if action.nargs == "?" else float("inf")


def _action(name: str, parser: argparse.ArgumentParser) -> argparse.Action | None:
    options = parser._option_string_actions
    if name in options:
        return options[name]
    if not name.startswith("--"):
        return None
    found = {id(each): each for text, each in options.items() if text.startswith(name)}
    return next(iter(found.values())) if len(found) == 1 else None


def given(words: Sequence[Word], *dests: str) -> list[str]:
    """The values of some options."""
    return [word.text for word in words if word.dest in dests and word.text]


def keys(parsed: argparse.Namespace, environ: Mapping[str, str]) -> list[str]:
    """Options that hold keys of a storage, in arguments or in a profile. Those of the environment
    do not travel, and count for none."""
    return sorted(
        dest
        for dest, value in vars(parsed).items()
        if value and value is not MISSING and dest.startswith("storage_") and _is_key(dest)
        if f"SNAKEMAKE_{dest.upper()}" not in environ
    )


def _is_key(dest: str) -> bool:
    return dest.endswith(_SECRETS_OF_STORAGE)


def moved(
    words: Sequence[Word],
    place: Callable[[str], str],
    profile: Callable[[str], str],
    in_text: Callable[[str], str],
) -> list[str]:
    """The arguments with other paths. ``place``: of a file, where what it names exists here;
    ``profile``: of a profile by its name; ``in_text``: of absolute paths in any other value."""
    return list(_moved(words, place, profile, in_text))


def _moved(
    words: Sequence[Word],
    place: Callable[[str], str],
    profile: Callable[[str], str],
    in_text: Callable[[str], str],
) -> Iterator[str]:
    for word in words:
        if not word.text:
            value = ""
        elif word.dest in _FILES:
            value = place(word.text)
        elif word.dest in _PROFILES:
            value = profile(word.text)
        else:
            value = in_text(word.text)
        yield f"{word.joined}{value}"
