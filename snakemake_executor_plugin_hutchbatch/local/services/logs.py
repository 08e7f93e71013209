"""The CloudWatch Logs endpoint: what is needed to read a job's output.

JSON 1.1 over POST with the operation in ``X-Amz-Target`` (botocore's service model of ``logs``);
shapes after https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/.
"""

from __future__ import annotations

import heapq
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator

from nanio.errors import S3Error
from starlette.requests import Request
from starlette.responses import Response

from ..json_types import Json
from .log_store import MOST_BYTES, MOST_EVENTS, Event, LogStore, NoSuchStream
from .policies import Call
from .service_fault_kinds import EmptyPages
from .service_faults import ServiceFaults, access_key_of

JSON = "application/x-amz-json-1.1"
TOKEN = re.compile(r"([fb])/([0-9]{1,18})(/empty)?")
#: AWS: CreateLogGroup, logGroupName.
GROUP_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
ACCOUNT = "000000000000"


class LogsError(Exception):
    """An error of the service: AWS's code and text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class LogsApi:
    """Answers the operations that read logs, from ``store``."""

    def __init__(self, store: LogStore, region: str, faults: ServiceFaults) -> None:
        self._store = store
        self._faults = faults
        self._arn = f"arn:aws:logs:{region}:{ACCOUNT}:log-group:"
        self._operations: dict[str, Callable[[dict[str, Json]], dict[str, Json]]] = {
            "GetLogEvents": self.get_log_events,
            "FilterLogEvents": self.filter_log_events,
            "DescribeLogStreams": self.describe_log_streams,
            "DescribeLogGroups": self.describe_log_groups,
            "CreateLogGroup": self.create_log_group,
            "DeleteLogGroup": self.delete_log_group,
        }

    def call(self, operation: str, asked: dict[str, Json]) -> dict[str, Json]:
        """The answer of ``operation``; raises LogsError."""
        if operation not in self._operations:
            known = ", ".join(sorted(self._operations))
            raise LogsError(
                "UnknownOperationException",
                f"The local cloud's logs only support {known}, not {operation}.",
            )
        try:
            return self._operations[operation](asked)
        except NoSuchStream as error:
            raise LogsError("ResourceNotFoundException", str(error)) from None

    def get_log_events(self, asked: dict[str, Json]) -> dict[str, Json]:
        """Tokens are ``f/OFFSET`` and ``b/OFFSET``: at either end the same comes back. With
        ``/empty`` behind it is one that an empty page gave, with more to come."""
        group, stream = self._group(asked), asked["logStreamName"]
        size = self._visible(group, stream)
        token = asked.get("nextToken") or ("f/0" if asked.get("startFromHead") else f"b/{size}")
        found = TOKEN.fullmatch(token)
        if found is None:
            raise LogsError("InvalidParameterException", "The specified nextToken is invalid.")
        way, offset = found[1], min(int(found[2]), size)
        more = offset < size if way == "f" else offset > 0
        if more and not found[3] and self._faults.strikes(EmptyPages):
            tokens = (f"f/{offset}/empty", f"b/{offset}/empty")
            return {"events": [], "nextForwardToken": tokens[0], "nextBackwardToken": tokens[1]}
        read = self._store.forward if way == "f" else self._store.backward
        most = min(int(asked.get("limit") or MOST_EVENTS), MOST_EVENTS)
        events = (event for event in read(group, stream, offset) if event.end <= size)
        chosen, low, high = take(events, asked, most, offset)
        chosen.sort(key=lambda event: event.offset)
        return {
            "events": [_shown(event) for event in chosen],
            "nextForwardToken": f"f/{high}",
            "nextBackwardToken": f"b/{low}",
        }

    def _visible(self, group: str, stream: str) -> int:
        """The offset after a stream's last event that can be read already."""
        late = self._faults.lines_are_late()
        return self._store.size(group, stream, late)

    def filter_log_events(self, asked: dict[str, Json]) -> dict[str, Json]:
        """Events of several streams, ordered by time. The token names the last event returned."""
        group = self._group(asked)
        names = asked.get("logStreamNames") or [
            each.name for each in self._store.streams(group, asked.get("logStreamNamePrefix", ""))
        ]
        matches = pattern(asked.get("filterPattern") or "")
        last = json.loads(asked["nextToken"]) if asked.get("nextToken") else [-1, "", -1]
        most = min(int(asked.get("limit") or MOST_EVENTS), MOST_EVENTS)
        events: list[dict[str, Json]] = []
        token, size = None, 0
        newest = self._store.newest(self._faults.lines_are_late())
        for event, name in heapq.merge(
            *(self._of(group, name) for name in names),
            key=lambda pair: (pair[0].timestamp, pair[1], pair[0].offset),
        ):
            place = [event.timestamp, name, event.offset]
            if place <= last or not _in_time(event, asked) or not matches(event.message):
                continue
            if event.timestamp > newest:
                break
            size += len(event.message.encode()) + 26
            if len(events) == most or (events and size > MOST_BYTES):
                token = json.dumps(last)
                break
            last = place
            events.append(
                {**_shown(event), "logStreamName": name, "eventId": f"{name}/{event.offset}"}
            )
        answer: dict[str, Json] = {"events": events, "searchedLogStreams": []}
        return answer if token is None else {**answer, "nextToken": token}

    def _of(self, group: str, name: str) -> Iterator[tuple[Event, str]]:
        return ((event, name) for event in self._store.forward(group, name))

    def describe_log_streams(self, asked: dict[str, Json]) -> dict[str, Json]:
        group = self._group(asked)
        streams = self._store.streams(group, asked.get("logStreamNamePrefix", ""))
        if asked.get("orderBy") == "LastEventTime":
            streams.sort(key=lambda stream: stream.last)
        if asked.get("descending"):
            streams.reverse()
        shown = [
            {
                "logStreamName": stream.name,
                "creationTime": stream.first,
                "firstEventTimestamp": stream.first,
                "lastEventTimestamp": stream.last,
                "lastIngestionTime": stream.last,
                "arn": f"{self._arn}{group}:log-stream:{stream.name}",
                "storedBytes": 0,
            }
            for stream in streams
        ]
        return paged("logStreams", shown, asked)

    def describe_log_groups(self, asked: dict[str, Json]) -> dict[str, Json]:
        groups = self._store.groups(asked.get("logGroupNamePrefix", ""))
        shown = [
            {"logGroupName": name, "arn": f"{self._arn}{name}:*", "storedBytes": 0}
            for name in groups
            if asked.get("logGroupNamePattern", "") in name
        ]
        return paged("logGroups", shown, asked)

    def create_log_group(self, asked: dict[str, Json]) -> dict[str, Json]:
        if not GROUP_NAME.fullmatch(asked["logGroupName"]):
            raise LogsError("InvalidParameterException", "logGroupName is invalid.")
        if not self._store.create_group(asked["logGroupName"]):
            raise LogsError(
                "ResourceAlreadyExistsException", "The specified log group already exists"
            )
        return {}

    def delete_log_group(self, asked: dict[str, Json]) -> dict[str, Json]:
        self._store.delete_group(asked["logGroupName"])
        return {}

    def _group(self, asked: dict[str, Json]) -> str:
        identifier: str = asked.get("logGroupName") or asked.get("logGroupIdentifier") or ""
        return identifier.removeprefix(self._arn).removesuffix(":*")


