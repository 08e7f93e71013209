"""What stands in a script for values that only the job knows.

They are the same in all runs, so that equal scripts are equal objects. The supervisor fills them in
(``supervisor/scripts.py``).
"""

from __future__ import annotations

import re

from ..supervisor.taskspec import SCRIPT_TMPDIR, SCRIPT_WORKDIR

#: The job's folders, in the order in which a pickled script object counts them.
FOLDERS = (SCRIPT_TMPDIR, SCRIPT_WORKDIR)
_ANY = re.compile("(" + "|".join(map(re.escape, FOLDERS)) + ")")

Pieces = tuple[str | int, ...]


def pieces(text: str) -> Pieces | None:
    """A text with the numbers of folders in place of their tokens; None where it has none."""
    if not any(token in text for token in FOLDERS):
        return None
    return tuple(
        FOLDERS.index(part) if part in FOLDERS else part for part in _ANY.split(text) if part
    )
