"""The output of jobs, from CloudWatch Logs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..text import tracebacks
from ..text.printable import printable
from . import errors

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import GetLogEventsRequestTypeDef

#: Events in one GetLogEvents answer at most, or 1 MB of them (AWS's limits).
MOST_EVENTS = 10_000
#: Pages of one tail at most, since AWS may give empty ones before others; and characters after
#: which no more are asked for.
MOST_PAGES, MOST_CHARACTERS = 30, 1_000_000
#: Seconds between two looks for lines that come late, and those of a whole run spent on that.
LATE_LOOK, LATE_BUDGET = 1.0, 120.0


@dataclass(frozen=True)
class Line:
    """One event: milliseconds since 1970, and the text as the job wrote it."""

    at: int
    text: str


class Stream:
    """Reads one log stream from its beginning, or from ``since`` (milliseconds since 1970)."""

    def __init__(
        self, logs: CloudWatchLogsClient, group: str, stream: str, since: int | None = None
    ) -> None:
        self._logs = logs
        self._request: GetLogEventsRequestTypeDef = {
            "logGroupName": group,
            "logStreamName": stream,
            "startFromHead": True,
        }
        if since is not None:
            self._request["startTime"] = since

    def more(self) -> Iterator[Line]:
        """The lines that are there now and were not returned yet. Raises botocore's errors."""
        while True:
            answer = self._logs.get_log_events(**self._request)
            for event in answer["events"]:
                yield Line(event.get("timestamp", 0), event.get("message", ""))
            token = answer.get("nextForwardToken")
            # A page may be empty and more follow; the end is where the token comes back:
            # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
            if token is None or token == self._request.get("nextToken"):
                return
            self._request["nextToken"] = token


class NotPermitted(Exception):
    """The user may not read logs: waiting for late lines is of no use."""


def tail(logs: CloudWatchLogsClient, group: str, stream: str, lines: int) -> list[str]:
    """As ``permitted_tail``; empty if logs may not be read at all."""
    try:
        return permitted_tail(logs, group, stream, lines)
    except NotPermitted:
        return []


def permitted_tail(logs: CloudWatchLogsClient, group: str, stream: str, lines: int) -> list[str]:
    """The last lines of a stream, without control characters; empty if it cannot be read. Raises
    NotPermitted.

    A page may have fewer lines than there are, or none, with more behind its token: the beginning
    is where the token comes back.
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
    """
    request: GetLogEventsRequestTypeDef = {
        "logGroupName": group,
        "logStreamName": stream,
        "startFromHead": False,
        "limit": lines,
    }
    pages: list[list[str]] = []
    wanted, size = lines, 0
    try:
        for _ in range(MOST_PAGES):
            answer = logs.get_log_events(**request)
            page = [printable(str(event.get("message") or "")) for event in answer["events"]]
            pages.append(page)
            wanted -= len(page)
            size += sum(map(len, page))
            token = answer.get("nextBackwardToken")
            if token is None or token == request.get("nextToken"):
                break  # the beginning
            if wanted <= 0 or size >= MOST_CHARACTERS:
                break
            request["nextToken"] = token
        return [line for page in reversed(pages) for line in page][-lines:]
    except (ClientError, BotoCoreError) as error:
        if errors.is_denied(error):
            raise NotPermitted from error
        return []
    except Exception:  # not an answer of AWS, such as a proxy's page
        tracebacks.log(f"The log {stream} could not be read.")
        return []


class LateTails:
    """Tails of jobs that have just ended: their last lines may come some seconds later. Docker
    sends them every five seconds and at the end, and CloudWatch takes a moment.
    https://docs.docker.com/engine/logging/drivers/awslogs/

    Thread-safe. All waiting of a run together has a limit, however many jobs fail at once.
    ``sleep`` returns True where waiting is no longer wanted, as ``Event.wait`` does.
    """

    def __init__(
        self,
        logs: CloudWatchLogsClient,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
        budget: float = LATE_BUDGET,
    ) -> None:
        self._logs = logs
        self._clock = clock
        self._sleep = sleep
        self._budget = budget
        self._lock = threading.Lock()
        #: Whether the user may not read logs, as far as is known.
        self.denied = False

    def tail(
        self,
        group: str,
        stream: str,
        lines: int,
        until: float,
        whole: Callable[[Sequence[str]], bool] = lambda lines: False,
    ) -> list[str]:
        """The last lines as soon as they are ``whole``, at the latest at ``until`` (seconds since
        1970)."""
        while True:
            try:
                found = permitted_tail(self._logs, group, stream, lines)
            except NotPermitted:
                self.denied = True
                return []
            left = until - self._clock()
            if left <= 0 or whole(found) or not self._spend(LATE_LOOK):
                return found
            if self._sleep(min(LATE_LOOK, left)) is True:
                return found

    def _spend(self, seconds: float) -> bool:
        with self._lock:
            self._budget -= seconds
            return self._budget >= 0
