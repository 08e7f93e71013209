"""Python's looks for garbage are rarer in a run, and leave out what was there when it began."""

import gc

import pytest

from snakemake_executor_plugin_hutchbatch.run import garbage


@pytest.fixture(autouse=True)
def _as_before():
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((700, 10, 10), garbage.THRESHOLDS),
        ((50_000, 5, 100), (50_000, 10, 100)),
        ((0, 10, 10), (0, 10, 10)),
    ],
    ids=["python's own", "somebody's", "off"],
)
def test_looks_become_rarer_and_never_more_frequent_than_somebody_wanted(before, after):
    gc.set_threshold(*before)
    garbage.seldom()
    assert gc.get_threshold() == after


def test_what_exists_is_left_out_and_what_comes_later_is_not():
    graph = [[] for _ in range(100)]
    garbage.keep()
    later = [[]]
    looked_through = {id(each) for each in gc.get_objects()}
    assert not looked_through & {id(each) for each in graph}
    assert {id(each) for each in later} <= looked_through