def take(
    events: Iterable[Event], asked: dict[str, Json], most: int, offset: int
) -> tuple[list[Event], int, int]:
    """The first events within the requested time, as many as fit into one answer, and the offsets
    of the range that has been searched."""
    chosen: list[Event] = []
    low = high = offset
    size = 0
    for event in events:
        wanted = _in_time(event, asked)
        if wanted:
            size += len(event.message.encode()) + 26
            if len(chosen) == most or (chosen and size > MOST_BYTES):
                break
            chosen.append(event)
        low, high = min(low, event.offset), max(high, event.end)
    return chosen, low, high


def paged(name: str, items: list[dict[str, Json]], asked: dict[str, Json]) -> dict[str, Json]:
    """``limit`` items (by default 50) from ``nextToken`` on."""
    start, limit = int(asked.get("nextToken") or 0), int(asked.get("limit") or 50)
    answer: dict[str, Json] = {name: items[start : start + limit]}
    return answer if start + limit >= len(items) else {**answer, "nextToken": str(start + limit)}


def pattern(text: str) -> Callable[[str], bool]:
    """A filter pattern of terms: all of them, any of those with ``?``, none of those with ``-``:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html"""
    if text.strip().startswith(("{", "[", "%")):
        raise LogsError(
            "InvalidParameterException",
            "The local cloud's logs only support filter patterns of plain terms.",
        )
    terms = shlex.split(text.replace("'", "\\'"))
    without = [term[1:] for term in terms if term.startswith("-")]
    any_of = [term[1:] for term in terms if term.startswith("?")]
    all_of = [term for term in terms if not term.startswith(("-", "?"))]

    def matches(message: str) -> bool:
        return (
            all(term in message for term in all_of)
            and (not any_of or any(term in message for term in any_of))
            and not any(term in message for term in without)
        )

    return matches


