"""Which files of this machine travel with a workflow's code.

What the workflow names as its code must travel, and what its Snakefiles have read. What is beside
it may be needed by a command or a script, which nobody can know here: it travels as far as it looks
like code and there is room.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .layout import is_broad

#: Snakemake's own limit for one file of the sources, in bytes.
MAX_FILE = 10_000_000
#: What may come along beside what must: files, and bytes in all.
MAX_EXTRA_FILES = 5_000
MAX_EXTRA_BYTES = 100_000_000

#: Folders of Snakemake's recommended layout, and their older forms beside a Snakefile.
CODE_FOLDERS = (
    *("workflow", "config", "scripts", "rules", "envs", "lib", "resources", "schemas"),
    *("notebooks", "report", "profiles"),
)
#: Never taken along but where the workflow itself names or reads them.
_SECRET = re.compile(
    r"(^|/)(credentials[^/]*|id_(rsa|dsa|ecdsa|ed25519)[^/]*|[^/]*\.(pem|p12|pfx|keytab|kdbx))$",
    re.IGNORECASE,
)
TOO_LARGE, NO_ROOM = "over 10 MB", "beyond 100 MB or 5,000 files beside the code"


@dataclass(frozen=True)
class Code:
    """What is known of a workflow's code, as absolute paths. ``snakefiles``, ``files``: what must
    travel; ``folders``: what is in them may be needed."""

    launch: str
    snakefiles: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def roots(self) -> tuple[str, ...]:
        """The launch folder and the folders that the Snakefiles belong to."""
        found = dict.fromkeys([self.launch, *map(root_of, self.snakefiles)])
        return tuple(each for each in found if each == self.launch or not is_broad(each))


@dataclass(frozen=True)
class Selection:
    """Absolute paths to pack. ``left_out``: what does not travel, with the reason; ``missed``:
    those of them that must."""

    files: tuple[str, ...]
    left_out: Mapping[str, str]
    missed: tuple[str, ...]


def root_of(snakefile: str) -> str:
    """The folder of a workflow: with the recommended layout that which holds ``workflow/``."""
    folder = Path(snakefile).parent
    near = (folder, *list(folder.parents)[:2])
    for each in reversed(near):
        if each.name == "workflow":
            return str(each.parent)
    return str(folder.parent if folder.name == "rules" else folder)


def select(code: Code) -> Selection:
    """What travels, and what does not."""
    files: dict[str, None] = {}
    left_out: dict[str, str] = {}
    missed = []
    for path in dict.fromkeys([*code.snakefiles, *code.files]):
        size = _size(path)
        if size is None:
            continue
        if size > MAX_FILE:
            left_out[path] = TOO_LARGE
            missed.append(path)
        else:
            files[path] = None
    room, count = MAX_EXTRA_BYTES, MAX_EXTRA_FILES
    for path in extra(code):
        size = None if path in files or path in left_out else _size(path)
        if size is None:
            continue
        if size > MAX_FILE:
            left_out[path] = TOO_LARGE
        elif size > room or count == 0:
            left_out[path] = NO_ROOM
        else:
            files[path] = None
            room, count = room - size, count - 1
    return Selection(tuple(sorted(files)), left_out, tuple(missed))


def extra(code: Code) -> Iterator[str]:
    """What is beside the code: what most likely belongs to it comes first."""
    roots = code.roots()
    for root in roots:
        yield from beside(root)
    own = {str(Path(path).parent) for path in code.snakefiles}
    for folder in sorted({*code.folders, *own} - set(roots)):
        if not is_broad(folder):
            inside = any(Path(root) in Path(folder).parents for root in roots)
            yield from below(folder) if inside or folder in code.folders else beside(folder)
    for root in roots:
        yield from tracked(root)


def beside(root: str) -> Iterator[str]:
    """Files directly in ``root`` and those in its code folders, hidden ones not."""
    try:
        entries = sorted(Path(root).iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_file():
            if not _SECRET.search(str(entry)):
                yield str(entry)
        elif entry.is_dir() and _is_code(entry):
            yield from below(str(entry))


def _is_code(folder: Path) -> bool:
    """A folder of the usual layout, or a Python package."""
    return folder.name in CODE_FOLDERS or (folder / "__init__.py").is_file()


def below(top: str) -> Iterator[str]:
    """Files in a folder and its folders, hidden ones not."""
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__pycache__")
        for name in sorted(names):
            if not name.startswith(".") and not _SECRET.search(name):
                yield str(Path(folder, name))


def tracked(root: str) -> list[str]:
    """What git tracks below ``root``, names as they are; empty without git."""
    command = ["git", "ls-files", "-z", "--recurse-submodules", "."]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [
        os.path.normpath(Path(root, os.fsdecode(name))) for name in done.stdout.split(b"\0") if name
    ]


def _size(path: str) -> int | None:
    """Bytes; None for what is no file that can be read."""
    try:
        readable = Path(path).is_file() and os.access(path, os.R_OK)
        return Path(path).stat().st_size if readable else None
    except OSError:
        return None


def warning(
    selection: Selection, launch: str, texts: Iterable[str], files: Collection[str]
) -> str | None:
    """One sentence about the files that jobs will miss; None where there are none. ``texts``: the
    workflow's own code, whose names count; ``files``: what jobs get otherwise, by name."""
    missed = {path: None for path in selection.missed if not _is_sent(path, launch, files)}
    code = "\n".join(texts)
    for path in selection.left_out:
        if names(code, Path(path).name) and not _is_sent(path, launch, files):
            missed[path] = None
    by_reason: dict[str, list[str]] = {}
    for path in missed:
        by_reason.setdefault(selection.left_out[path], []).append(os.path.relpath(path, launch))
    if not by_reason:
        return None
    parts = []
    for reason, found in by_reason.items():
        shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        parts.append(f"{shown} ({reason})")
    return (
        f"These files are not sent with the workflow's code: {'; '.join(parts)}. "
        "A job that needs one of them must list it under input:."
    )


def _is_sent(path: str, launch: str, files: Collection[str]) -> bool:
    """Whether jobs get it as an input, by its name or as a part of a folder."""
    for each in (path, os.path.relpath(path, launch)):
        if each in files or any(str(folder) in files for folder in Path(each).parents):
            return True
    return False


def names(text: str, name: str) -> bool:
    """Whether a text has a whole name: `b.py` is not named by `lab.py`."""
    if name not in text:
        return False
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None
