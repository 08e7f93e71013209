"""How a task can fail: causes and facts, which the controller turns into sentences."""

from __future__ import annotations

import errno
import os
import select
import time
from dataclasses import replace
from typing import Optional

from .problems import Cause, Facts, Problem
from .s3 import S3Error
from .s3_bootstrap import SetupError
from .strict_json import clean

#: Most characters of another program's message in a status.
MOST_WORDS = 500
#: Seconds that a full pipe of messages is waited for, and the bytes that one with space takes at
#: once (PIPE_BUF of Linux).
PATIENCE = 5.0
PIPE_BUF = 4096


class Failure(Exception):
    """The task ends with ``exit_code``; ``step``: the rule concerned."""

    def __init__(
        self,
        exit_code: int,
        cause: Cause,
        problem: Problem,
        facts: Optional[Facts] = None,
        step: Optional[str] = None,
    ) -> None:
        self.exit_code, self.cause, self.problem, self.step = exit_code, cause, problem, step
        self.facts = facts or Facts()
        super().__init__(self.line())

    def line(self) -> str:
        """The failure in one line, for the job's log."""
        parts = [f"{self.cause.value} {self.problem.value}", f"exit_code={self.exit_code}"]
        parts += [f"rule={self.step}"] if self.step else []
        parts += [str(self.facts)] if str(self.facts) else []
        return f"failed [{'; '.join(parts)}]".replace("\n", " / ")


class Stopped(Exception):
    """The container is being stopped: stop working."""


class LocalError(Exception):
    """The container's disk failed, not the network: retries do not help."""

    def __init__(self, error: OSError, path: str) -> None:
        super().__init__(str(error))
        self.full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        self.path = path
        self.reason = error.strerror or str(error)

    def failure(self, exit_code: int, cause: Cause, facts: Facts) -> Failure:
        """The task's failure. ``facts``: the activity, and its sizes."""
        problem = Problem.DISK_FULL if self.full else Problem.DISK
        return Failure(
            exit_code, cause, problem, replace(facts, file=self.path, words=words(self.reason))
        )


def of_s3(
    error: Exception, exit_code: int, cause: Cause, activity: str, file: Optional[str] = None
) -> Failure:
    """The task's failure after a request to S3 failed for good (``s3.ERRORS``, or an invalid
    address). ``file``: the URL, if the error does not have it."""
    status, code, url, role = 0, "", "", ""
    problem = Problem.S3
    if isinstance(error, SetupError):
        problem = Problem.CREDENTIALS if error.code else Problem.SETUP
        code = error.code or ""
    if isinstance(error, S3Error):
        status, code, url, role = error.status, error.code, error.url, error.role
    said = error.words if isinstance(error, S3Error) else str(error)
    facts = Facts(
        activity=activity,
        file=url or file,
        http_status=status or None,
        code=code or None,
        role=role or None,
        words=words(said or type(error).__name__),
    )
    return Failure(exit_code, cause, problem, facts)


def words(text: str) -> str:
    """Another program's message, cut to ``MOST_WORDS`` characters."""
    return clean(text).replace("\0", "")[:MOST_WORDS]


def amount(size: float) -> str:
    """Bytes for people: ``1.5 GB`` (powers of ten)."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def say(sentence: str) -> None:
    """Writes a line of hutchbatch into the job's log; drops it if nobody reads, because no job may
    fail or hang because of messages."""
    write_line(f"hutchbatch: {sentence}")


def write_line(text: str) -> None:
    """Writes a line to stderr, as far as it is read."""
    data = f"{text}\n".encode("utf-8", "backslashreplace")
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
