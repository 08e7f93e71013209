"""What lies below a work prefix, sorted by whose it is. Pure; ``run_layout`` has the places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .run_layout import is_own, is_run_id


@dataclass(frozen=True)
class StoredFile:
    """An object, or a version of one. ``at``: seconds since 1970; ``storage_class``: S3's;
    ``version``: None where the bucket keeps none, or only the current one is meant; ``gone``: an
    earlier version, or a mark of removal: by its name there is nothing, or something newer."""

    key: str
    size: int
    at: float
    storage_class: str = "STANDARD"
    version: str | None = None
    gone: bool = False


@dataclass(frozen=True)
class WorkFiles:
    """``runs`` and ``detached`` by run, ``doctor`` by its key; ``marked``: runs that have a mark
    (versions of one that was removed are among the run's files);
    ``shared``: code and software; ``conda``: environments, packages, locks; ``other``: nobody knows
    whose, which stays."""

    runs: Mapping[str, tuple[StoredFile, ...]] = field(default_factory=dict)
    detached: Mapping[str, tuple[StoredFile, ...]] = field(default_factory=dict)
    doctor: Mapping[str, tuple[StoredFile, ...]] = field(default_factory=dict)
    marked: Mapping[str, StoredFile] = field(default_factory=dict)
    shared: tuple[StoredFile, ...] = ()
    conda: tuple[StoredFile, ...] = ()
    other: tuple[StoredFile, ...] = ()


def sort(files: Iterable[StoredFile], prefix: str) -> WorkFiles:
    """``prefix``: the key at which the work prefix begins, with its slash."""
    by_run: dict[str, dict[str, list[StoredFile]]] = {"runs": {}, "detached": {}, "doctor": {}}
    marked: dict[str, StoredFile] = {}
    lists: dict[str, list[StoredFile]] = {"shared": [], "conda": [], "other": []}
    for each in files:
        path = each.key.removeprefix(prefix)
        kind, _, rest = path.partition("/")
        name = rest.partition("/")[0]
        mark = rest.removesuffix(".json")
        if kind == "open" and mark != rest and is_run_id(mark) and not each.gone:
            marked[mark] = each
        elif kind == "conda" and rest:
            lists["conda"].append(each)
        elif not is_own(path):
            lists["other"].append(each)
        elif kind == "open":
            by_run["runs"].setdefault(mark, []).append(each)
        elif kind in by_run:
            by_run[kind].setdefault(name, []).append(each)
        else:
            lists["shared"].append(each)
    return WorkFiles(
        **{kind: {k: tuple(v) for k, v in found.items()} for kind, found in by_run.items()},
        marked=marked,
        shared=tuple(lists["shared"]),
        conda=tuple(lists["conda"]),
        other=tuple(lists["other"]),
    )


def newest(files: Iterable[StoredFile]) -> float:
    """When the last of them was stored; 0 of none."""
    return max((each.at for each in files), default=0.0)


def size(files: Iterable[StoredFile]) -> int:
    return sum(each.size for each in files)
