"""A job is prepared in the attempt in which an earlier Snakemake left it."""

from types import SimpleNamespace

from snakemake_executor_plugin_hutchbatch.planning.requirements import PlanError
from snakemake_executor_plugin_hutchbatch.recovery.attempts import Sent
from snakemake_executor_plugin_hutchbatch.run import earlier_attempt

OUTPUTS = ("s3://b/out",)
#: More than any machine has.
TOO_MUCH = 3


def prepare(job):
    if job.attempt == TOO_MUCH:
        raise PlanError("it asks for too much memory")
    return job.attempt, SimpleNamespace(identity=f"{job.attempt} GB", makes=OUTPUTS)


def prepared(known, job):
    plan, _ = earlier_attempt.prepared(job, prepare, {OUTPUTS: known}.__getitem__)
    assert plan == job.attempt  # what Snakemake counts from is what was prepared
    return plan


def job(attempt=1, retries=2):
    return SimpleNamespace(attempt=attempt, restart_times=retries)


def test_a_second_attempt_is_prepared_as_such():
    assert prepared([Sent(2, "2 GB")], job()) == 2
    assert prepared([Sent(2, "3 GB")], job()) == 1


def test_without_retries_or_an_earlier_run_the_first_one_is():
    assert prepared([Sent(2, "2 GB")], job(retries=0)) == 1
    assert prepared([], job()) == 1


def test_an_attempt_that_could_not_be_sent_does_not_fail_the_job():
    assert prepared([Sent(None, "7 GB")], job()) == 1
    assert prepared([Sent(None, "2 GB")], job()) == 2
