"""How a task can fail: causes and facts, of which the controller makes sentences."""

from __future__ import annotations

import errno
import os
import select
import time
from dataclasses import replace
from typing import Optional

from .connection import SetupError
from .problems import Cause, Facts, Problem
from .s3 import S3Error
from .strict_json import clean

#: Characters of somebody else's words that a status carries.
MOST_WORDS = 500
#: Seconds that a full pipe of messages is waited for, and the bytes that one with space takes at
#: once (PIPE_BUF of Linux).
PATIENCE = 5.0
PIPE_BUF = 4096


class Failure(Exception):
    """The task ends with ``exit_code``; ``step``: the rule that it is about."""

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
        """All of it in one line, for the job's log."""
        told = [f"{self.cause.value} {self.problem.value}", f"exit_code={self.exit_code}"]
        told += [f"rule={self.step}"] if self.step else []
        told += [str(self.facts)] if str(self.facts) else []
        return f"failed [{'; '.join(told)}]"


class Stopped(Exception):
    """The container is being stopped: give up what you are doing."""


class LocalError(Exception):
    """The container's own disk failed, not the network: no retry helps."""

    def __init__(self, error: OSError, path: str) -> None:
        super().__init__(str(error))
        self.full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        self.path = path
        self.reason = error.strerror or str(error)

    def failure(self, exit_code: int, cause: Cause, facts: Facts) -> Failure:
        """What it means for the task. ``facts``: what was being done, and for what sizes."""
        problem = Problem.DISK_FULL if self.full else Problem.DISK
        return Failure(
            exit_code, cause, problem, replace(facts, file=self.path, words=words(self.reason))
        )


def of_s3(
    error: Exception, exit_code: int, cause: Cause, activity: str, file: Optional[str] = None
) -> Failure:
    """What it means for the task that a request to S3 failed for good (``s3.ERRORS``, or an address
    that is none). ``file``: the URL, where the error does not know it."""
    problem = Problem.SETUP if isinstance(error, SetupError) else Problem.S3
    status, code, url = 0, "", ""
    if isinstance(error, S3Error):
        status, code, url = error.status, error.code, error.url
    said = error.words if isinstance(error, S3Error) else str(error)
    facts = Facts(
        activity=activity,
        file=url or file,
        http_status=status or None,
        code=code or None,
        words=words(said or type(error).__name__),
    )
    return Failure(exit_code, cause, problem, facts)


def words(text: str) -> str:
    """Somebody else's words, short enough to travel."""
    return clean(text).replace("\0", "")[:MOST_WORDS]


def amount(size: float) -> str:
    """Bytes as people say them: ``1.5 GB`` (powers of ten, as disks are sold)."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def say(sentence: str) -> None:
    """A line of ours in the job's log, for people; none where nobody takes it, for no job may fail
    or hang for its words."""
    write_line(f"hutchbatch: {sentence}")


def write_line(text: str) -> None:
    """A line on stderr, as far as somebody takes it."""
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
