"""A clock that sets itself by AWS's."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from snakemake_executor_plugin_hutchbatch.aws.client_hooks import SKEW, Clock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def date(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("off", [-18000, -SKEW - 1, SKEW + 1, 86400 * 400])
def test_a_clock_that_is_far_off_is_set_once(off):
    clock = Clock(lambda: NOW)
    assert clock.hear(date(off))
    assert clock.now() == (NOW + timedelta(seconds=int(off))).replace(tzinfo=None)
    assert not clock.hear(date(off))


@pytest.mark.parametrize("reported", [date(0), date(SKEW - 1), "", "yesterday", "\x1b[31m"])
def test_other_dates_change_nothing(reported):
    clock = Clock(lambda: NOW)
    assert not clock.hear(reported)
    assert clock.ahead == timedelta()


def test_a_clock_that_was_set_right_in_mid_run_is_believed_again():
    moved = [NOW + timedelta(hours=3)]
    clock = Clock(lambda: moved[0])
    assert clock.hear(date(0))
    moved[0] = NOW
    assert clock.hear(date(0))
    assert clock.ahead == timedelta()
