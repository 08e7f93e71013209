"""One seed of the chaos test, three with ``--thorough``; more: ``python tests/chaos/run.py``."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import rounds

JOBS = 60


@pytest.mark.long
@pytest.mark.parametrize("seeds", [(1,), pytest.param((2, 3), marks=pytest.mark.thorough)])
def test_no_bad_day_loses_a_result_or_runs_a_job_twice(seeds):
    with ThreadPoolExecutor(2) as two:
        calm = two.submit(rounds.run, JOBS)
        bad_days = [two.submit(rounds.run, JOBS, seed, 1.5, 8.0) for seed in seeds]
        quiet = calm.result()
    assert quiet.code == 0, quiet.output[-4000:]
    assert (quiet.twice, quiet.needless) == ([], [])
    for seed, day in zip(seeds, bad_days, strict=True):
        found = day.result()
        assert found.code == 0, (seed, found.output[-4000:])
        assert (found.twice, found.needless) == ([], []), (seed, found.output)
        assert (found.lost(quiet.files), found.wrong(quiet.files)) == ([], []), seed
        assert sum(found.struck.values()) > 5, (seed, "the day was not bad enough")
