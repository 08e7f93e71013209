"""The output of jobs, from CloudWatch Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient


def tail(logs: CloudWatchLogsClient, group: str, stream: str, lines: int) -> list[str]:
    """The last lines of a stream, control characters taken out; empty if they cannot be had."""
    try:
        answer = logs.get_log_events(
            logGroupName=group, logStreamName=stream, limit=lines, startFromHead=False
        )
    except (ClientError, BotoCoreError):
        return []
    return [printable(event.get("message", "")) for event in answer["events"]]


def printable(text: str) -> str:
    """``text`` without what could drive a terminal."""
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in text.rstrip("\r\n"))
