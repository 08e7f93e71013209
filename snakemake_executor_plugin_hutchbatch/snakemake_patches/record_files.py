"""Snakemake's own records are written with a third of the work: each job has three of them.

``FilePersistence._io_write`` looks for the file, makes its folder, writes it in pieces with
``json.dump``, which does without Python's encoder in C, and sets its permissions by name. Nearly
always the folder is there and the file is not. Then the same text is written at once.
"""

from __future__ import annotations

import json
import os
from typing import Protocol

from ..snakemake_types import Persistence

#: As in Snakemake: read and write for user and group, whatever the umask says.
MODE = 0o660


class Write(Protocol):
    """``FilePersistence._io_write``."""

    def __call__(
        self,
        persistence: Persistence,
        subject: str,
        json_value: object,
        id: str,
        /,
        mode: int = ...,
    ) -> None: ...


def io_write(plain: Write) -> Write:
    """Replaces ``FilePersistence._io_write``."""

    def io_write(
        self: Persistence,
        subject: str,
        json_value: object,
        id: str,
        mode: int = MODE,
    ) -> None:
        path = self._record_path(subject, id)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        except (FileExistsError, FileNotFoundError):  # its folder is missing
            plain(self, subject, json_value, id, mode=mode)
            return
        with os.fdopen(file, "wb") as record:
            record.write(json.dumps(json_value).encode())
            os.fchmod(file, mode)

    return io_write
