"""When a run has had enough."""

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
    assert limits.announcement("It has", 0).endswith("are taken back, no job runs.")
    assert "1 running job may finish" in limits.announcement("It has", 1)
