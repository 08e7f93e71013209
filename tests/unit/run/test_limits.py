"""When a run has had enough."""

import threading
from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_hutchbatch.run import limits
from snakemake_executor_plugin_hutchbatch.run.limits import Limits, RunLimit

HOUR = 3600.0


def test_a_run_without_limits_never_reaches_one():
    assert limits.reached(Limits(), 1000 * HOUR) is None


def test_hours_count_from_the_beginning_of_the_run():
    assert limits.reached(Limits(max_hours=2), 2 * HOUR - 1) is None
    text = limits.reached(Limits(max_hours=2), 2 * HOUR + 60)
    assert text == "The run has reached its limit, --hutchbatch-max-hours 2, after 2 h 1 min"


def test_a_limit_is_reached_once():
    now = [100.0]
    limit = RunLimit(Limits(max_hours=1), 100.0, lambda: now[0])
    assert not limit.look()
    assert not limit.text
    now[0] += HOUR
    assert limit.look()
    assert "max-hours 1" in limit.text
    assert not limit.look()
    assert limit.text


def test_the_announcement_says_what_happens_to_jobs():
    text = limits.announcement("It has reached its limit")
    assert text.startswith("It has reached its limit: nothing more is submitted")
    assert text.endswith("those that run may finish.")


def test_the_most_that_a_run_may_have_cost_counts():
    limits_ = Limits(max_cost=50)
    assert limits.reached(limits_, HOUR, 49.9) is None
    assert limits.reached(limits_, HOUR, None) is None
    text = limits.reached(limits_, HOUR, 50.2)
    assert text == (
        "The run may have cost $50.20 and has reached its limit, --hutchbatch-max-cost 50"
    )


def test_costs_are_looked_at_now_and_then_and_only_for_a_limit():
    now, asked = [0.0], []
    limit = RunLimit(Limits(max_cost=1), 0.0, lambda: now[0], lambda: asked.append(now[0]) or 0.5)
    for second in range(200):
        now[0] = second
        limit.look()
    assert len(asked) == 4
    RunLimit(Limits(max_hours=1), 0.0, lambda: now[0], lambda: asked.append("x") or 0.5).look()
    assert len(asked) == 4


class Scheduler:
    """As much of Snakemake's as a limit touches."""

    def __init__(self, *remaining):
        self.remaining_jobs = [SimpleNamespace(is_norun=norun) for norun in remaining]
        self._lock, self._open_jobs = threading.Lock(), threading.Semaphore(0)
        self._user_kill = None


@pytest.mark.parametrize(
    ("remaining", "stops"), [((), False), ((True,), False), ((True, False), True)]
)
def test_a_run_of_which_all_has_begun_goes_on_to_its_end(remaining, stops):
    scheduler = Scheduler(*remaining)
    limits.stop_scheduling(SimpleNamespace(scheduler=scheduler))
    assert bool(scheduler._user_kill) == stops
    assert scheduler._open_jobs.acquire(blocking=False) == stops


def test_a_run_with_a_job_taken_back_ends_at_once():
    scheduler = Scheduler(True)
    limits.stop_scheduling(SimpleNamespace(scheduler=scheduler), even_at_its_end=True)
    assert scheduler._user_kill
