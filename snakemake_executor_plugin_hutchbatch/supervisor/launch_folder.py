"""Finds the folder in which Snakemake was started in texts, and replaces it by the job's folder.

In a job the workflow's files are in its working directory, so a command, parameter or configuration
that names the launch folder means that directory. Standard library only, Python 3.8: used on the
controller and by Snakemake in a container.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import Iterable, Match, Tuple

#: A path does not begin after these: in ``https://example.org/data`` there is no path ``/data``.
#: Letters beyond ASCII are part of names, too.
_BEFORE = r"(?<![\w.~%+@}$/\\-])"
#: … except for ``-I/data/include`` and ``file:///data``; and a path after ``person@host:`` is on
#: another machine.
_OPTION = r"(?<=[\s'\"=]-[A-Za-z])"
_FILE_URL = r"(?<=\bfile://)"
#: A path does not end before these: ``/data-old``, ``/data.bak`` and ``/database`` are other paths.
#: A full stop at the end of a sentence is not part of a name.
_AFTER = r"(?![\w~%+@-])(?!\.(?:[\w.-]))"

_REMOTE = re.compile(r"[\w.-]+@[\w.-]+:$")


def names(folder: str, also: Iterable[str]) -> Tuple[str, ...]:
    """All names of ``folder``, the longest first: its own, those of ``also`` that lead to it
    (through symbolic links), and those of their parents that do.

    The root of the file system has none, because every path begins with it.
    """
    found = {folder}
    for path in also:
        above = path.rstrip("/")
        while os.path.isabs(above) and above != "/":
            try:
                if os.path.samefile(above, folder):
                    found.add(above)
            except OSError:
                pass  # it does not exist here
            above = os.path.dirname(above)
    found.discard("/")
    return tuple(sorted(found, key=lambda name: (-len(name), name)))


def replaced(text: str, folders: Iterable[str], here: str) -> str:
    """``text`` with ``here`` in place of each of ``folders`` that is a path or the start of one."""
    for folder in folders:
        # Quoted for a shell, a folder such as ``it's`` is written in another way.
        for written in {folder, shlex.quote(folder + "/")[1:-2] if _quoted(folder) else folder}:
            pattern = (
                "(?:" + "|".join((_BEFORE, _OPTION, _FILE_URL)) + ")" + re.escape(written) + _AFTER
            )
            text = re.sub(pattern, lambda m: _instead(m, here), text)
    return text


def _quoted(folder: str) -> bool:
    return shlex.quote(folder) != folder


def _instead(match: Match[str], here: str) -> str:
    if _REMOTE.search(match.string, max(0, match.start() - 300), match.start()):
        return str(match.group())
    return here


def inside(path: str, folders: Iterable[str]) -> str:
    """An absolute path below one of ``folders``, relative to it; any other path as it is."""
    for folder in folders:
        if path == folder or path.startswith(folder + "/"):
            return os.path.relpath(path, folder)
    return path


def everywhere(value: object, folders: Iterable[str], here: str) -> object:
    """``replaced`` for all texts in lists and mappings, such as a configuration's."""
    if isinstance(value, str):
        return replaced(value, folders, here)
    if isinstance(value, dict):
        return {key: everywhere(item, folders, here) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(everywhere(item, folders, here) for item in value)
    return value
