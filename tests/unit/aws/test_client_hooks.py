"""A clock that sets itself by AWS's, and calls that are repeated."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from botocore.exceptions import EndpointConnectionError

from snakemake_executor_plugin_hutchbatch.aws import client_hooks, lease_gate, retry
from snakemake_executor_plugin_hutchbatch.aws.client_hooks import SKEW, Clock
from snakemake_executor_plugin_hutchbatch.aws.lease_gate import Hold

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


class Client:
    """Keeps what asks whether a call is repeated."""

    def __init__(self):
        self.meta = SimpleNamespace(client=self, events=self)

    def register_last(self, event, handler):
        assert event == "needs-retry"
        self.handler = handler

    def repeats(self):
        error = EndpointConnectionError(endpoint_url="https://s3")
        wait = self.handler(None, None, error, {"context": {}})
        assert wait is None or 0 < wait < retry.PATIENCE
        return wait is not None


@pytest.mark.parametrize(
    ("detached", "has_begun", "waits", "repeats"),
    [
        (False, False, False, False),  # somebody waits, and is told
        (False, True, True, True),
        (False, True, False, False),
        (True, False, False, True),  # nobody is there, and the run has begun long ago
        (True, True, True, True),
        (True, True, False, False),
    ],
)
def test_a_controller_that_comes_while_s3_cannot_be_reached_is_patient_from_the_start(
    tmp_path, monkeypatch, detached, has_begun, waits, repeats
):
    if detached:
        monkeypatch.setenv(lease_gate.VARIABLE, str(tmp_path / "lease"))
        lease_gate.write(tmp_path / "lease", Hold("run-1", 2, 0.0, 1))
    client = Client()
    provider = SimpleNamespace(s3c=client, settings=SimpleNamespace(access_key=None))
    renewal = SimpleNamespace(has_begun=has_begun, waits=waits)
    client_hooks.strengthen_storage(provider, renewal)
    assert client.repeats() is repeats
