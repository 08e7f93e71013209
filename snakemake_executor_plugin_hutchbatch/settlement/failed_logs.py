"""Copies of failed jobs' logs on this machine, because Snakemake needs paths.

``--show-failed-logs`` opens the files that an error names and stops at the first that does not
exist, and logger plugins may open them, too; so an error only names the copies.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from .. import files
from ..aws import cloudwatch
from ..aws.clients import Clients
from ..planning import naming
from ..snakemake_types import AnyJob, is_group
from ..storage.urls import split_url
from ..text import tracebacks
from ..text.printable import printable
from ..text.terminal import Log
from . import log_tails
from .log_tails import OUTPUT

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Beside Snakemake's own records.
FOLDER = Path(".snakemake") / "hutchbatch" / "logs"
#: Failed jobs of a run that get copies: each costs calls, and thousands may fail the same way.
MOST_JOBS = 200
#: Bytes copied from the end of a rule's log file: as much as CloudWatch returns in one call.
MOST_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Source:
    """Where the logs of a failed job are: ``stream`` in CloudWatch's ``group``, empty if it never
    ran; ``files``: names and URLs in S3 of the rule's ``log:`` files; ``since``: older ones belong
    to an earlier job; ``late``: until when its output may come (``log_tails.late_until``)."""

    rule: str
    label: str
    job_id: str
    group: str
    stream: str
    files: Sequence[tuple[str, str]] = ()
    since: datetime.datetime | None = None
    late: float = 0.0


@dataclass(frozen=True)
class Copy:
    """A copy on this machine; ``of``: the log file's name in the rule, or ``OUTPUT``."""

    path: str
    of: str


@dataclass
class FailedLogs:
    """Keeps the copies of one run. Never raises: a job's own failure matters more."""

    clients: Clients
    folder: Path = FOLDER
    late: cloudwatch.LateTails | None = None
    _kept: int = field(default=0, init=False)

    def keep(self, source: Source) -> tuple[Copy, ...]:
        """The copies: of the job's output, then of its log files; missing and empty ones are left
        out."""
        if self._kept >= MOST_JOBS:
            return ()
        self._kept += 1
        with suppress(OSError):  # `_write` fails, too
            files.private_folder(self.folder.parent)
        wildcards = source.label.partition(" ")[2]
        name = "-".join(
            part for part in (naming.slug(wildcards, 100), source.job_id.replace(":", "-")) if part
        )
        folder = self.folder / naming.slug(source.rule, 100)
        copies = [(folder / f"{name}.log", OUTPUT, self._output(source))]
        for number, (file, url) in enumerate(source.files, 1):
            lines = last_lines(self.clients.s3, url, MOST_BYTES, source.since)
            copies.append((folder / f"{name}.{number}.log", file, lines))
        return tuple(Copy(str(path), of) for path, of, lines in copies if _write(path, lines))

    def _output(self, source: Source) -> list[str]:
        if not source.stream:
            return []
        late = self.late or cloudwatch.LateTails(self.clients.logs)
        most = cloudwatch.MOST_EVENTS
        return late.tail(source.group, source.stream, most, source.late, log_tails.is_whole)


def last_lines(
    s3: S3Client, url: str, most_bytes: int, since: datetime.datetime | None = None
) -> list[str]:
    """The lines in the last bytes of a log file, without control characters; none if it cannot be
    read, or is older than ``since`` and so an earlier job's. Never raises."""
    bucket, key = split_url(url)
    try:
        answer = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=-{most_bytes}")
        # S3's times are whole seconds.
        if since is not None and answer["LastModified"] < since.replace(microsecond=0):
            return []
        text = answer["Body"].read(most_bytes).decode(errors="replace")
    except (ClientError, BotoCoreError):  # an empty file has no range either
        return []
    except Exception:  # an invalid answer, or a broken connection
        tracebacks.log(f"The log file {url} could not be read.")
        return []
    if not text:
        return []
    if not str(answer.get("ContentRange") or "bytes 0-").startswith("bytes 0-"):
        text = text.partition("\n")[2] or text  # half a line
    # For a progress bar, what a terminal would show in the end.
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return [printable(line) for line in lines][: -1 if text.endswith("\n") else None]


def _write(path: Path, lines: Sequence[str]) -> bool:
    if not lines:
        return False
    try:
        files.write(path, "\n".join(lines) + "\n", files.PRIVATE_FILE)
    except OSError:
        return False
    return True


def log_error(
    job: AnyJob, logger: Log, msg: str | None, copies: Sequence[str], **more: object
) -> None:
    """Logs Snakemake's own error of a job (its ``log_error``), naming the copies as log files."""
    if is_group(job) or not copies:
        job.log_error(msg=msg, aux_logs=list(copies), **more)
        return
    info = job.get_log_error_info(msg, **more)
    logger.error(
        f"Error in rule {job.rule.name}, jobid: {info['jobid']}",
        extra={**info, "log": list(copies)},
    )
