"""Which files and folders the Snakefiles read, or ask about: sample sheets, lists of folders.

Jobs that run under Snakemake read the Snakefiles once more and must find the same. Python reports
what is opened and listed to an audit hook, which is set when Snakemake loads this plugin, before it
reads a Snakefile. What is only asked about (``os.path.exists``) raises no event: meanwhile other
functions stand for ``os.stat`` and ``os.lstat``. What a run's other code reads (Snakemake, its
libraries) is none of it.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..supervisor.listed_files import is_of_snakefile
from .layout import is_below

#: What no job needs to see, or may.
_SYSTEM = ("/proc", "/sys", "/dev", "/run", "/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc")
_PRIVATE = re.compile(
    r"(^|/)(\.(aws|ssh|gnupg|kube|docker|azure|gcloud|netrc|pgpass|boto|env[^/]*|snakemake|git|cache)"
    r"|__pycache__|credentials[^/]*|id_(rsa|dsa|ecdsa|ed25519)|snakemake-runtime-cache)(/|$)"
)
#: Where Snakemake has its own files, in the launch folder.
_OWN = ".snakemake/"
_COMPILED = (".pyc", ".so", ".pth")
_WRITING = set("wax+")
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR
#: Files and folders that Snakefiles ask about, at most.
MOST_SEEN = 20_000
_EVENTS = frozenset(("open", "os.listdir", "os.scandir"))


class _Watch:
    """What was read while it is ``active``."""

    def __init__(self) -> None:
        self.installed = self.active = False
        self.files: dict[str, None] = {}
        self.folders: dict[str, None] = {}
        self.seen: dict[str, tuple[str, int, float]] = {}
        self.libraries: tuple[str, ...] = ()
        self._below: tuple[str, ...] = ()
        self._plain: dict[str, Callable[..., os.stat_result]] = {}

    def begin(self) -> None:
        self.files, self.folders, self.seen = {}, {}, {}
        self.libraries = _libraries()
        self._below = tuple(f"{folder}/" for folder in (*_SYSTEM, *self.libraries))
        self.restore_stat()
        self.replace_stat()
        self.active = True

    def _is_library(self, path: object) -> bool:
        """Whether a path is at first sight no workflow's: most are not, while Python imports, and
        while Snakemake looks at what it knows of each file."""
        if not isinstance(path, str) or ".." in path:
            return False
        if path.startswith(self._below):
            return True
        if _OWN not in path:
            return False
        here = os.getcwd()  # noqa: PTH109 - no Path for each of thousands of files
        return path.startswith((_OWN, f"{here}/{_OWN}"))

    def replace_stat(self) -> None:
        """Has the functions of ``os`` note what they find."""
        for name in ("stat", "lstat"):
            plain = self._plain[name] = getattr(os, name)
            ours = self._noting(plain)
            setattr(os, name, ours)
            # What Python's own modules look for before they use an option.
            for options in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
                if plain in options:
                    options.add(ours)

    def restore_stat(self) -> None:
        for name, plain in self._plain.items():
            ours = getattr(os, name)
            if getattr(ours, "hutchbatch", False):  # else somebody else's, around ours
                setattr(os, name, plain)
        self._plain = {}

    def _noting(self, plain: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
        def noting(path: object, **options: object) -> os.stat_result:
            found = plain(path, **options)
            if not self.active or self._is_library(path):
                return found
            if isinstance(path, (str, os.PathLike)) and "dir_fd" not in options:
                self.active = False
                try:
                    self._note_seen(path, found)
                except (OSError, ValueError, TypeError):
                    pass
                finally:
                    self.active = True
            return found

        noting.hutchbatch = True  # type: ignore[attr-defined]
        return noting

    def _note_seen(self, given: str | os.PathLike[str], found: os.stat_result) -> None:
        path = os.path.normpath(Path.cwd() / os.fsdecode(given))
        if path in self.seen or len(self.seen) >= MOST_SEEN or is_foreign(path, self.libraries):
            return
        if not is_of_snakefile(sys._getframe(3)):
            return
        if stat.S_ISLNK(found.st_mode):
            found = Path(path).stat()
        kind = "d" if stat.S_ISDIR(found.st_mode) else "f"
        self.seen[path] = (kind, found.st_size, found.st_mtime)

    def hook(self, event: str, arguments: tuple[object, ...]) -> None:
        """Called by Python for everything: must be fast, and never raise."""
        if not self.active or event not in _EVENTS or self._is_library(arguments[0]):
            return
        self.active = False  # what is done here is no reading of a Snakefile's
        try:
            self._note(event, arguments)
        except (OSError, ValueError, TypeError):
            pass
        finally:
            self.active = True

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        given = arguments[0]
        if event != "open" and given is None:
            given = "."
        if isinstance(given, int) or not isinstance(given, (str, bytes, os.PathLike)):
            return
        if event == "open" and _writes(arguments):
            return
        path = os.path.normpath(Path.cwd() / os.fsdecode(given))
        if is_foreign(path, self.libraries) or not is_of_snakefile(sys._getframe(2)):
            return
        (self.files if event == "open" else self.folders)[path] = None


_watch = _Watch()


def install() -> None:
    """Sets the hook. Python has no way to take one away: it does nothing but from ``begin`` to
    ``end``."""
    if not _watch.installed:
        _watch.installed = True
        sys.addaudithook(_watch.hook)


def begin() -> None:
    """A Snakemake whose executor is hutchbatch is about to read its Snakefiles."""
    _watch.begin()


def end() -> None:
    """They have been read."""
    _watch.active = False
    _watch.restore_stat()


def files() -> list[str]:
    """Absolute paths of the files that were read."""
    sources = (_source_of(path) for path in list(_watch.files))
    return sorted({path for path in sources if path and Path(path).is_file()})


def folders() -> list[str]:
    """Absolute paths of the folders that were listed."""
    return sorted(path for path in list(_watch.folders) if Path(path).is_dir())


def seen() -> dict[str, tuple[str, int, float]]:
    """What they asked about and was there, by absolute path: ``f`` for a file or ``d``, size in
    bytes, and time in seconds since the epoch."""
    return dict(_watch.seen)


def _source_of(path: str) -> str | None:
    """The module's source, of which Python has read what it compiled before."""
    if path.endswith(".pyc"):
        folder, name = os.path.split(path)
        return str(Path(folder).parent / (name.split(".", 1)[0] + ".py"))
    return path


