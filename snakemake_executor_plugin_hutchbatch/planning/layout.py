"""Where a job has the folders of this machine.

A job's tree stands for the deepest folder here below which lie the launch folder (the working
directory of Snakemake, such as that of ``--directory``) and everything that travels. So all files
lie to each other as they do here, and names through ``..`` mean the same. Absolute names are found
in texts and replaced.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..supervisor import launch_folder

#: Below the tree's root: what hutchbatch itself puts there.
OURS = ".hutchbatch"
#: More files of one folder than this are named by the folder.
MOST_NAMES = 5


@dataclass(frozen=True)
class Layout:
    """``root``: the folder here that the tree's root stands for. ``directory``: the launch folder,
    relative to it, empty where it is the root. ``launch``: the names of the launch folder;
    ``others``: of other folders and files, with their places in the tree, the longest first."""

    root: str
    directory: str
    launch: tuple[str, ...]
    others: tuple[tuple[str, str], ...] = ()

    def place(self, path: str) -> str:
        """The place in the tree of a path below ``root``."""
        return os.path.relpath(path, self.root)

    def label(self, place: str) -> str:
        """A place in the tree as jobs call it: relative to the launch folder where it is in it."""
        prefix = self.directory + "/"
        return place[len(prefix) :] if self.directory and place.startswith(prefix) else place


def is_broad(folder: str) -> bool:
    """Whether a folder holds much that has nothing to do with a workflow: the root of the disk, the
    home folder, that of temporary files, and what they lie in."""
    special = [Path.home(), Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108
    return any(Path(folder) in (path, *path.parents) for path in special)


def canonical(path: str, launch: str) -> str:
    """An absolute path without ``..``, which goes through the launch folder's own parents where it
    leads to one of them by another name (a symbolic link)."""
    path = os.path.normpath(Path.cwd() / path)
    parents = {_identity(str(each)): str(each) for each in (Path(launch), *Path(launch).parents)}
    parents.pop(_identity("/"), None)
    for above in (Path(path), *Path(path).parents):
        found = parents.get(_identity(str(above)))
        if found is not None:
            rest = os.path.relpath(path, above)
            return os.path.normpath(Path(found, rest))
    return path


def _identity(path: str) -> tuple[int, int]:
    try:
        state = Path(path).stat()
    except OSError:
        return (-1, -1)
    return state.st_dev, state.st_ino


def layout(
    launch: str, folders: Iterable[str], files: Iterable[str], written: Iterable[str]
) -> Layout:
    """``launch``: the working directory; ``folders`` and single ``files`` outside of them, all
    canonical, that jobs must have; ``written``: paths as they are written, which may name the same
    folders otherwise."""
    anchors = _anchors(launch, folders, files)
    root = os.path.commonpath([launch, *anchors])
    also = tuple(written)
    own = launch_folder.names(launch, also)
    others = {
        name: os.path.relpath(anchor, root)
        for anchor in anchors
        for name in launch_folder.names(anchor, also)
        if name not in own
    }
    ordered = sorted(others.items(), key=lambda each: (-len(each[0]), each[0]))
    directory = os.path.relpath(launch, root)
    return Layout(root, "" if directory == "." else directory, own, tuple(ordered))


def _anchors(launch: str, folders: Iterable[str], files: Iterable[str]) -> list[str]:
    """The folders and files that stand for all others."""
    kept: list[str] = []
    for folder in sorted(set(folders) - {launch}):  # those above come first
        if not is_broad(folder) and not is_below(folder, [launch, *kept]):
            kept.append(folder)
    single: dict[str, list[str]] = {}
    for file in sorted(set(files)):
        if not is_below(file, [launch, *kept]):
            single.setdefault(str(Path(file).parent), []).append(file)
    for folder, names in single.items():
        many = len(names) > MOST_NAMES and not is_broad(folder)
        kept += [folder] if many else names
    return kept


def is_below(path: str, folders: Iterable[str]) -> bool:
    """Whether a path is one of ``folders`` or is below one."""
    return any(
        path == each or path.startswith(each if each.endswith("/") else each + "/")
        for each in folders
    )
