"""The output of jobs, from CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..text import tracebacks
from ..text.printable import printable

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import GetLogEventsRequestTypeDef

#: Events in one GetLogEvents answer at most, or 1 MB of them (AWS's limits).
MOST_EVENTS = 10_000


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


def tail(logs: CloudWatchLogsClient, group: str, stream: str, lines: int) -> list[str]:
    """The last lines of a stream, without control characters; empty if it cannot be read."""
    try:
        answer = logs.get_log_events(
            logGroupName=group, logStreamName=stream, limit=lines, startFromHead=False
        )
        return [printable(str(event.get("message") or "")) for event in answer["events"]]
    except (ClientError, BotoCoreError):
        return []
    except Exception:  # not an answer of AWS, such as a proxy's page
        tracebacks.log(f"The log {stream} could not be read.")
        return []
