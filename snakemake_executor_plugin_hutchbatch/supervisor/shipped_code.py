"""What came with the workflow's code, for Snakemake in a container.

Sources of other repositories are answered from what was shipped: nothing is cloned. Absolute names
of the controller's machine lead to the job's own copies. For the Snakefiles (not for Snakemake
itself, nor for the rules' commands) the folders that they list hold what they hold at the
controller, though the files themselves do not travel. Standard library and Snakemake only.
"""

from __future__ import annotations

import builtins
import io
import json
import os
import stat
import sys
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from . import launch_folder

if TYPE_CHECKING:
    from ..snakemake_types import SourceCache, SourceFile, Workflow

#: The variable that names the launch folder to Snakemake in a container, by all its names, its own
#: first.
LAUNCH = "HUTCHBATCH_LAUNCH_FOLDERS"
#: The variables that say where the working directory and the root of the job's tree are, and which
#: other folders of the controller's machine the job has.
WORK = "HUTCHBATCH_WORK_FOLDER"
TREE = "HUTCHBATCH_TREE"
PLACES = "HUTCHBATCH_PLACES"
#: Below the tree's root: addresses of sources, what listed folders hold, and what else is there.
SOURCES_INDEX = ".hutchbatch/sources.json"
LISTED_INDEX = ".hutchbatch/listed.json"
SEEN_INDEX = ".hutchbatch/seen.json"

_RUNS_RULES = os.path.join("snakemake", "executors", "local.py")
_HAS_GLOBALS = os.path.join("snakemake", "workflow.py")

Entry = Tuple[str, int, float]  # "d" or "f", size in bytes, seconds since the epoch


def work_folder() -> str:
    """The folder that stands for that in which the controller works."""
    return os.environ.get(WORK) or os.getcwd()


def launch_folders() -> Tuple[str, ...]:
    """In a job: the names of the folder in which the controller works, the longest first."""
    names = filter(None, os.environ.get(LAUNCH, "").split(os.pathsep))
    return tuple(sorted(names, key=lambda name: (-len(name), name)))


def launch_folder_name() -> str:
    """Of these its own."""
    return os.environ.get(LAUNCH, "").split(os.pathsep)[0]


def places() -> Tuple[Tuple[str, str], ...]:
    """In a job: folders and files of the controller's machine beside the launch folder, and where
    they are here."""
    found = json.loads(os.environ.get(PLACES) or "[]")
    return tuple((str(name), str(path)) for name, path in found)


def here(text: str, folders: Tuple[str, ...]) -> str:
    """A text with the paths of the job. ``folders``: the names of the launch folder."""
    for name, path in _all_places(folders):
        text = launch_folder.replaced(text, (name,), path)
    return text


def everywhere(value: object, folders: Tuple[str, ...]) -> object:
    """``here`` for all texts in lists and mappings."""
    for name, path in _all_places(folders):
        value = launch_folder.everywhere(value, (name,), path)
    return value


def _all_places(folders: Tuple[str, ...]) -> List[Tuple[str, str]]:
    found = [*((name, work_folder()) for name in folders), *places()]
    return sorted(found, key=lambda each: -len(each[0]))


def there(path: str, folders: Tuple[str, ...]) -> str:
    """What an absolute path of the job is called at the controller."""
    known = [(work_folder(), launch_folder_name())] if folders else []
    for name, place in (*known, *((place, name) for name, place in places())):
        inside = launch_folder.inside(path, (name,))
        if inside != path:
            return place if inside == "." else os.path.join(place, inside)
    return path


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
    """Patches Snakemake, which must be imported, and Python's functions for files; once."""
    from snakemake import sourcecache, workflow

    if getattr(sourcecache.SourceCache, "_hutchbatch", False):
        return
    sourcecache.SourceCache._hutchbatch = True
    tree = os.environ.get(TREE) or work_folder()
    _answer_sources(sourcecache, _read(os.path.join(tree, SOURCES_INDEX)), tree, folders)
    _lead_here(workflow, folders)
    listed = _read(os.path.join(tree, LISTED_INDEX))
    _Overlay(listed, _read(os.path.join(tree, SEEN_INDEX)), folders).install()


def _read(path: str) -> Dict[str, object]:
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return {}


def _answer_sources(
    sourcecache: ModuleType, index: Dict[str, object], tree: str, folders: Tuple[str, ...]
) -> None:
    cls = sourcecache.SourceCache
    plain = cls._cache

    def cache(self: SourceCache, source_file: SourceFile) -> Path:
        if not isinstance(source_file, sourcecache.LocalSourceFile):
            address = source_file.get_path_or_uri(secret_free=True)
            head, _, path = address.partition("file:///")
            known = index.get(address) or index.get(head + "file://" + there("/" + path, folders))
            if known:
                return Path(tree, str(known))
        return Path(plain(self, source_file))

    cls._cache = cache
    plain_split = sourcecache.split_git_path

    def split_git_path(address: str) -> Tuple[str, str, str]:
        try:
            root, path, ref = plain_split(address)
        except Exception:  # no git here, or no repository
            whole, _, ref = address.partition("file://")[2].rpartition("@")
            # Wherever it is split, the address of a file is the same.
            _, top, path = whole.split("/", 2)
            root = "/" + top
        return root, path, ref

    setattr(sourcecache, "split_git_path", split_git_path)  # noqa: B010  no module of ours


def _lead_here(workflow: ModuleType, folders: Tuple[str, ...]) -> None:
    cls = workflow.Workflow
    plain_include = cls.include

    def include(self: Workflow, snakefile: object, *args: object, **kwargs: object) -> object:
        if isinstance(snakefile, (str, Path)) and os.path.isabs(str(snakefile)):
            snakefile = here(str(snakefile), folders)
        return plain_include(self, snakefile, *args, **kwargs)

    def workdir(self: Workflow, path: object) -> None:
        os.chdir(work_folder())  # it is what the Snakefile makes it at the controller

    cls.include, cls.workdir = include, workdir


Named = Union[str, "os.PathLike[str]"]


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
