"""How a task can fail, in the words and numbers of ``taskspec.py``."""

from __future__ import annotations

import errno
import os
import select
import time
from typing import Optional

#: Seconds that a full pipe of messages is waited for, and the bytes that one with space takes at
#: once (PIPE_BUF of Linux).
PATIENCE = 5.0
PIPE_BUF = 4096


class Failure(Exception):
    """The task ends with ``exit_code``; the message is one plain sentence for its user."""

    def __init__(
        self, exit_code: int, cause: str, message: str, step: Optional[str] = None
    ) -> None:
        super().__init__(message)
        self.exit_code, self.cause, self.message, self.step = exit_code, cause, message, step


class Stopped(Exception):
    """The container is being stopped: give up what you are doing."""


class LocalError(Exception):
    """The container's own disk failed, not the network: no retry helps."""

    def __init__(self, error: OSError, path: str) -> None:
        super().__init__(str(error))
        self.full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        self.path = path
        self.reason = error.strerror or str(error)

    def sentence(self, doing: str, disk_mb: Optional[int]) -> str:
        if self.full:
            return f"no space left on scratch while {doing} ({self.path}){space_advice(disk_mb)}"
        return f"the scratch failed while {doing} ({self.path}: {self.reason})."


def amount(size: float) -> str:
    """Bytes as people say them: ``1.5 GB`` (powers of ten, as disks are sold)."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def space_advice(disk_mb: Optional[int]) -> str:
    """How a sentence about a full scratch ends."""
    said = "" if disk_mb is None else f" (the rule's disk_mb said {disk_mb:,} MB)"
    # Batch reserves no disk on EC2: jobs of one machine share its scratch (FACTS.md section 1).
    return f"{said}. Run fewer jobs at once (--jobs), or split what this one does."


def say(sentence: str) -> None:
    """A line on stderr; none where nobody takes it, for no job may fail or hang for its words."""
    data = f"hutchbatch: {sentence}\n".encode("utf-8", "backslashreplace")
    end = time.monotonic() + PATIENCE
    while data:
        try:
            if not select.select([], [2], [], max(0.0, end - time.monotonic()))[1]:
                return
            data = data[os.write(2, data[:PIPE_BUF]) :]
        except BlockingIOError:
            time.sleep(0.05)
        except (OSError, ValueError):
            return
