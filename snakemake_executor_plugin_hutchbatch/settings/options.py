"""The settings as Snakemake and the planning see them; all of it follows from ``table``.

Every setting is an option ``--hutchbatch-<name>``, a profile key ``hutchbatch-<name>`` and an
environment variable ``SNAKEMAKE_HUTCHBATCH_<NAME>``. Those in ``PER_JOB`` are also a resource
``hutchbatch_<name>`` that wins over the setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from typing import Optional

from snakemake_interface_common.exceptions import ApiError
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

from ..text.printable import printable
from ..text.secrets import HIDDEN
from . import parsers
from .setting import RESOURCE_PREFIX, Setting, option_name
from .table import SETTINGS
from .values import SettingError, Value

#: Settings that are also a resource ``hutchbatch_<name>``; ``image`` is a resource only.
PER_JOB = tuple(setting.name for setting in SETTINGS.values() if setting.per_rule)

#: Other plugins' resources → the setting that means the same.
ALIASES = {alias: setting.name for setting in SETTINGS.values() for alias in setting.aliases}


def _as_list(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, (list, tuple)) else [str(value)]


def _field(setting: Setting) -> tuple[str, object, object]:
    """A field from which Snakemake makes an option of the command line. Its default is None, so
    that what was set can be told from what was not."""
    help_text = f"[{setting.need.words}] {setting.help_text}"
    metadata = {"help": help_text, "env_var": True, "metavar": setting.metavar}
    kind: object = Optional[str]  # Snakemake does not understand str | None
    if setting.flag:
        kind = bool
    if setting.listed:
        kind = Optional[list[str]]
        # Snakemake hands a nargs list to parse_func whole; without one it would take str() of it.
        metadata |= {"nargs": "+", "parse_func": _as_list, "unparse_func": " ".join}
    return setting.name, kind, field(default=None, metadata=metadata)


_Fields: type = make_dataclass(
    "_Fields",
    [_field(setting) for setting in SETTINGS.values() if setting.is_option],
    bases=(ExecutorSettingsBase,),
)


@dataclass
class ExecutorSettings(_Fields):
    """What a user set. The fields hold it as typed, None where nothing was; ``value`` is what it
    means.

    Raises ``ApiError`` on creation, one sentence for each value that cannot be used.
    """

    def __post_init__(self) -> None:
        self._parsed: dict[str, Value] = {}
        self._site: Mapping[str, Value] = {}
        problems = []
        for setting in SETTINGS.values():
            typed = getattr(self, setting.name) if setting.is_option else None
            if typed is None:
                continue
            try:
                self._parsed[setting.name] = setting.parse(typed)
            except SettingError as error:
                problems.append(f"{option_name(setting.name)} {_shown(typed)}: {error}.")
        if problems:
            # Of Snakemake's errors the one that is shown as it is, without lines of code.
            raise ApiError("\n".join(map(printable, problems)))

    def given(self, name: str) -> Value:
        """What the user set; None for nothing."""
        return self._parsed.get(name)

    def value(self, name: str) -> Value:
        """What the user set, else the site's value, else the default; None where there is none."""
        for values in (self._parsed, self._site):
            if name in values:
                return values[name]
        return SETTINGS[name].default_value

    def take_site(self, values: Mapping[str, Value]) -> None:
        """From now on, ``values`` count for what the user has not set. For the beginning of a run,
        before any job is planned."""
        self._site = dict(values)


@dataclass(frozen=True)
class JobSettings:
    """What counts for one job: ``own``, the values of its resources, before the run's."""

    own: Mapping[str, Value]
    run: ExecutorSettings

    def given(self, name: str) -> Value:
        """What was set for the job or the run; None for nothing."""
        return self.own[name] if name in self.own else self.run.given(name)

    def value(self, name: str) -> Value:
        """What was set for the job or the run, else the default; None where there is none."""
        return self.own[name] if name in self.own else self.run.value(name)


def _shown(value: object) -> str:
    if parsers.is_webhook(str(value)):
        return HIDDEN  # not even a wrong one
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else repr(str(value))


def job_values(resources: Mapping[str, object]) -> dict[str, Value]:
    """The per-job settings among a job's resources, parsed, by setting name.

    Raises ``SettingError`` naming the resource that cannot be used, also for an unknown
    ``hutchbatch_…`` name (a typing error would otherwise pass unseen).
    """
    values: dict[str, Value] = {}
    for resource, raw in resources.items():
        name = ALIASES.get(resource)
        if resource.startswith(RESOURCE_PREFIX):
            name = resource.removeprefix(RESOURCE_PREFIX)
            if name not in PER_JOB:
                known = ", ".join(RESOURCE_PREFIX + n for n in PER_JOB)
                raise SettingError(f"there is no resource {resource}; there are {known}")
        elif name is None or name in values or RESOURCE_PREFIX + name in resources:
            continue
        try:
            setting = SETTINGS[name]
            values[name] = (setting.parse_resource or setting.parse)(raw)
        except SettingError as error:
            raise SettingError(f"resource {resource}={raw!r}: {error}") from None
    return values
