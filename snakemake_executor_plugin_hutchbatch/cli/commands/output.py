"""Printing a job's output: whole, or as it comes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ...aws import batch_calls, errors
from ...aws.clients import Clients
from ...aws.cloudwatch import MOST_EVENTS, Stream
from ...record import controllers
from ...reporting import job_attempts
from ...reporting.find_job import Target
from ...reporting.job_attempts import Container, JobAttempts
from ...settings.table import default_of
from ...settlement import log_tails
from ...storage.urls import split_url
from ...text import terminal
from ...text.terminal import note
from ...text.units import clock
from .common import CommandError, asking

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

#: Seconds between two looks with --follow.
LOOK_SECONDS = 2.0
#: CloudWatch may show the last lines of a container some seconds after its end.
LATE_SECONDS = 3.0
#: Bytes of a log file that is compared with the output, so that it is not shown twice.
MOST_COMPARED = 1024 * 1024
#: The error code for a log that does not exist.
_NO_LOG = "ResourceNotFoundException"


class LogPrinter:
    """Prints the logs of one job."""

    def __init__(self, clients: Clients, since_ms: int | None) -> None:
        self._clients = clients
        self._since = since_ms
        self._streams: dict[str, Stream] = {}
        self._printed: deque[str] = deque(maxlen=MOST_EVENTS)

    def look(self, target: Target) -> JobAttempts:
        """Raises ``CommandError`` if neither AWS nor the record knows the job."""
        with asking("asking about the job"):
            described = batch_calls.describe_all(self._clients.batch, target.batch_ids)
        known = job_attempts.known(target.batch_ids, described, target.attempts)
        if known.array:
            raise CommandError(
                f"{target.label} is an array of {known.array:,} jobs: choose one, from "
                f"{target.label}:0 to {target.label}:{known.array - 1}."
            )
        if known.state is None and not known.containers and not target.jobs:
            raise CommandError(
                f"AWS Batch does not know {target.label} in {self._clients.region}: it forgets "
                "jobs some days after their end. Check the id, and --region."
            )
        return known

    def show(self, target: Target, attempt: int | None) -> int:
        known = self.look(target)
        chosen = self.choose(known, attempt, target.label)
        if len(known.containers) > 1 and chosen:
            number = known.containers.index(chosen) + 1
            note(f"Start {number} of {len(known.containers)} (others: --attempt N).")
        is_last = chosen is None or chosen == known.containers[-1]
        if chosen and self.print(chosen, target):
            if is_last and not known.is_live:
                self.show_files(target)
            return 0
        if attempt is None and self._show_files_instead(target):
            return 0
        raise CommandError(_nothing(target.label, known, self._since is not None))

    def choose(self, known: JobAttempts, attempt: int | None, label: str) -> Container | None:
        """The container whose output is wanted; None if there is none yet."""
        if attempt is None:
            with_log = [each for each in known.containers if each.stream]
            return with_log[-1] if with_log else None
        if attempt > len(known.containers):
            raise CommandError(f"{label} was started {_times(len(known.containers))} so far.")
        return known.containers[attempt - 1]

    def print(self, container: Container, target: Target) -> int:
        """Prints what is new in a container's log. Returns how many lines."""
        if not container.stream:
            return 0
        stream = self._streams.get(container.stream)
        if stream is None:
            recorded = target.run.log_group if target.run else ""
            group = container.group or recorded or default_of("log_group")
            stream = Stream(self._clients.logs, group, container.stream, self._since)
            self._streams[container.stream] = stream
        count = 0
        try:
            for line in stream.more():
                terminal.job_output(line.text)
                self._printed.append(line.text.rstrip("\r\n"))
                count += 1
        except ClientError as error:
            if errors.code(error) != _NO_LOG and not errors.is_denied(error):
                raise CommandError(errors.explain(error, "reading the job's output")) from error
            if errors.is_denied(error):
                note(errors.explain(error, "reading the job's output"))
        terminal.flush()
        return count

    def show_files(self, target: Target) -> None:
        """The rule's own log files, after the output."""
        for url in target.log_files:
            found = self._log_file(url)
            if found is None or not found["ContentLength"]:
                continue
            if found["ContentLength"] > MOST_COMPARED:
                note(f"Its log file {url} (of {clock(found['LastModified'].timestamp())}):")
                _print_file(found)
                continue
            data = found["Body"].read()
            lines = [raw.decode(errors="backslashreplace") for raw in data.splitlines()]
            if log_tails.find(lines, list(self._printed)) >= 0:
                note(f"Its log file {url} has the same text.")
                continue
            note(f"Its log file {url} (of {clock(found['LastModified'].timestamp())}):")
            for line in lines:
                terminal.job_output(line)
            terminal.flush()

    def _show_files_instead(self, target: Target) -> bool:
        """The same if CloudWatch has nothing. Returns whether there was one."""
        shown = False
        for url in target.log_files:
            if (found := self._log_file(url)) is not None:
                note(f"CloudWatch has no output of {target.label}; this is its log file, {url}.")
                _print_file(found)
                shown = True
        return shown

    def _log_file(self, url: str) -> GetObjectOutputTypeDef | None:
        """S3's answer; None if there is no file, or none since then."""
        bucket, key = split_url(url)
        try:
            found = self._clients.s3.get_object(Bucket=bucket, Key=key)
        except ClientError:
            return None
        if self._since is not None and found["LastModified"].timestamp() * 1000 < self._since:
            return None
        return found


