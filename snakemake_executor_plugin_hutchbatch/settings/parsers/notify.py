"""Where a note about the end of a run goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..values import SettingError
from .text import text

#: Hosts that a note reaches without crossing a network.
_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class NoteTarget:
    """One of the three: the address of a webhook, the variable that holds it, or a command of
    sh. An address is a secret: whoever has it may write there."""

    url: str = ""
    variable: str = ""
    command: str = ""


def is_webhook(value: str) -> bool:
    """Whether it is the address of a webhook, which nobody else must see."""
    return bool(re.match(r"\s*https?://", value, re.IGNORECASE))


def parse_webhook(value: object) -> str:
    """An address. Raises ``SettingError``, which does not repeat it."""
    url = text(value)
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or re.search(r"\s", url):
        raise SettingError("a webhook is an address like https://hooks.example.org/…")
    if parts.scheme.lower() != "https" and host not in _HERE:
        raise SettingError("a webhook's address begins with https://, or others could read it")
    return url


def parse_notify(value: object) -> NoteTarget:
    """``https://…``, ``env:NAME`` or a command."""
    given = text(value)
    if given.startswith("env:"):
        name = given.removeprefix("env:")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise SettingError("env: is followed by the name of a variable, like env:SLACK_WEBHOOK")
        return NoteTarget(variable=name)
    if is_webhook(given):
        return NoteTarget(url=parse_webhook(given))
    return NoteTarget(command=given)
