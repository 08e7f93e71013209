"""Equal jobs are sent together, and a lone one does not wait for others."""

from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.planning import arrays
from snakemake_executor_plugin_hutchbatch.submission.batcher import (
    LONGEST_SECONDS,
    QUIET_SECONDS,
    Gathering,
)


def test_a_lone_job_is_due_within_two_seconds():
    gathering = Gathering(100)
    gathering.add("a", 1, now=10.0)
    assert gathering.next_due() <= 12.0
    assert gathering.due(10.0) == []
    assert gathering.due(10.0 + QUIET_SECONDS) == [[1]]
    assert gathering.next_due() is None


def test_jobs_that_arrive_close_together_are_one_family_and_others_are_not():
    gathering = Gathering(100)
    for number in range(5):
        gathering.add("a", number, now=number * 0.1)
    gathering.add("b", 9, now=0.4)
    assert gathering.due(10.0) == [[0, 1, 2, 3, 4], [9]]


def test_a_steady_stream_does_not_hold_up_its_first_job():
    gathering = Gathering(10_000)
    now = 0.0
    while not gathering.due(now):
        gathering.add("a", now, now)
        now += QUIET_SECONDS / 2
    assert now <= LONGEST_SECONDS + QUIET_SECONDS


def test_a_family_is_never_larger_than_an_array_may_be():
    gathering = Gathering(3)
    for number in range(7):
        gathering.add("a", number, now=0.0)
    assert gathering.due(0.0) == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(gathering) == 0


def test_who_sends_families_is_woken_by_those_that_are_due_sooner_only():
    gathering = Gathering(3)
    woken = [gathering.add("a", number, now=0.1 * number) for number in range(4)]
    assert woken == [True, False, True, False]
    assert gathering.add("b", 1, now=0.4)
    gathering.due(0.4, everything=True)
    assert gathering.add("a", 5, now=0.5)
    assert all(Gathering(1).add("a", 1, now=0.0) for _ in range(2))


def test_with_arrays_turned_off_nothing_waits():
    gathering = Gathering(1)
    gathering.add("a", 1, now=0.0)
    gathering.add("a", 2, now=0.0)
    assert gathering.due(0.0) == [[1], [2]]


@given(st.lists(st.integers(0, 50_000_000), max_size=40))
def test_descriptions_are_divided_without_loss_into_objects_that_waste_little(sizes):
    groups = arrays.parts(sizes)
    assert sorted(i for group in groups for i in group) == list(range(len(sizes)))
    for group in groups:
        filled = max((sizes[i] for i in group), default=0) * len(group)
        assert len(group) < 2 or filled <= arrays.MAX_BYTES
