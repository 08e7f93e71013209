"""The ``snakemake`` object of a Python script, pickled for a job that fills in what only it knows.

A pickle's texts carry their lengths, so nothing can be replaced in it afterwards. What the job
fills in are persistent ids (``pickle``'s own way to leave objects out): ``("text", pieces)`` with
the job's folders as numbers, ``("path", (class, pieces))``, ``("config", keys)`` for a dictionary
or list of the configuration, which is stored once for all jobs, and ``("bench_iteration", None)``.
"""

from __future__ import annotations

import base64
import io
import pickle
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from snakemake.iocontainers import Snakemake

from ..supervisor.taskspec import SCRIPT_BENCH
from .parts import Parts
from .tokens import pieces

#: Snakemake's modules whose classes the shim has.
KNOWN_MODULES = frozenset(("snakemake.iocontainers", "snakemake.exceptions"))
_PROTOCOL = 4  # what Python 3.4 to 3.7 can read
Key = tuple[str | int, ...]


class NotPlain(Exception):
    """An object of Snakemake's own that only Snakemake can read; the message names its class."""


@dataclass(frozen=True)
class Config:
    """A configuration as all scripts of a run share it. ``known``: the keys that lead to each of
    its dictionaries and lists, by ``id``; ``value`` keeps them alive."""

    value: object
    known: Mapping[int, Key]

    @classmethod
    def of(cls, value: object) -> Config:
        return cls(value, dict(_places(value, ())))


def _places(value: object, keys: Key) -> Iterator[tuple[int, Key]]:
    if type(value) is dict:
        yield id(value), keys
        for key, item in value.items():
            if isinstance(key, (str, int)):
                yield from _places(item, (*keys, key))
    elif type(value) is list:
        yield id(value), keys
        for number, item in enumerate(value):
            yield from _places(item, (*keys, number))


class _Pickler(pickle.Pickler):
    def __init__(
        self, file: io.BytesIO, localized: Callable[[str], str], known: Mapping[int, Key]
    ) -> None:
        super().__init__(file, protocol=_PROTOCOL)
        self._localized, self._known = localized, known
        self.modules: set[str] = set()

    def persistent_id(self, value: object) -> object:
        kind = type(value)
        if isinstance(value, str) and kind is str:
            return self._text(value)
        if kind is int:
            return ("bench_iteration", None) if value == SCRIPT_BENCH else None
        if kind is dict or kind is list:
            keys = self._known.get(id(value))
            return None if keys is None else ("config", keys)
        if isinstance(value, str) and kind.__module__.split(".")[0] == "snakemake":
            return self._text(value) or ("text", (str(value),))  # a flagged one
        if isinstance(value, PurePath) and kind.__module__.split(".")[0] == "pathlib":
            text = self._localized(str(value))
            return "path", (kind.__name__, pieces(text) or (text,))
        return None

    def _text(self, value: str) -> object:
        if "/" not in value and ".." not in value:
            return None  # names no folder: most texts of an object, which has a hundred or more
        found = pieces(self._localized(value))
        return ("text", found) if found else None

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401  as pickle says
        kind = value if isinstance(value, type) else type(value)
        module = str(kind.__module__)
        if module.split(".", maxsplit=1)[0] == "snakemake" and module not in KNOWN_MODULES:
            raise NotPlain(f"{module}.{kind.__name__}")
        self.modules.add(module.split(".", maxsplit=1)[0])
        return NotImplemented


def packed(
    value: object,
    localized: Callable[[str], str],
    known: Mapping[int, Key],
    modules: set[str] | None = None,
) -> str:
    """A compressed pickle as text. ``modules``: gets the top-level modules of its objects' classes
    and functions. Raises ``NotPlain``, and whatever the objects themselves raise where they cannot
    be pickled."""
    file = io.BytesIO()
    pickler = _Pickler(file, localized, known)
    pickler.dump(value)
    if modules is not None:
        modules |= pickler.modules
    return base64.b64encode(zlib.compress(file.getvalue(), 9)).decode("ascii")


def script_object(parts: Parts, config: object, scriptdir: str) -> Snakemake:
    """The object as Snakemake itself would make it."""
    with without_new_imports("pandas", "numpy", "polars"):
        return Snakemake(
            parts.input,
            parts.output,
            parts.params,
            parts.wildcards,
            parts.threads,
            parts.resources,
            parts.log,
            config,
            parts.rule,
            parts.bench_iteration,
            scriptdir,
        )


@contextmanager
def without_new_imports(*names: str) -> Iterator[None]:
    """Modules that are not loaded here cannot be imported within: nothing has a value of theirs,
    and looking for one must not cost the controller their memory."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: not to be found
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