def _print_file(found: GetObjectOutputTypeDef) -> None:
    for raw in found["Body"].iter_lines():
        terminal.job_output(raw.decode(errors="backslashreplace"))
    terminal.flush()


def _nothing(label: str, known: JobAttempts, narrowed: bool) -> str:
    if narrowed and known.containers:
        return f"{label} has printed nothing since then."
    if known.is_live:
        why = f": {known.reason}" if known.reason else ""
        return f"{label} has no output yet: it is {known.state} on AWS Batch{why}."
    if known.state is None:
        return f"There is no output of {label}: AWS no longer has any, and S3 has no log file."
    why = f" ({known.reason})" if known.reason else ""
    return f"{label} has printed nothing{why}."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def follow(
    printer: LogPrinter,
    refreshed: Callable[[], Target],
    attempt: int | None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Prints until the job has ended; with ``attempt`` until that start has."""
    current: Container | None = None
    shown = ""
    while True:
        target = refreshed()
        known = printer.look(target)
        over = not known.is_live and not _goes_on(target)
        if attempt is not None:
            over = over or len(known.containers) > attempt
        for container in _from(current, known.containers, attempt):
            if current and container != current:
                note(f"{target.label} was started again.")
            printer.print(container, target)
            current = container
        if known.is_live and known.state not in ("RUNNING", shown):
            shown = str(known.state)
            note(f"{target.label} is {shown} on AWS Batch.")
        if over:
            break
        sleep(LOOK_SECONDS)
    if current is None:
        raise CommandError(_nothing(target.label, known, False))
    sleep(LATE_SECONDS)
    printer.print(current, target)
    if current == known.containers[-1]:
        printer.show_files(target)
    return 0


def _from(
    current: Container | None, containers: tuple[Container, ...], attempt: int | None
) -> list[Container]:
    """Those to be read now: the last one, or the current one and what came after it."""
    if attempt is not None:
        containers = containers[attempt - 1 : attempt]
    begun = [each for each in containers if each.stream]
    return begun[begun.index(current) :] if current in begun else begun[-1:]


def _goes_on(target: Target) -> bool:
    """Whether the job's run lives and may submit it once more."""
    run = target.run
    if run is None or run.ended is not None or target.has_ended in (True, None):
        return False
    return not controllers.is_gone(run, time.time())
