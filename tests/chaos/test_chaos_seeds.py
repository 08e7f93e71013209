"""Three seeds of the chaos test; more by hand, with ``python tests/chaos/run.py``."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import rounds

JOBS = 60
SEEDS = (1, 2, 3)


@pytest.mark.long
def test_no_bad_day_loses_a_result_or_runs_a_job_twice():
    with ThreadPoolExecutor(2) as two:
        calm = two.submit(rounds.run, JOBS)
        bad_days = [two.submit(rounds.run, JOBS, seed, 1.5, 8.0) for seed in SEEDS]
        quiet = calm.result()
    assert quiet.code == 0, quiet.output[-4000:]
    assert (quiet.twice, quiet.needless) == ([], [])
    for seed, day in zip(SEEDS, bad_days, strict=True):
        found = day.result()
        assert found.code == 0, (seed, found.output[-4000:])
        assert (found.twice, found.needless) == ([], []), (seed, found.output)
        assert (found.lost(quiet.files), found.wrong(quiet.files)) == ([], []), seed
        assert sum(found.struck.values()) > 5, (seed, "the day was not bad enough")
