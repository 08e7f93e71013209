"""Files that are written whole or not at all, and files that are nobody else's business."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

#: Modes of what only its owner may use. The rest is as the user's umask says.
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
EVERYBODYS = 0o666


def write(path: Path, content: str | bytes, mode: int = EVERYBODYS) -> None:
    """Writes a file in one piece, so that nobody ever reads half of it.

    It is made under a name that nobody can know and then renamed: a link that somebody laid in
    either place is replaced, never followed. Raises ``OSError``.
    """
    data = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".hutchbatch-{secrets.token_hex(8)}.part")
    made = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with open(made, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(data)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def user_cache() -> Path:
    """Where hutchbatch keeps what it can make again, on the user's machine. Raises ``RuntimeError``
    where nobody knows of a home."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "hutchbatch"


def private_folder(folder: Path) -> None:
    """Makes a folder that only its owner may enter, or makes that of one which is there and ours.
    Raises ``OSError``."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    _tighten(folder, PRIVATE_FOLDER)


def private_file(path: Path) -> None:
    """Makes a file that only its owner may read, if there is none, in a ``private_folder``; makes
    that of one which is there, and of those beside it whose names begin with its stem (SQLite's
    own, and earlier ones that were set aside).

    Raises ``OSError``, for a link or a folder in its place, too.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        os.close(os.open(path, flags, PRIVATE_FILE))
    except FileExistsError:
        # Not opened: closing it here would drop SQLite's locks of this process on it
        # (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(f"{path} is a link or a folder: remove it") from None
    tighten_beside(path)


def tighten_beside(path: Path) -> None:
    """Takes a file and its folder, and those of its kind beside it, away from everybody else, as
    far as they are ours. Never raises."""
    with suppress(OSError):
        # First: in a folder of ours that nobody else may enter, nobody changes what a name means.
        if _tighten(path.parent, PRIVATE_FOLDER):
            for each in path.parent.glob(f"{path.stem}*"):
                _tighten(each, PRIVATE_FILE)


def _tighten(path: Path, mode: int) -> bool:
    """Whether a file or folder that is ours has no more than ``mode`` now."""
    found = path.stat() if mode == PRIVATE_FOLDER else path.lstat()
    wanted = stat.S_ISDIR if mode == PRIVATE_FOLDER else stat.S_ISREG
    if found.st_uid != os.geteuid() or not wanted(found.st_mode):
        return False
    if found.st_mode & 0o777 & ~mode:
        try:
            path.chmod(found.st_mode & mode)
        except OSError:  # a file system without modes
            return False
    return True


def owner(path: Path) -> str:
    """Whose a file is: a name, or a number; ``somebody else`` where that is not known."""
    with suppress(OSError, KeyError, NotImplementedError):
        return path.owner()
    return "somebody else"