def _in_time(event: Event, asked: dict[str, Json]) -> bool:
    start, end = asked.get("startTime"), asked.get("endTime")
    return (start is None or event.timestamp >= start) and (end is None or event.timestamp < end)


def _shown(event: Event) -> dict[str, Json]:
    return {
        "timestamp": event.timestamp,
        "message": event.message,
        "ingestionTime": event.timestamp,
    }


def refuse_json(error: S3Error) -> Response:
    """The answer of JSON services to a request that is not correctly signed."""
    code = {
        "AccessDenied": "AccessDeniedException",
        "InvalidAccessKeyId": "UnrecognizedClientException",
        "SignatureDoesNotMatch": "InvalidSignatureException",
        "MissingAuthenticationToken": "MissingAuthenticationTokenException",
        "ExpiredToken": "ExpiredTokenException",
        "RequestTimeTooSkewed": "InvalidSignatureException",
        "WrongScope": "InvalidSignatureException",
        "InvalidToken": "UnrecognizedClientException",
    }.get(error.code, error.code)
    return _error(code, error.message_text, error.http_status)


def _error(code: str, message: str, status: int = 400) -> Response:
    body = json.dumps({"__type": code, "message": message})
    return Response(body, status, {"x-amzn-ErrorType": code}, media_type=JSON)


def calls_of(operation: str, asked: dict[str, Json], region: str) -> Iterator[Call]:
    """The permissions that an operation needs:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html"""
    group = str(asked.get("logGroupName") or asked.get("logGroupIdentifier") or "")
    if not group.startswith("arn:"):
        group = f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}"
    group = group.removesuffix(":*")
    if operation == "GetLogEvents":
        yield Call(f"logs:{operation}", f"{group}:log-stream:{asked.get('logStreamName')}")
    elif operation == "DescribeLogGroups":
        yield Call(f"logs:{operation}", f"arn:aws:logs:{region}:{ACCOUNT}:log-group::log-stream:")
    else:
        yield Call(f"logs:{operation}", f"{group}:log-stream:")


def logs_endpoint(api: LogsApi, faults: ServiceFaults, region: str) -> Callable[[Request], Json]:
    """The Starlette endpoint."""

    async def endpoint(request: Request) -> Response:
        operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
        try:
            asked = json.loads(await request.body() or b"{}")
            for call in calls_of(operation, asked, region):
                words = faults.refused(access_key_of(request.scope), call)
                if words is not None:
                    return _error("AccessDeniedException", words)
            answer = api.call(operation, asked)
        except LogsError as error:
            return _error(error.code, str(error))
        except (KeyError, ValueError, TypeError) as error:
            return _error("InvalidParameterException", f"The request is invalid: {error}")
        return Response(json.dumps(answer), media_type=JSON)

    return endpoint
