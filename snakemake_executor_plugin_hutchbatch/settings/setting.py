"""One row of the table of settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from .values import Value


class Need(IntEnum):
    """Who sets a setting, in the order in which help and documentation show them. NEEDED: most
    runs, and ``hutchbatch init`` asks for it; USEFUL: many, sooner or later; RARE: those whose
    site or program differs from others."""

    NEEDED, USEFUL, RARE = range(3)

    @property
    def words(self) -> str:
        return ("needed", "useful", "rarely needed")[self]


@dataclass(frozen=True)
class Setting:
    """One setting. ``parse`` raises ``SettingError``.

    ``default``: as a user would type it; None where there is none, or where it is worked out from
    something else, which ``help`` then says. In ``help``, ``{default}`` stands for it.
    """

    name: str
    parse: Callable[[object], object]
    metavar: str
    help: str
    default: str | tuple[()] | None = None
    need: Need = Need.RARE
    #: Whether a rule can have its own value, as a resource ``hutchbatch_<name>``.
    per_rule: bool = False
    #: Whether it is an option, too, and not a resource only.
    is_option: bool = True
    #: Whether the option takes several words.
    listed: bool = False
    #: Whether the option takes no word: it is there or not.
    flag: bool = False
    #: Resources of other plugins that mean the same.
    aliases: tuple[str, ...] = ()
    #: How its resource is read, where that says something else than the option.
    parse_resource: Callable[[object], object] | None = None

    @property
    def help_text(self) -> str:
        return self.help.format(default=self.default)

    @cached_property
    def default_value(self) -> Value:
        """The default, parsed; None where there is none."""
        return None if self.default is None else self.parse(self.default)


RESOURCE_PREFIX = "hutchbatch_"


def option_name(name: str) -> str:
    """``shm_mb`` → ``--hutchbatch-shm-mb``."""
    return "--hutchbatch-" + name.replace("_", "-")
