"""What parsed settings are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, TypeVar, get_args

Policy = Literal["availability", "balanced", "capacity"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
MODES = ("auto", "direct", "snakemake")
UPLOADS = ("auto", "never")
#: Sites that ship (package ``sites``).
SITES = ("hutch", "hutch-lab")


#: What a parser made of a setting. Its type is that parser's, which depends on the setting's name.
Value = Any


class SettingError(ValueError):
    """A value that cannot be used; the message says what is wrong and what to type instead."""


class Nothing(Enum):
    """The type of ``NONE``; an enumeration, so that it stays itself in a pickle."""

    NONE = "none"

    def __str__(self) -> str:
        return self.value


#: ``none`` as typed by the user, who wants to go without; ``None`` means that nothing was set.
NONE: Final = Nothing.NONE

_T = TypeVar("_T")


def unless_none(value: _T | Nothing) -> _T | None:
    """The value; None where the user typed ``none``."""
    return None if isinstance(value, Nothing) else value


@dataclass(frozen=True)
class Mount:
    """A host folder made visible in the container at ``path``."""

    source: str
    path: str
    read_only: bool = False
