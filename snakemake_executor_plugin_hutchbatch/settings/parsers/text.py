"""Text, and one of several words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..values import MODES, POLICIES, UPLOADS, SettingError


def text(value: object) -> str:
    """The value without white space around it. Raises ``SettingError`` for an empty one."""
    stripped = str(value).strip()
    if not stripped:
        raise SettingError("it is empty")
    return stripped


def one_of(what: str, words: Sequence[str]) -> Callable[[object], str]:
    """A parser of one of ``words``."""
    *first, last = words

    def parse(value: object) -> str:
        word = text(value)
        if word not in words:
            raise SettingError(f"{what} is {', '.join(first)} or {last}")
        return word

    return parse


parse_mode = one_of("the mode", MODES)
parse_policy = one_of("the policy", POLICIES)
parse_upload = one_of("uploading", UPLOADS)


def parse_execute_command(value: object) -> bool:
    """``yes`` or ``no``; in Snakefiles and profiles also ``True``, ``true`` and their opposites."""
    found = {"yes": True, "true": True, "no": False, "false": False}.get(str(value).lower())
    if found is None:
        raise SettingError("is neither yes nor no")
    return found


def parse_flag(value: object) -> bool:
    """Of an option that takes no word. Raises ``SettingError`` for one."""
    if not isinstance(value, bool):
        raise SettingError("it takes no value")
    return value
