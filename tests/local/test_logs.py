"""The CloudWatch Logs endpoint, and its files."""

import time
import uuid
from itertools import pairwise

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from running import output, run_job

from snakemake_executor_plugin_hutchbatch.local.hosts.lines import LineSplitter
from snakemake_executor_plugin_hutchbatch.local.services.log_store import LogStore, _events_backward
from snakemake_executor_plugin_hutchbatch.local.services.logs import LogsApi
from snakemake_executor_plugin_hutchbatch.local.services.service_fault_kinds import (
    EmptyPages,
    LateLines,
)
from snakemake_executor_plugin_hutchbatch.local.services.service_faults import ServiceFaults

GROUP = "/aws/batch/job"


class Clock:
    """A second a look."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def store(tmp_path):
    return LogStore(tmp_path, Clock())


@pytest.fixture
def api(store):
    return LogsApi(store, "us-west-2", ServiceFaults(time.time))


def pages(api, **asked):
    """Events of each page, by forward tokens, until the token stays the same."""
    found, token = [], None
    while True:
        given = {} if token is None else {"nextToken": token}
        answer = api.call("GetLogEvents", {**asked, "startFromHead": True, **given})
        found.append([event["message"] for event in answer["events"]])
        if answer["nextForwardToken"] == token:
            return found
        token = answer["nextForwardToken"]


@pytest.mark.parametrize("calls", [None, 1])
def test_pages_may_be_empty_with_more_behind_their_token(store, calls):
    faults = ServiceFaults(time.time)
    api = LogsApi(store, "us-west-2", faults)
    for line in ("one", "two"):
        store.append(GROUP, "s", line)
    faults.add(EmptyPages(calls))
    asked = {"logGroupName": GROUP, "logStreamName": "s", "limit": 1}
    found = pages(api, **asked)
    assert found[0] == []
    assert [line for page in found for line in page] == ["one", "two"]
    latest = api.call("GetLogEvents", asked)
    if calls is None:
        assert latest["events"] == []
        back = latest["nextBackwardToken"]
        latest = api.call("GetLogEvents", {**asked, "nextToken": back})
    assert latest["events"][0]["message"] == "two"


def test_lines_may_come_late(tmp_path):
    now = 1_700_000_000.0
    store, faults = LogStore(tmp_path, lambda: now), ServiceFaults(time.time)
    api = LogsApi(store, "us-west-2", faults)
    faults.add(LateLines(5))
    store.append(GROUP, "s", "first")
    now += 3
    store.append(GROUP, "s", "last")
    asked = {"logGroupName": GROUP, "logStreamName": "s"}

    def seen():
        events = api.call("GetLogEvents", asked)["events"]
        filtered = api.call("FilterLogEvents", {"logGroupName": GROUP})["events"]
        assert [e["message"] for e in events] == [e["message"] for e in filtered]
        return [event["message"] for event in events]

    assert seen() == []
    now += 2
    assert seen() == ["first"]
    now += 3
    assert seen() == ["first", "last"]


def messages(answer) -> list[str]:
    return [event["message"] for event in answer["events"]]


def ask(api, operation="GetLogEvents", **more):
    return api.call(operation, {"logGroupName": GROUP, **more})


def test_events_are_read_from_the_head_in_pages(store, api):
    for number in range(5):
        store.append(GROUP, "s", f"line {number}")
    found, token = [], None
    for _ in range(3):
        more = {"nextToken": token} if token else {}
        answer = ask(api, logStreamName="s", startFromHead=True, limit=2, **more)
        found += messages(answer)
        token = answer["nextForwardToken"]
    assert found == [f"line {number}" for number in range(5)]


def test_the_forward_token_stays_the_same_at_the_end_and_shows_what_comes_later(store, api):
    store.append(GROUP, "s", "one")
    first = ask(api, logStreamName="s", startFromHead=True)
    again = ask(api, logStreamName="s", nextToken=first["nextForwardToken"])
    assert (again["events"], again["nextForwardToken"]) == ([], first["nextForwardToken"])
    store.append(GROUP, "s", "two")
    assert messages(ask(api, logStreamName="s", nextToken=first["nextForwardToken"])) == ["two"]


def test_without_start_from_head_the_latest_come_first(store, api):
    for number in range(5):
        store.append(GROUP, "s", str(number))
    answer = ask(api, logStreamName="s", limit=2)
    assert messages(answer) == ["3", "4"]
    answer = ask(api, logStreamName="s", limit=2, nextToken=answer["nextBackwardToken"])
    assert messages(answer) == ["1", "2"]
    answer = ask(api, logStreamName="s", limit=2, nextToken=answer["nextBackwardToken"])
    assert messages(answer) == ["0"]
    last = ask(api, logStreamName="s", limit=2, nextToken=answer["nextBackwardToken"])
    assert (last["events"], last["nextBackwardToken"]) == ([], answer["nextBackwardToken"])


def test_a_page_holds_a_megabyte_at_most(store, api):
    for _ in range(5):
        store.append(GROUP, "s", "x" * 250_000)
    assert len(ask(api, logStreamName="s", startFromHead=True)["events"]) == 4
    assert len(ask(api, logStreamName="s")["events"]) == 4


def test_a_page_holds_ten_thousand_events_at_most(store, api):
    (store._directory / "%2Faws%2Fbatch%2Fjob" / "s.log").write_text("1 x\n" * 10_001)
    assert len(ask(api, logStreamName="s", startFromHead=True)["events"]) == 10_000


def test_times_choose_events(store, api):
    for number in range(5):
        store.append(GROUP, "s", str(number))
    times = [e["timestamp"] for e in ask(api, logStreamName="s", startFromHead=True)["events"]]
    chosen = ask(api, logStreamName="s", startFromHead=True, startTime=times[1], endTime=times[3])
    assert messages(chosen) == ["1", "2"]


def test_streams_are_merged_by_time_and_paged_when_filtered(store, api):
    for number in range(6):
        store.append(GROUP, f"d/default/{number % 2}", f"line {number}")
    found, token = [], None
    while True:
        more = {"nextToken": token} if token else {}
        answer = ask(api, "FilterLogEvents", limit=4, logStreamNamePrefix="d/", **more)
        found += messages(answer)
        if not (token := answer.get("nextToken")):
            break
    assert found == [f"line {number}" for number in range(6)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("error", ["an error", "error of disk"]),
        ("error disk", ["error of disk"]),
        ("?disk ?fine", ["all fine", "error of disk"]),
        ("error -disk", ["an error"]),
        ('"of disk"', ["error of disk"]),
        ("it's", []),
    ],
)
def test_filter_patterns_of_terms(store, api, pattern, expected):
    for line in ("all fine", "an error", "error of disk"):
        store.append(GROUP, "s", line)
    assert messages(ask(api, "FilterLogEvents", filterPattern=pattern)) == expected


def test_streams_and_groups_are_described(store, api):
    store.append(GROUP, "a/default/1", "x")
    store.append("/own/group", "b", "x")
    streams = ask(api, "DescribeLogStreams", logStreamNamePrefix="a/")["logStreams"]
    assert [each["logStreamName"] for each in streams] == ["a/default/1"]
    groups = api.call("DescribeLogGroups", {})["logGroups"]
    assert [each["logGroupName"] for each in groups] == [GROUP, "/own/group"]


@given(lines=st.lists(st.text(alphabet="ab\r\u2028é ", max_size=9)), block=st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_reading_backward_is_reading_forward_reversed(tmp_path_factory, lines, block):
    store = LogStore(tmp_path_factory.mktemp("logs"), Clock())
    for line in lines:
        store.append(GROUP, "s", line)
    if lines:
        forward = list(store.forward(GROUP, "s"))
        file = store._existing(GROUP, "s")
        assert [event.message for event in forward] == lines
        assert list(_events_backward(file, file.stat().st_size, block)) == forward[::-1]


@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_lines_do_not_depend_on_how_the_bytes_arrive(data, cuts):
    whole, piecewise = LineSplitter(16), LineSplitter(16)
    at = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    found = [line for start, end in pairwise(at) for line in piecewise.feed(data[start:end])]
    assert found + piecewise.finish() == whole.feed(data) + whole.finish()


def test_long_lines_are_cut_but_no_character_is():
    splitter = LineSplitter(5)
    assert splitter.feed("aaaaé\nb\r\n".encode()) == ["aaaa", "é", "b"]


# --- over the wire ---


@pytest.fixture
def stream(cloud):
    name = f"d/default/{uuid.uuid4()}"
    store = LogStore(cloud.directory / "logs")
    for number in range(3):
        store.append(GROUP, name, f"line {number}")
    return name


def test_boto3_reads_events(logs, stream):
    answer = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)
    assert messages(answer) == ["line 0", "line 1", "line 2"]
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=GROUP, logStreamNames=[stream]
    )
    assert [each for page in pages for each in messages(page)] == messages(answer)
    assert logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=stream)["logStreams"]


@pytest.mark.parametrize("group", [GROUP, "/no/such"])
def test_unknown_streams_are_not_found(logs, group):
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.get_log_events(logGroupName=group, logStreamName="no")


def test_an_unknown_operation_is_reported(logs):
    with pytest.raises(ClientError, match="only support"):
        logs.describe_metric_filters()


def test_a_jobs_output_is_there_and_survives(cloud, batch, logs):
    job = run_job(batch, "logs-output", ["sh", "-c", "echo one; echo two >&2"])
    assert output(logs, job) == ["one", "two"]
    (kept,) = (cloud.directory / "logs").rglob("*logs-output*.log")
    assert kept.read_text().split()[1::2] == ["one", "two"]


def test_output_goes_to_the_group_that_the_definition_names(batch, logs):
    own = {"logDriver": "awslogs", "options": {"awslogs-group": "/own/group"}}
    assert (
        "exitCode" not in run_job(batch, "logs-none", ["true"], logConfiguration=own)["container"]
    )
    logs.create_log_group(logGroupName="/own/group")
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName="/own/group")
    job = run_job(
        batch,
        "logs-group",
        ["echo", "there"],
        logConfiguration=own,
    )
    answer = logs.get_log_events(
        logGroupName="/own/group", logStreamName=job["container"]["logStreamName"]
    )
    assert messages(answer) == ["there"]
