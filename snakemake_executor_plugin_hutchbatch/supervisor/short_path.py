"""A short path to a folder whose own is too long: a link where this user may make one."""

from __future__ import annotations

import os
import re
from typing import Iterator, Sequence

#: Where a container usually lets everybody write, after the scratch disk.
FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  links, removed with the job
#: What is left of a killed job leads nowhere, and is removed by a later one (``scratch.sweep``).
PATTERN = re.compile(r"hb-[0-9a-f]{12}")


class ShortPath:
    """``path`` leads to ``target``: the target itself if it is no longer than ``longest``, or a
    link to it, until that is removed; still the target where none could be made."""

    def __init__(
        self, target: str, longest: int, scratch: str, folders: Sequence[str] = FOLDERS
    ) -> None:
        self.path = target
        self._made = False
        if len(target) <= longest:
            return
        for path in _candidates((scratch, *folders)):
            if len(path) > longest:
                continue
            try:
                # On the scratch disk relative: others may have it at another path.
                here = os.path.dirname(path)
                relative = os.path.relpath(target, scratch)
                inside = here == scratch and not relative.startswith("..")
                os.symlink(relative if inside else target, path)
            except OSError:
                continue
            self.path, self._made = path, True
            return

    def remove(self) -> None:
        if self._made:
            self._made = False
            try:
                os.unlink(self.path)
            except OSError:
                pass


def _candidates(folders: Sequence[str]) -> Iterator[str]:
    for folder in dict.fromkeys(folders):
        yield os.path.join(folder, "hb-" + os.urandom(6).hex())
