"""Copies of stored files in the launch folder, beside the user's own files.

Local jobs and functions of the Snakefile need stored files under their own names. The folder is the
user's: after the run it is as before. A file that already has the name is used if its content is
the same; an older one is set aside and put back; a newer, different one stops the run. Only files
that this run has put there, and that have not changed since, are removed. What a killed run leaves
behind is cleaned up by the next one, from a file that lists what was moved.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ..record import controllers
from ..supervisor.file_names import reaches_out, remove_here
from .copy_state import Differs, Signs, State, Stored

#: Below the launch folder: what each run has moved, and where to.
PLACE = Path(".snakemake", "hutchbatch", "here")


class LocalCopies:
    """The files of one run below ``root``. Thread-safe."""

    def __init__(self, root: Path, warn: Callable[[str], None]) -> None:
        self._root = root
        self._warn = warn
        self._lock = threading.RLock()
        self._state = State(controllers.this())
        #: The user's own files with the same content as the stored ones, like ``State.copies``.
        self._used: dict[str, tuple[str, Signs]] = {}
        self._place = root / PLACE / f"{os.getpid()}"

    # What is here

    def is_here(self, name: str) -> bool:
        """Whether the local file is from this run, or has the same content as the stored one."""
        with self._lock:
            if name in self._state.made:
                return os.path.lexists(self._root / name)
            return any(self._is_unchanged(of, name) for of in (self._state.copies, self._used))

    def fetch(self, name: str, stored: Stored) -> None:
        """Makes sure that the stored file is here under its name. Raises ``Differs``, ``OSError``,
        and the errors of ``stored``."""
        here = self._root / name
        with self._lock:
            if self._is_current(name, stored.identity):
                return
            ours = self._is_unchanged(self._state.copies, name)
            if not ours and stored.md5 and here.is_file() and _md5(here) == stored.md5:
                self._used[name] = stored.identity, _all_signs(here)
                return
            if reaches_out(name) and not os.path.lexists(here):
                raise Differs(
                    f"{name} is not here, and is outside the folder in which Snakemake was "
                    f"started: copy it there from {stored.url}, since a job that runs here needs it"
                )
            self._place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._place) as folder:
                fresh = Path(folder, "it")
                stored.download(fresh)
                if ours:
                    self._remove_copy(self._state, name)
                if os.path.lexists(here):
                    if _is_same(fresh, here):
                        self._used[name] = stored.identity, _all_signs(here)
                        return
                    if reaches_out(name) or _newest(here) > stored.modified:
                        raise Differs(
                            f"{name} here differs from {stored.url} and is newer, and a job or a "
                            f"function that runs here needs the latter: put yours into S3 (aws s3 "
                            f"cp {name} {stored.url}), or move it away"
                        )
                    self._set_aside(name)
                self._make_parents(name)
                for path, _ in _files(fresh):
                    os.utime(path, (stored.modified, stored.modified))
                shutil.move(fresh, here)
            self._state.copies[name] = stored.identity, _all_signs(here)
            self._save()

    def begin(self, name: str) -> None:
        """A local job is about to create the file: moves or removes the existing one."""
        if reaches_out(name):
            return
        with self._lock:
            self._remove_copy(self._state, name)
            self._used.pop(name, None)
            if name in self._state.made:
                remove_here(str(self._root / name))
            elif os.path.lexists(self._root / name):
                self._set_aside(name)
            self._state.made.add(name)
            self._note_parents(name)
            self._save()

    def adopt(self, name: str) -> None:
        """A local job continues with the fetched file."""
        with self._lock:
            if self._state.copies.pop(name, None):
                self._state.made.add(name)
                self._save()

    def discard(self, name: str) -> None:
        """Removes the file that this run has put there."""
        with self._lock:
            if name in self._state.made:
                remove_here(str(self._root / name))
            if name in self._state.copies:
                self._remove_copy(self._state, name)
                self._save()
            self._used.pop(name, None)

    def finish(self, keep: bool) -> None:
        """Cleans up at the end of the run. ``keep``: keeps its copies where there was no file
        before."""
        with self._lock:
            self._end(self._state, keep)
            with suppress(OSError):
                shutil.rmtree(self._place)
                self._state_file().unlink(missing_ok=True)
                self._place.parent.rmdir()

    def recover(self) -> None:
        """Cleans up after runs that were killed."""
        for path in sorted((self._root / PLACE).glob("*.json")):
            with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
                state = State.read(path.read_text())
                if controllers.is_dead(state.controller):
                    self._end(state, False)
                    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                    path.unlink()

    # How

    def _is_current(self, name: str, identity: str) -> bool:
        if not self.is_here(name):
            return False
        copy = self._state.copies.get(name) or self._used.get(name)
        return copy is None or copy[0] == identity

    def _is_unchanged(self, of: dict[str, tuple[str, Signs]], name: str) -> bool:
        _, signs = of.get(name, ("", []))
        here = self._root / name
        return bool(signs) and all(_is_signed(here, sign) for sign in signs)

    def _remove_copy(self, state: State, name: str) -> None:
        _, signs = state.copies.pop(name, ("", []))
        here = self._root / name
        for sign in signs:
            if _is_signed(here, sign):
                (here / sign[0] if sign[0] else here).unlink()
        if here.is_dir() and not here.is_symlink():
            for folder, _, _ in os.walk(here, topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()

    def _set_aside(self, name: str) -> None:
        path = self._place / "before" / name
        # The list is written before files are moved, so that a kill in between loses nothing.
        self._state.aside[name] = str(path.relative_to(self._root))
        self._save()
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self._root / name, path)

    def _end(self, state: State, keep: bool) -> None:
        for name in [*state.copies, *state.made]:
            if keep and name not in state.aside:
                continue
            try:
                if name in state.made:
                    remove_here(str(self._root / name))
                self._remove_copy(state, name)
            except OSError as error:
                self._warn(f"{name} could not be removed from this folder ({error}).")
        for name, place in state.aside.items():
            self._put_back(name, self._root / place)
        for folder in sorted(state.folders, key=len, reverse=True):
            with suppress(OSError):
                (self._root / folder).rmdir()

    def _put_back(self, name: str, place: Path) -> None:
        here = self._root / name
        if not os.path.lexists(place):
            return
        try:
            if os.path.lexists(here):
                other = here.with_name(here.name + ".before-the-run")
                self._warn(f"{name} changed during the run: what it was before is {other}.")
                here = other
            here.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(place, here)
        except OSError as error:
            self._warn(f"{name} could not be put back ({error}): it is in {place}.")

    def _make_parents(self, name: str) -> None:
        self._note_parents(name)
        self._save()
        (self._root / name).parent.mkdir(parents=True, exist_ok=True)

    def _note_parents(self, name: str) -> None:
        for folder in Path(name).parents:
            if str(folder) != "." and not os.path.lexists(self._root / folder):
                self._state.folders.add(str(folder))

    def _state_file(self) -> Path:
        return self._place.with_suffix(".json")

    def _save(self) -> None:
        self._place.mkdir(parents=True, exist_ok=True)
        fresh = self._place / "state"
        fresh.write_text(self._state.text())
        fresh.replace(self._state_file())


def _files(top: Path) -> Iterator[tuple[Path, str]]:
    """A file (with an empty name), or the files of a directory with their names relative to it."""
    if not top.is_dir():
        yield top, ""
        return
    for folder, _, names in os.walk(top):
        for name in sorted(names):
            path = Path(folder, name)
            yield path, os.path.relpath(path, top)


def _signs(path: Path) -> tuple[int, int, int]:
    """Values by which a file is recognised."""
    found = os.lstat(path)
    return found.st_size, found.st_mtime_ns, found.st_ino


def _all_signs(top: Path) -> Signs:
    return [(rel, *_signs(path)) for path, rel in _files(top)]


def _is_signed(top: Path, sign: tuple[str, int, int, int]) -> bool:
    try:
        return _signs(top / sign[0] if sign[0] else top) == tuple(sign[1:])
    except OSError:
        return False


def _is_same(one: Path, other: Path) -> bool:
    if one.is_dir() != other.is_dir():
        return False
    files = {name: path for path, name in _files(one)}
    own = ".snakemake_timestamp"  # Snakemake's, in directories
    others = {name: path for path, name in _files(other) if not name.endswith(own)}
    try:
        return files.keys() == others.keys() and all(
            filecmp.cmp(path, others[name], shallow=False) for name, path in files.items()
        )
    except OSError:
        return False


def _newest(top: Path) -> float:
    return max((os.lstat(path).st_mtime for path, _ in _files(top)), default=0.0)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
