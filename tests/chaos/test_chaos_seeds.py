"""One seed of the chaos test, and one of a detached run, three with ``--thorough``; more:
``python tests/chaos/run.py``."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import rounds

JOBS, FEW = 60, 15


@pytest.mark.long
@pytest.mark.parametrize(
    ("seeds", "jobs"),
    [((1,), JOBS // 2), pytest.param((1, 2, 3), JOBS, marks=pytest.mark.thorough)],
)
def test_no_bad_day_loses_a_result_or_runs_a_job_twice(seeds, jobs):
    with ThreadPoolExecutor(2) as two:
        calm = two.submit(rounds.run, jobs)
        bad_days = [two.submit(rounds.run, jobs, seed, 1.5, 8.0) for seed in seeds]
        _compare(calm.result(), dict(zip(seeds, (day.result() for day in bad_days), strict=True)))


@pytest.mark.thorough
@pytest.mark.long
@pytest.mark.parametrize("seeds", [(9,), (3, 10)])
def test_controllers_that_are_lost_paused_and_race_run_each_job_once(seeds):
    with ThreadPoolExecutor(2) as two:
        calm = two.submit(rounds.run, FEW)
        bad_days = [
            two.submit(rounds.run, FEW, seed, 1.0, 8.0, detached=True, troubles=3) for seed in seeds
        ]
    _compare(calm.result(), dict(zip(seeds, (day.result() for day in bad_days), strict=True)))


def _compare(quiet, days):
    """``days``: bad ones, by their seeds."""
    assert quiet.code == 0, quiet.output[-4000:]
    assert (quiet.twice, quiet.needless) == ([], [])
    for seed, found in days.items():
        assert found.code == 0, (seed, found.output[-4000:])
        assert (found.twice, found.needless, found.left) == ([], [], []), (seed, found.output)
        assert (found.lost(quiet.files), found.wrong(quiet.files)) == ([], []), seed
        assert sum(found.struck.values()) > 5, (seed, "the day was not bad enough")
