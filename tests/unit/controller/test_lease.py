"""At any moment one controller at most may act, whatever clocks, networks and processes do."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_s3 import SimulatedS3

from snakemake_executor_plugin_hutchbatch.controller import lease
from snakemake_executor_plugin_hutchbatch.controller.lease import (
    MARGIN,
    SECONDS,
    SLACK,
    Held,
    Lease,
    LeaseKeeper,
    Step,
    decide,
)

URL = "s3://bucket/work/detached/run-1/lease.json"
KEY = "work/detached/run-1/lease.json"


class World:
    """The true time; S3's clock and each machine's are off by hours."""

    def __init__(self, s3_ahead=0.0):
        self.time = 0.0
        self.s3 = SimulatedS3(lambda: 1.8e9 + s3_ahead + self.time)

    def keeper(self, name, ahead=0.0):
        return LeaseKeeper(self.s3, URL, "run-1", name, clock=lambda: self.time + ahead)


def holds(keeper):
    return keeper._clock() < keeper.until


def test_the_first_controller_takes_the_lease_and_the_second_waits_until_it_has_expired():
    world = World()
    one, two = world.keeper("one", ahead=-7200), world.keeper("two", ahead=90000)
    assert (one.take(), two.take()) == (Step.HOLD, Step.WAIT)
    world.time = SECONDS - MARGIN - 1
    assert holds(one)
    world.time = SECONDS
    assert not holds(one)
    assert two.take() is Step.WAIT
    world.time = SECONDS + SLACK + 2
    assert two.take() is Step.HOLD
    assert (one.fence, two.fence) == (1, 2)
    assert one.renew() is Step.LOST
    assert one.take() is Step.LOST


def test_a_lease_that_was_given_back_is_taken_at_once():
    world = World()
    one, two = world.keeper("one"), world.keeper("two")
    one.take()
    one.release()
    assert not holds(one)
    assert two.take() is Step.HOLD
    assert two.fence == 2


@pytest.mark.parametrize("call", ["take", "renew"])
def test_a_write_whose_answer_was_lost_is_settled_by_reading(call):
    world = World()
    one = world.keeper("one")
    if call == "renew":
        one.take()
    faults = [None, "lost"] if call == "take" else ["lost"]
    world.s3.faults = iter(faults)
    assert getattr(one, call)() is Step.HOLD
    assert holds(one)


def test_a_lost_answer_counts_from_when_its_own_write_was_sent():
    world = World()
    one = world.keeper("one")
    one.take()
    world.time = 20
    world.s3.faults = iter(["lost", "down"])  # it arrives, and that cannot be read
    assert one.renew() is Step.WAIT
    world.time = 60
    assert one.renew() is not Step.LOST  # refused: S3 has the write of second 20
    assert one.until == 20 + SECONDS - MARGIN


def test_an_unreachable_s3_loses_no_lease_that_nobody_took():
    world = World()
    one = world.keeper("one")
    one.take()
    world.time = 1000
    world.s3.faults = itertools.repeat("down")
    assert one.renew() is Step.WAIT
    assert not holds(one)
    world.s3.faults = iter(())
    assert one.renew() is Step.HOLD
    assert holds(one)


def test_a_lease_that_was_removed_is_lost():
    world = World()
    one = world.keeper("one")
    one.take()
    world.s3.objects.clear()
    assert one.renew() is Step.LOST


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"id": "another"}', b"x" * 5000, b'{"seconds": 1e999}']
)
def test_an_object_that_is_no_lease_keeps_others_away_no_longer_than_one(content):
    world = World()
    world.s3.put_object("bucket", KEY, content)
    one = world.keeper("one")
    assert one.take() is Step.WAIT
    world.time = SECONDS + SLACK + 2
    assert one.take() is Step.HOLD


def test_what_is_decided():
    def held(holder, age=0.0, seconds=SECONDS):
        return Held(Lease("run-1", holder, 3, 1, seconds), '"e"', age)

    assert decide(None, "me", 0) is Step.TAKE
    assert decide(None, "me", 1) is Step.LOST
    assert decide(held("me", age=1e6), "me", 3) is Step.HOLD
    assert decide(held("other"), "me", 0) is Step.WAIT
    assert decide(held("other"), "me", 2) is Step.LOST
    assert decide(held("other", age=1e6), "me", 2) is Step.LOST
    assert decide(held("other", age=1e6), "me", 0) is Step.TAKE
    assert decide(held("other", seconds=0), "me", 0) is Step.TAKE


def test_a_lease_of_another_run_or_for_years_does_not_count_as_such():
    wrong = b'{"id":"run-2","holder":"x","fence":1,"count":1,"seconds":90,"job":""}'
    assert lease.loads(wrong, "run-1") is None
    long = lease.loads(wrong.replace(b"90", b"9e9").replace(b"run-2", b"run-1"), "run-1")
    assert long is not None
    assert long.seconds <= 600


STEPS = st.tuples(
    st.sampled_from(["take", "renew", "release", "pause", "arrive"]),
    st.integers(0, 2),
    st.floats(0, 60),
    st.lists(st.sampled_from([None, None, "down", "lost", "late"]), max_size=3),
)


@given(
    st.lists(STEPS, max_size=40), st.floats(-1e5, 1e5), st.lists(st.floats(-1e5, 1e5), min_size=3)
)
def test_two_controllers_never_hold_the_lease_at_once(steps, s3_ahead, ahead):
    world = World(s3_ahead)
    keepers = [world.keeper(f"k{i}", ahead[i]) for i in range(3)]
    fences = {}
    for what, number, seconds, faults in steps:
        keeper = keepers[number]
        world.s3.faults = iter(faults)
        if what == "pause":
            world.time += seconds
        elif what == "arrive":
            world.s3.arrive()
        elif what == "take" or keeper.fence:
            try:
                getattr(keeper, what)()
            except Exception as error:
                assert "Timeout" in type(error).__name__
        assert sum(map(holds, keepers)) <= 1
        for each in keepers:
            if holds(each):
                assert fences.setdefault(each.fence, each._mine.holder) == each._mine.holder
