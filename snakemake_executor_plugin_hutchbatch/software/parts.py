"""What a script knows of its job, as Snakemake's own script classes take it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePath

from snakemake.iocontainers import InputFiles, Log, Namedlist, OutputFiles, Params, ResourceList
from snakemake.iocontainers import Wildcards as WildcardList

_PLAIN = (list, tuple, set, frozenset)
#: Resources that Snakemake does not show to scripts in other languages than Python.
_HIDDEN = ("_cores", "_nodes")


@dataclass(frozen=True)
class Parts:
    """``bench_iteration`` is None for a rule without ``benchmark:``."""

    input: InputFiles
    output: OutputFiles
    params: Params
    wildcards: WildcardList
    threads: int
    resources: ResourceList
    log: Log
    rule: str
    bench_iteration: int | None

    def localized(self, text: Callable[[str], str]) -> Parts:
        """With the job's own paths in all texts."""
        return replace(
            self,
            input=everywhere(self.input, text),
            output=everywhere(self.output, text),
            params=everywhere(self.params, text),
            wildcards=everywhere(self.wildcards, text),
            resources=everywhere(self.resources, text),
            log=everywhere(self.log, text),
        )

    def shown_resources(self) -> dict[str, object]:
        return {name: v for name, v in self.resources.items() if name not in _HIDDEN}


def everywhere(value: object, text: Callable[[str], str]) -> object:
    """A value with ``text`` of all texts in lists, tuples, sets, dictionaries and paths."""
    if isinstance(value, str):
        return text(str(value))
    if isinstance(value, PurePath):
        changed = text(str(value))
        return value if changed == str(value) else type(value)(changed)
    if isinstance(value, Namedlist):
        made = type(value)(toclone=[everywhere(item, text) for item in value])
        made._take_names(value._get_names())
        return made
    if isinstance(value, dict):
        return {everywhere(k, text): everywhere(v, text) for k, v in value.items()}
    kind = type(value)
    if isinstance(value, (list, tuple, set, frozenset)) and kind in _PLAIN:
        return kind(everywhere(item, text) for item in value)
    return value
