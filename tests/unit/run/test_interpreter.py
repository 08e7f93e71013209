"""Python looks for garbage rarely in a run, not at what was there before, and threads take short
turns."""

import gc
import sys

import pytest

from snakemake_executor_plugin_hutchbatch.run import interpreter


@pytest.fixture(autouse=True)
def _as_before():
    before, turn = gc.get_threshold(), sys.getswitchinterval()
    yield
    gc.set_threshold(*before)
    sys.setswitchinterval(turn)
    gc.unfreeze()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((700, 10, 10), interpreter.THRESHOLDS),
        ((50_000, 5, 100), (50_000, 10, 100)),
        ((0, 10, 10), (0, 10, 10)),
    ],
    ids=["python's own", "somebody's", "off"],
)
def test_looks_become_rarer_and_never_more_frequent_than_somebody_wanted(before, after):
    gc.set_threshold(*before)
    interpreter.seldom_collect()
    assert gc.get_threshold() == after


def test_what_exists_is_left_out_and_what_comes_later_is_not():
    graph = [[] for _ in range(100)]
    interpreter.begin()
    later = [[]]
    looked_through = {id(each) for each in gc.get_objects()}
    assert not looked_through & {id(each) for each in graph}
    assert {id(each) for each in later} <= looked_through


@pytest.mark.parametrize(("before", "after"), [(0.005, interpreter.TURN), (0.0001, 0.0001)])
def test_threads_take_shorter_turns_never_longer_ones(before, after):
    sys.setswitchinterval(before)
    interpreter.begin()
    assert sys.getswitchinterval() == pytest.approx(after, rel=0.05)
