"""Files as Snakefiles in a container find them: with what the controller has as well.

For the Snakefiles (not for Snakemake itself, nor for the rules' commands) the folders that they
list hold what they hold at the controller, though the files themselves do not travel, and absolute
names of its machine lead to the job's own copies. Standard library only.
"""

from __future__ import annotations

import builtins
import io
import os
import stat
import sys
from types import FrameType
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from .controller_folders import here, read_index, there

#: Below the tree's root: what is in the folders that Snakefiles list, and what else they ask about.
LISTED_INDEX = ".hutchbatch/listed.json"
SEEN_INDEX = ".hutchbatch/seen.json"

_RUNS_RULES = os.path.join("snakemake", "executors", "local.py")
_HAS_GLOBALS = os.path.join("snakemake", "workflow.py")

Entry = Tuple[str, int, float]  # "d" or "f", size in bytes, seconds since the epoch
Named = Union[str, "os.PathLike[str]"]


def is_of_snakefile(frame: Optional[FrameType]) -> bool:
    """Whether code of a Snakefile is at work: it, or what it has called. Not where it is a rule's:
    that works with the job's files."""
    found = False
    while frame is not None:
        code = frame.f_code.co_filename
        if code.endswith(_RUNS_RULES):
            return False
        # Snakemake's own module has the globals of the main Snakefile.
        if "workflow" in frame.f_globals and "checkpoints" in frame.f_globals:
            found = found or not code.endswith(_HAS_GLOBALS)
        frame = frame.f_back
    return found


def use(folders: Tuple[str, ...]) -> None:
    """Replaces Python's functions for files; once. ``folders``: the names of the launch folder."""
    if not isinstance(getattr(os.stat, "__self__", None), _Overlay):
        _Overlay(read_index(LISTED_INDEX), read_index(SEEN_INDEX), folders).install()


class _Overlay:
    """Python's functions for files, which for a Snakefile find what the controller has as well."""

    def __init__(
        self, listed: Mapping[str, object], seen: Mapping[str, object], folders: Tuple[str, ...]
    ) -> None:
        self._folders = folders
        self._seen = {name: _as_entry(given) for name, given in seen.items()}
        self._entries = {folder: _entries(given) for folder, given in listed.items()}
        self._stat: Callable[..., os.stat_result] = os.stat
        self._lstat: Callable[..., os.stat_result] = os.lstat
        self._listdir: Callable[..., List[str]] = os.listdir
        self._scandir, self._open = os.scandir, io.open

    def install(self) -> None:
        for name in ("stat", "lstat", "listdir", "scandir"):
            plain, ours = getattr(os, name), getattr(self, name)
            setattr(os, name, ours)
            # What Python's own modules (shutil) look for before they use an option.
            for options in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
                if plain in options:
                    options.add(ours)
        for module in (builtins, io):
            setattr(module, "open", self.open)  # noqa: B010  mypy knows another type

    def open(self, file: object, *args: object, **kwargs: object) -> object:
        plain: Callable[..., object] = self._open
        try:
            return plain(file, *args, **kwargs)
        except FileNotFoundError:
            other = self._elsewhere(file)
            if other is None:
                raise
            return plain(other, *args, **kwargs)

    def stat(self, path: object, **kwargs: object) -> os.stat_result:
        return self._state(self._stat, path, kwargs)

    def lstat(self, path: object, **kwargs: object) -> os.stat_result:
        return self._state(self._lstat, path, kwargs)

    def _state(
        self, plain: Callable[..., os.stat_result], path: object, options: Mapping[str, object]
    ) -> os.stat_result:
        try:
            return plain(path, **options)
        except OSError:
            if not isinstance(path, (str, os.PathLike)) or options.get("dir_fd") is not None:
                raise
            other = self._elsewhere(path)
            if other is not None:
                return plain(other)
            entry = self._entry(path)
            if entry is None or not is_of_snakefile(sys._getframe(2)):
                raise
            return _as_stat(entry)

    def listdir(self, path: Optional[Named] = None) -> List[str]:
        known = self._listed(path)
        if known is None:
            return self._listdir(path)
        try:
            found = self._listdir(path)
        except OSError:
            found = []
        return found + [name for name in known if name not in set(found)]

    def scandir(self, path: Optional[Named] = None) -> object:
        known = self._listed(path)
        if known is None:
            return self._scandir(path)
        folder = os.fspath(path) if path is not None else "."
        found: List[Listed] = []
        try:
            with self._scandir(path) as entries:
                found = list(entries)
        except OSError:
            pass
        names = {entry.name for entry in found}
        more = [_Listed(folder, n, entry) for n, entry in known.items() if n not in names]
        return _Entries([*found, *more])

    def _elsewhere(self, path: object) -> Optional[str]:
        """The job's copy of what has an absolute name of the controller's machine."""
        if not isinstance(path, (str, os.PathLike)):
            return None
        name = os.fspath(path)
        if not isinstance(name, str) or not os.path.isabs(name):
            return None
        other = here(name, self._folders)
        return other if other != name and is_of_snakefile(sys._getframe(2)) else None

    def _listed(self, path: object) -> Optional[Dict[str, Entry]]:
        if not is_of_snakefile(sys._getframe(2)):
            return None
        name = self._name(os.curdir if path is None else path)
        return self._entries.get(name) if name else None

    def _entry(self, path: object) -> Optional[Entry]:
        name = self._name(path)
        if name is None:
            return None
        if name in self._entries:
            return ("d", 0, 0.0)
        folder, last = os.path.split(name)
        return self._entries.get(folder, {}).get(last) or self._seen.get(name)

    def _name(self, path: object) -> Optional[str]:
        """What the controller calls it."""
        if not isinstance(path, (str, os.PathLike)):
            return None
        name = os.fspath(path)
        if not isinstance(name, str):
            return None
        # Snakefiles name folders through others, too: workflow/../data.
        return os.path.normpath(there(os.path.abspath(name), self._folders))


def _entries(given: object) -> Dict[str, Entry]:
    found = {}
    for name, kind, size, modified in given if isinstance(given, list) else []:
        found[str(name)] = _as_entry((kind, size, modified))
    return found


def _as_entry(given: object) -> Entry:
    kind, size, modified = given if isinstance(given, (list, tuple)) else ()
    return str(kind), int(size), float(modified)


def _as_stat(entry: Entry) -> os.stat_result:
    kind, size, modified = entry
    mode = stat.S_IFDIR | 0o755 if kind == "d" else stat.S_IFREG | 0o644
    return os.stat_result((mode, 0, 0, 1, os.getuid(), os.getgid(), size, *[int(modified)] * 3))


class _Entries:
    """In place of what ``os.scandir`` gives."""

    def __init__(self, entries: List[Listed]) -> None:
        self._left: Iterator[Listed] = iter(entries)

    def __iter__(self) -> _Entries:
        return self

    def __next__(self) -> Listed:
        return next(self._left)

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._left = iter(())


class _Listed:
    """In place of an ``os.DirEntry``."""

    def __init__(self, folder: str, name: str, entry: Entry) -> None:
        self.name, self.path, self._entry = name, os.path.join(folder, name), entry

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._entry[0] == "d"

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self._entry[0] == "f"

    def is_symlink(self) -> bool:
        return False

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return _as_stat(self._entry)

    def inode(self) -> int:
        return 0

    def __fspath__(self) -> str:
        return self.path


Listed = Union["os.DirEntry[str]", _Listed]
