"""Copies of failed jobs' logs on this machine, where Snakemake wants paths.

``--show-failed-logs`` opens the files that an error names and stops at the first that is not
there, and logger plugins may open them, too; so an error names the copies alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .. import files
from ..aws import cloudwatch
from ..aws.clients import Clients
from ..planning import naming
from ..storage.urls import split_url
from ..text.printable import printable

#: Beside Snakemake's own records.
PLACE = Path(".snakemake") / "hutchbatch" / "logs"
#: Failed jobs of a run that get copies: each costs calls, and thousands may fail alike.
MOST_JOBS = 200
#: The end of a rule's log file that is copied (bytes), as much as CloudWatch gives at once.
MOST_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Source:
    """Where the logs of a failed job lie: ``stream`` in CloudWatch's ``group``, empty if it never
    ran; ``urls`` of the rule's ``log:`` files in S3."""

    rule: str
    label: str
    job_id: str
    group: str
    stream: str
    urls: Sequence[str] = ()


@dataclass
class FailedLogs:
    """Keeps the copies of one run. Never raises; a job's own failure matters more."""

    clients: Clients
    place: Path = PLACE
    _kept: int = field(default=0, init=False)

    def keep(self, source: Source) -> tuple[str, ...]:
        """The paths of the copies: the job's output, then its log files; what is not there, or
        empty, is left out."""
        if self._kept >= MOST_JOBS:
            return ()
        self._kept += 1
        with suppress(OSError):  # `_write` meets it, too
            files.private_folder(self.place.parent)
        wildcards = source.label.partition(" ")[2]
        name = "-".join(
            part for part in (naming.slug(wildcards, 100), source.job_id.replace(":", "-")) if part
        )
        folder = self.place / naming.slug(source.rule, 100)
        copies = [(folder / f"{name}.log", self._output(source))]
        for number, url in enumerate(source.urls, 1):
            copies.append((folder / f"{name}.{number}.log", self._file(url)))
        return tuple(str(path) for path, lines in copies if lines and _write(path, lines))

    def _output(self, source: Source) -> list[str]:
        if not source.stream:
            return []
        return cloudwatch.tail(
            self.clients.logs, source.group, source.stream, cloudwatch.MOST_EVENTS
        )

    def _file(self, url: str) -> list[str]:
        bucket, key = split_url(url)
        try:
            answer = self.clients.s3.get_object(
                Bucket=bucket, Key=key, Range=f"bytes=-{MOST_BYTES}"
            )
            text = answer["Body"].read().decode(errors="replace")
        except (ClientError, BotoCoreError):
            return []
        return [printable(line) for line in text.splitlines()]


def _write(path: Path, lines: Sequence[str]) -> bool:
    try:
        files.write(path, "\n".join(lines) + "\n", files.PRIVATE_FILE)
    except OSError:
        return False
    return True


def log_error(job: Any, logger: Any, msg: str | None, copies: Sequence[str], **more: Any) -> None:
    """Snakemake's own error of a job (its ``log_error``), with the copies for its log files."""
    if job.is_group() or not copies:
        job.log_error(msg=msg, aux_logs=list(copies), **more)
        return
    told = job.get_log_error_info(msg, **more)
    logger.error(
        f"Error in rule {job.rule.name}, jobid: {told['jobid']}",
        extra={**told, "log": list(copies)},
    )
