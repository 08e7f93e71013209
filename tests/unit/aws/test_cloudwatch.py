"""The last lines of a log: behind tokens, and late."""

import pytest
from aws_doubles import Time, refused
from botocore.exceptions import ClientError

from snakemake_executor_plugin_hutchbatch.aws import cloudwatch
from snakemake_executor_plugin_hutchbatch.aws.cloudwatch import LateTails


class Log:
    """A stream whose pages, the newest first, are as short as AWS likes. ``later``: pages that come
    before them at a time of ``clock``."""

    def __init__(self, *pages, clock=None):
        self.pages, self.later, self.calls, self.clock = list(pages), [], 0, clock

    def get_log_events(self, logGroupName, logStreamName, startFromHead, limit, nextToken="b/0"):
        assert not startFromHead
        self.calls += 1
        now = [page for at, page in self.later if self.clock() >= at]
        pages = now[::-1] + self.pages
        place = int(nextToken.partition("/")[2])
        page = pages[place] if place < len(pages) else []
        return {
            "events": [{"message": line} for line in page[-limit:]],
            "nextBackwardToken": f"b/{min(place + 1, len(pages))}",
        }


@pytest.mark.parametrize(
    ("pages", "lines", "found"),
    [
        ([["1", "2", "3"]], 2, ["2", "3"]),
        ([[], [], ["1", "2"]], 2, ["1", "2"]),
        ([["4"], [], ["2", "3"], ["1"]], 3, ["2", "3", "4"]),
        ([["2"], ["1"]], 9, ["1", "2"]),
        ([], 9, []),
        ([[]] * 999, 9, []),
    ],
)
def test_the_last_lines_are_found_behind_empty_and_short_pages(pages, lines, found):
    log = Log(*pages)
    assert cloudwatch.tail(log, "g", "s", lines) == found
    assert log.calls <= cloudwatch.MOST_PAGES


def test_of_very_long_lines_only_so_many_are_fetched():
    log = Log(*[["x" * 400_000]] * 9)
    assert len(cloudwatch.tail(log, "g", "s", 9)) == 3


class Waiting(Time):
    """Tails of a log that has more lines at some times."""

    def __init__(self, *later, budget=100.0):
        super().__init__()
        self.log = Log(["first"], clock=self.clock)
        self.log.later = later
        self.tails = LateTails(self.log, self.clock, self.sleep, budget)

    def tail(self, until):
        return self.tails.tail("g", "s", 5, until, lambda lines: "last" in lines)


def test_lines_that_come_late_are_waited_for_until_they_are_whole():
    time = Waiting((2.5, ["second"]), (6.5, ["last"]))
    assert time.tail(until=20.0) == ["first", "second", "last"]
    assert time.now == 7.0


def test_nothing_is_waited_for_that_is_whole_or_no_longer_to_come():
    time = Waiting((0.0, ["last"]))
    assert time.tail(until=20.0) == ["first", "last"]
    time = Waiting((5.0, ["last"]))
    assert time.tail(until=0.0) == ["first"]
    assert time.slept == []
    assert time.tail(until=3.5) == ["first"]
    assert time.now == 3.5


def test_a_stream_that_does_not_exist_yet_is_waited_for():
    time = Waiting((3.0, ["last"]))
    there = time.log.get_log_events

    def not_yet(**asked):
        if time.now < 2:
            raise refused("ResourceNotFoundException")
        return there(**asked)

    time.log.get_log_events = not_yet
    assert time.tail(until=9.0) == ["first", "last"]


def test_all_waiting_together_has_a_limit_and_ctrl_c_ends_it():
    time = Waiting(budget=10.0)
    for _ in range(20):
        assert time.tail(until=time.now + 5) == ["first"]
    assert time.now == 10.0
    time = Waiting()
    time.tails = LateTails(time.log, time.clock, lambda seconds: True)
    assert time.tail(until=20.0) == ["first"]
    assert time.log.calls == 2  # a page and its end


def test_lines_that_may_not_be_read_are_not_waited_for():
    class Denied:
        def get_log_events(self, **request):
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetLogEvents")

    time = Waiting()
    tails = LateTails(Denied(), time.clock, time.sleep, 100.0)
    start = time.clock()
    assert tails.tail("g", "s", 5, start + 20) == []
    assert (tails.denied, time.clock()) == (True, start)
    assert cloudwatch.tail(Denied(), "g", "s", 5) == []