def _writes(arguments: tuple[object, ...]) -> bool:
    mode, flags = (*arguments[1:3], None, None)[:2]
    if isinstance(mode, str):
        return bool(_WRITING & set(mode))
    return isinstance(flags, int) and bool(flags & _WRITE_FLAGS)


def _libraries() -> tuple[str, ...]:
    """Folders of Python's own, and of what is installed."""
    named = ("stdlib", "platstdlib", "purelib", "platlib")
    paths = {sysconfig.get_path(name) for name in named} | {sys.prefix, sys.base_prefix}
    paths |= {path for path in sys.path if "site-packages" in path or "dist-packages" in path}
    return tuple(sorted(os.path.normpath(path) for path in paths if path))


def is_foreign(path: str, libraries: tuple[str, ...]) -> bool:
    """Whether a path cannot be a workflow's own: the system's, a library, a secret."""
    if is_below(path, _SYSTEM) or is_below(path, libraries):
        return True
    name = path
    temporary = tempfile.gettempdir()
    launch = str(Path.cwd())
    if is_below(path, [temporary]) and not is_below(launch, [temporary]):
        return True
    if path.endswith(_COMPILED):
        if not path.endswith(".pyc"):
            return True
        name = path.replace("/__pycache__/", "/")
    elif is_below(path, [launch]):
        name = os.path.relpath(path, launch)
    return _PRIVATE.search(name) is not None or _is_hidden_at_home(path, launch)


def _is_hidden_at_home(path: str, launch: str) -> bool:
    """Whether a path is in a hidden folder of the home folder, where programs keep their own."""
    home = str(Path.home())
    if not is_below(path, [home]) or is_below(path, [launch]):
        return False
    return os.path.relpath(path, home).startswith(".")
