"""AWS is asked soon while things happen and seldom while they do not; lines come at ease."""

import asyncio
import itertools

from aws_doubles import Time

from snakemake_executor_plugin_hutchbatch.aws.retry import RateLimiter
from snakemake_executor_plugin_hutchbatch.run import progress
from snakemake_executor_plugin_hutchbatch.tracking.poll_interval import QUICK, Pace


def test_the_interval_grows_while_nothing_happens_up_to_the_users_bound():
    pace = Pace(10.0)
    seen = []
    for _ in range(12):
        pace.polled(changed=False, calls=1)
        seen.append(pace.seconds)
    assert seen == sorted(seen)
    assert seen[-1] == 10.0


def test_news_make_it_short_again_and_a_dear_poll_less_so():
    pace = Pace(10.0)
    for _ in range(12):
        pace.polled(changed=False, calls=1)
    pace.polled(changed=True, calls=1)
    assert pace.seconds == QUICK
    pace.polled(changed=True, calls=12)
    assert QUICK < pace.seconds <= 10.0
    pace.polled(changed=True, calls=1000)
    assert pace.seconds == 10.0


def test_a_bound_below_a_second_is_honoured():
    pace = Pace(0.5)
    pace.polled(changed=True, calls=1)
    assert pace.seconds == 0.5


def test_the_end_of_the_run_ends_the_wait():
    asyncio.run(asyncio.wait_for(Pace(1000.0).sleep(lambda: True), 60))


def test_throttling_halves_the_rate_once_a_second_and_successes_bring_it_back():
    time = Time()
    limiter = RateLimiter(40, time.clock, time.sleep)
    limiter.throttled()
    limiter.throttled()
    assert limiter.rate == 20
    time.now += 2
    limiter.throttled()
    assert limiter.rate == 10
    for _ in range(1000):
        limiter.passed()
    assert limiter.rate == 40
    for _ in range(100):
        time.now += 2
        limiter.throttled()
    assert limiter.rate == RateLimiter.SLOWEST


def test_a_line_of_progress_counts_what_waits_runs_and_is_done():
    states = {"RUNNABLE": 1200, "PENDING": 3, "STARTING": 2, "RUNNING": 58}
    assert progress.line(states, 7, 900, 1) == (
        "On AWS Batch: 1,210 queued, 2 starting, 58 running; 900 done, 1 failed."
    )


def test_lines_of_progress_become_seldom_and_never_repeat():
    reported = progress.Progress(now=0.0)
    seconds = [now for now in range(3600) if reported.say(float(now), str(now))]
    assert seconds[0] == progress.FIRST
    gaps = [b - a for a, b in itertools.pairwise(seconds)]
    assert gaps == sorted(gaps)
    assert len(seconds) < 20
    assert reported.say(1e6, "x") == "x"
    assert reported.say(2e6, "x") is None
