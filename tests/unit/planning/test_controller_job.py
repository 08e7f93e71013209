"""When AWS Batch starts a controller again."""

from fnmatch import fnmatchcase

import pytest

from snakemake_executor_plugin_hutchbatch.aws.lease_gate import EXIT_LOST
from snakemake_executor_plugin_hutchbatch.planning.controller_job import ATTEMPTS, retry_strategy
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import EXIT_TERMINATED

#: AWS Batch's most (https://docs.aws.amazon.com/batch/latest/APIReference/API_RetryStrategy.html).
MOST = 5


@pytest.mark.parametrize(
    ("status_reason", "code", "action"),
    [
        ("Essential container in task exited", "0", "EXIT"),
        ("Essential container in task exited", "1", "EXIT"),
        ("Essential container in task exited", "137", "RETRY"),
        ("Essential container in task exited", str(EXIT_TERMINATED), "RETRY"),
        ("Essential container in task exited", str(EXIT_LOST), "RETRY"),
        ("Host EC2 (instance i-1) terminated.", None, "RETRY"),
        ("something new", None, "RETRY"),  # no match
    ],
)
def test_it_is_started_again_unless_snakemake_has_ended(status_reason, code, action):
    strategy = retry_strategy()
    assert strategy["attempts"] == ATTEMPTS
    assert len(strategy["evaluateOnExit"]) <= MOST
    for rule in strategy["evaluateOnExit"]:
        pattern, text = rule.get("onStatusReason"), status_reason
        if pattern is None:
            pattern, text = rule["onExitCode"], code
        if text is not None and fnmatchcase(text, pattern):
            assert rule["action"] == action
            return
    assert action == "RETRY"
