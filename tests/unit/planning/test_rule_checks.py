"""What a run finds out about its rules before it sends anything."""

from dataclasses import replace

from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.planning.rule_checks import CheckedJob, within_quota
from snakemake_executor_plugin_hutchbatch.queues.choice import Ladder
from snakemake_executor_plugin_hutchbatch.queues.queue import Queue
from snakemake_executor_plugin_hutchbatch.queues.quota import Quotas

QUEUES = {
    "spot": Queue("spot", spot=True, instance_types=("g6",)),
    "demand": Queue("demand", spot=False, instance_types=("g6",)),
}


class Account:
    """Which may have GPU machines on demand only."""

    def get_service_quota(self, *, ServiceCode, QuotaCode):
        return {"Quota": {"Value": 96.0 if QuotaCode == "L-DB2E81BA" else 0.0}}


def checked(*rungs):
    wanted = replace(PLAN, queue=rungs[0], ladder=Ladder(rungs, "set by you"), gpus=1)
    return within_quota(CheckedJob(None, "align", wanted), QUEUES, Quotas(Account))


def test_a_job_is_refused_only_if_the_account_may_have_no_machine_on_any_queue_of_its_ladder():
    assert checked("spot", "demand").refused is None
    assert "may have 0 vCPUs of spot machines" in str(checked("spot").refused)
    assert checked("spot").plan is None
