"""Secrets of the command line, the configuration and the environment, recognized by their names:
kept out of the record, the report and the log."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from urllib.parse import quote

from ..settings.parsers import is_webhook
from ..text.secrets import HIDDEN, is_ordinary_value, is_secret_name, redacted

#: None of hutchbatch's own options holds a secret, since ``--hutchbatch-secrets`` says where AWS
#: keeps them; but for the address of a webhook, which ``--hutchbatch-notify`` may have.
_OURS = "--hutchbatch-"
_NOTIFY = "--hutchbatch-notify"
#: Shorter values are not looked for in other texts, where they could occur by chance.
SHORTEST = 6


def discreet(arguments: Iterable[str]) -> list[str]:
    """The arguments of a command line without the values of options such as
    ``--storage-s3-secret-key`` (all up to the next option: they may have several), without those of
    ``token=…`` behind ``--config``, and without what else looks like a secret."""
    kept: list[str] = []
    hide = first = False
    for argument in arguments:
        # The first word behind such an option is its value, even if it looks like an option.
        if hide and (first or not argument.startswith("-")):
            kept.append(HIDDEN)
            first = False
            continue
        name, joined, value = argument.partition("=")
        hide = first = False
        if joined and _is_notify(name) and is_webhook(value):
            kept.append(f"{name}={HIDDEN}")
            continue
        if kept and is_webhook(argument) and _is_notify(kept[-1]):
            kept.append(HIDDEN)
            continue
        secret = is_secret_name(name.lstrip("-")) and not is_ordinary_value(value)
        if argument.startswith("--") and not argument.startswith(_OURS):
            # Snakemake takes shortened options, too: --storage-s3-secret.
            if _is_secret_option(name):
                kept.append(f"{name}={HIDDEN}" if joined else name)
                hide = first = not joined
                continue
        elif joined and secret:
            kept.append(f"{name}={HIDDEN}")
            continue
        kept.append(redacted(argument))
    return kept


def _is_notify(name: str) -> bool:
    """Whether it is that option, also shortened."""
    return len(name) > len(_OURS) and _NOTIFY.startswith(name)


def _is_secret_option(name: str) -> bool:
    words = name.removeprefix("--").replace("_", "-").split("-")
    return is_secret_name(name.removeprefix("--")) or any(
        word in ("secret", "token", "password", "passwd", "passphrase", "auth") for word in words
    )


def discreet_command(command: str) -> str:
    """The same for a whole command, as a shell would read it."""
    try:
        return shlex.join(discreet(shlex.split(command)))
    except ValueError:  # no command of a shell
        return redacted(command)


@dataclass(frozen=True)
class Discretion:
    """Removes secrets from texts; ``known`` are those of this run."""

    known: tuple[str, ...] = ()

    def __call__(self, text: str) -> str:
        return redacted(text, self.known)

    def holds(self, text: str) -> bool:
        """Whether one of the known secrets is in a text, or in a text of JSON."""
        return any(
            secret in text or json.dumps(secret, ensure_ascii=False)[1:-1] in text
            for secret in self.known
        )


def of_run(
    config: object,
    settings: Iterable[object],
    environment: Mapping[str, str],
    arguments: Iterable[str],
) -> Discretion:
    """What is known about a run: its configuration, the settings of Snakemake's plugins
    (dataclasses), the environment and the command line."""
    values = [
        *_of_config(config),
        *(value for each in settings for value in _of_settings(each)),
        *(value for name, value in environment.items() if is_secret_name(name)),
        *_of_arguments(list(arguments)),
    ]
    known = {
        value
        for value in values
        if len(value) >= SHORTEST and not is_ordinary_value(value) and not _is_path(value)
    }
    spellings = {spelt for value in known for spelt in (value, quote(value, safe=""))}
    # The longest first: one may begin with another.
    return Discretion(tuple(sorted(spellings, key=lambda value: (-len(value), value))))


def _is_path(value: str) -> bool:
    """Whether a value only says where a secret is."""
    try:
        return value[0] in "/~." and Path(value).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return False


def _of_config(value: object) -> Iterator[str]:
    left, seen = [value], set[int]()
    while left:
        each = left.pop()
        if id(each) in seen:  # YAML's aliases: the same thing in many places, or in itself
            continue
        seen.add(id(each))
        if isinstance(each, Mapping):
            for name, item in each.items():
                if isinstance(item, (str, int, float)) and not isinstance(item, bool):
                    if is_secret_name(str(name)):
                        yield str(item)
                else:
                    left.append(item)
        elif isinstance(each, (list, tuple)):
            left += [item for item in each if isinstance(item, (Mapping, list, tuple))]


def _of_settings(settings: object) -> Iterator[str]:
    if is_dataclass(settings):
        for each in fields(settings):
            value = getattr(settings, each.name, None)
            if isinstance(value, str) and is_secret_name(each.name):
                yield value


def _of_arguments(arguments: list[str]) -> Iterator[str]:
    """The values that ``discreet`` hides whole."""
    for given, kept in zip(arguments, discreet(arguments), strict=True):
        if kept == HIDDEN:
            yield given
        elif kept.endswith(f"={HIDDEN}"):
            yield given.removeprefix(kept.removesuffix(HIDDEN))
