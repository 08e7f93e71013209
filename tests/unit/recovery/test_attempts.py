"""Which attempt of a job an earlier Snakemake had come to."""

import pytest

from snakemake_executor_plugin_hutchbatch.recovery.attempts import Sent, continued

#: Of a job whose command names the memory that it asks for, and of one whose command does not.
NAMES = {1: "4 GB", 2: "8 GB", 3: "12 GB"}
ALIKE = dict.fromkeys(NAMES, "same")


def attempt(known, identities, first=1):
    return continued([Sent(*each) for each in known], first, 3, identities.__getitem__)


@pytest.mark.parametrize(
    ("known", "identities", "goes_on"),
    [
        ([(1, "4 GB"), (2, "8 GB")], NAMES, 2),
        ([(1, "same"), (2, "same")], ALIKE, 2),
        ([(2, "what the rule was before")], NAMES, 1),
        ([(2, "8 GB")], ALIKE, 1),
        ([(2, "")], {1: "4 GB", 2: "", 3: ""}, 1),  # it cannot be prepared
        # Only AWS knows these.
        ([(None, "8 GB")], NAMES, 2),
        ([(1, "4 GB"), (None, "8 GB"), (None, "12 GB")], NAMES, 3),
        ([(None, "same")], ALIKE, 1),
        ([(2, "same"), (None, "same")], ALIKE, 2),
    ],
)
def test_a_job_goes_on_with_the_attempt_that_its_earlier_run_had_come_to(
    known, identities, goes_on
):
    assert attempt(known, identities) == goes_on


def test_a_job_never_goes_back():
    assert attempt([(1, "4 GB"), (2, "8 GB")], NAMES, first=3) == 3


def test_only_attempts_are_prepared_that_may_have_been_sent():
    asked = []

    def identity_of(attempt):
        asked.append(attempt)
        return NAMES[attempt]

    assert continued([Sent(1, "4 GB")], 1, 3, identity_of) == 1
    assert continued([Sent(2, "other")], 1, 3, identity_of) == 1
    assert asked == [2]
