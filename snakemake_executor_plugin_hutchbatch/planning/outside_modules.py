"""Modules that Snakefiles import from elsewhere on this machine: a folder on ``sys.path`` or
``PYTHONPATH``, a package in editable mode. They travel with a submitted run, whose Snakemake finds
them on its path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from .code_files import MAX_FILE, below
from .launch_tree import Tree

#: In the tree that is sent.
FOLDER = ".hutchbatch/modules"
#: Bytes of one module, with all that is in its folder.
MOST_BYTES = 20_000_000


class TooLarge(ValueError):
    """A module cannot travel; one sentence for the user."""


def added(tree: Tree, modules: Iterable[tuple[str, str]]) -> Tree:
    """``modules``: their names, and their files or folders. Raises ``TooLarge``."""
    found: dict[str, Path | bytes] = {}
    for name, place in modules:
        found.update(_files(name, Path(place)))
    return replace(tree, files={**found, **tree.files})


def _files(name: str, place: Path) -> Mapping[str, Path]:
    if not place.is_dir():
        return {f"{FOLDER}/{place.name}": place}
    found, left = {}, MOST_BYTES
    for path in map(Path, below(str(place))):
        if not path.is_file():
            continue  # a link that leads nowhere, a socket
        size = path.stat().st_size
        left -= size
        if left < 0 or size > MAX_FILE:
            raise TooLarge(
                f"The Snakefile imports {name} from {place}, which is too large to be sent "
                f"along ({MOST_BYTES / 1e6:.0f} MB at most). Put what it needs beside it."
            )
        found[f"{FOLDER}/{name}/{path.relative_to(place).as_posix()}"] = path
    return found
