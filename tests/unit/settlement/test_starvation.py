"""What is reported of waiting jobs, and when."""

from types import SimpleNamespace

import boto3
from botocore.stub import Stubber
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.planning.work import History
from snakemake_executor_plugin_hutchbatch.queues.queue import Queue
from snakemake_executor_plugin_hutchbatch.settlement.starvation import (
    PATIENT_SECONDS,
    StarvationWatch,
)
from snakemake_executor_plugin_hutchbatch.tracking.live_jobs import LiveJob
from snakemake_executor_plugin_hutchbatch.tracking.news import Poll

QUEUE = Queue("mixed", "arn:mixed", spot=True, bid=30)


class Watched:
    """A run with one waiting job, whose clock and queue's head are set by hand."""

    def __init__(self, starve_minutes):
        self.now, self.said, self.asked = 0.0, [], 0
        self.reason = ""
        budgets = SimpleNamespace(starve_minutes=starve_minutes)
        plan = SimpleNamespace(
            queue="mixed", ladder=PLAN.ladder, budgets=budgets, vcpus=1, memory=100, gpus=0
        )
        work = SimpleNamespace(plan=plan, history=History(), label="align")
        self.job = LiveJob("ours", work, 0.0)
        keys = {"aws_access_key_id": "A", "aws_secret_access_key": "B"}
        self.batch = boto3.client("batch", region_name="us-west-2", **keys)
        self.watch = StarvationWatch(
            SimpleNamespace(waiting=lambda: [self.job]),
            self.batch,
            None,
            {"mixed": QUEUE},
            self.said.append,
            clock=lambda: self.now,
        )

    def look(self, now, asked=True):
        self.now = now
        with Stubber(self.batch) as aws:
            if asked:
                aws.add_response("describe_job_queues", {"jobQueues": []})
                aws.add_response("describe_compute_environments", {"computeEnvironments": []})
                jobs = [{"jobArn": "arn:aws:batch:us-west-2:1:job/ours"}]
                aws.add_response("get_job_queue_snapshot", {"frontOfQueue": {"jobs": jobs}})
                if not self.job.reason:
                    aws.add_response("describe_jobs", {"jobs": []})
            self.watch.look(Poll())
            aws.assert_no_pending_responses()
        return len(self.said)


def test_an_impatient_run_hears_no_guess_but_what_aws_says():
    run = Watched(starve_minutes=0.05)
    assert run.look(4.0) == 0
    assert run.look(5.0, asked=False) == 0, "and AWS is not asked again at once"
    run.job.reason = "UNDETERMINED - Batch job is blocked, root cause is undetermined."
    assert run.look(6.0) == 1
    assert run.look(7.0, asked=False) == 1, "once for each reason"


def test_a_patient_run_hears_the_likely_cause_once():
    run = Watched(starve_minutes=20)
    assert run.look(PATIENT_SECONDS, asked=False) == 0
    assert run.look(PATIENT_SECONDS + 1) == 1
    assert "AWS may have none to spare at its price" in run.said[0]
    assert run.look(3 * PATIENT_SECONDS) == 1
