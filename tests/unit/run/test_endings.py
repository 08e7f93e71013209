"""What a run at its limit takes for a failure."""

from dataclasses import replace

import pytest
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.run.endings import is_not_its_fault
from snakemake_executor_plugin_hutchbatch.settlement.failure_cause import Cause, Failure

LESS = replace(PLAN, memory=500, asked_memory=2000)


@pytest.mark.parametrize(
    ("cause", "plan", "expected"),
    [
        (Cause.SPOT, PLAN, True),
        (Cause.HOST, PLAN, True),
        (Cause.CAPACITY, PLAN, True),
        (Cause.COMMAND, PLAN, False),
        (Cause.COMMAND, LESS, False),
        (Cause.OUT_OF_MEMORY, PLAN, False),
        # As --hutchbatch-learn starts jobs; and once it was started again with all of it.
        (Cause.OUT_OF_MEMORY, LESS, True),
        (Cause.OUT_OF_MEMORY, replace(LESS, memory=2000), False),
    ],
)
def test_lost_machines_and_memory_below_the_request_are_not_the_jobs_fault(cause, plan, expected):
    assert is_not_its_fault(Failure(cause, "it ended"), plan) is expected
