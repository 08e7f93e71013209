"""What the record keeps of a job's containers."""

from snakemake_executor_plugin_hutchbatch.record.recorder import attempts
from snakemake_executor_plugin_hutchbatch.settlement.failure_cause import Cause, Failure
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Status

LOST = {
    "startedAt": 1_000,
    "stoppedAt": 3_000,
    "statusReason": "Host EC2 (instance i-0abc) terminated.",
    "container": {"logStreamName": "d/default/1"},
}
GOOD = {
    "startedAt": 4_000,
    "stoppedAt": 9_500,
    "statusReason": "Essential container in task exited",
    "container": {"exitCode": 0, "logStreamName": "d/default/2"},
}
STATUS = Status("id", 2, "done", 0, seconds={"run": 5.0}, bytes_in=7, peak_memory=99)


def test_a_lost_machine_and_the_good_attempt_after_it_are_two_attempts():
    lost, good = attempts("r1", "id", {"attempts": [LOST, GOOD]}, None, STATUS)
    assert (lost.attempt, lost.cause, lost.instance_id) == (1, "SPOT", "i-0abc")
    assert (lost.started, lost.stopped, lost.log_stream) == (1.0, 3.0, "d/default/1")
    assert (lost.seconds, lost.peak_memory) == ({}, None)
    assert (good.attempt, good.cause, good.exit_code) == (2, None, 0)
    assert (good.seconds, good.bytes_in, good.peak_memory) == ({"run": 5.0}, 7, 99)


def test_the_cause_of_a_failure_belongs_to_its_last_attempt():
    failure = Failure(Cause.COMMAND, "it failed", 3)
    bad = {**GOOD, "container": {"exitCode": 3}}
    lost, failed = attempts("r1", "id", {"attempts": [LOST, bad]}, failure, None)
    assert (lost.cause, failed.cause, failed.exit_code) == ("SPOT", "COMMAND", 3)


def test_listjobs_short_word_of_a_child_is_one_attempt():
    job = {"startedAt": 1_000, "stoppedAt": 2_000, "container": {"exitCode": 0}}
    status = Status("id:3", 1, "done", 0, cpu_seconds=1.5, instance_type="m5.large")
    (only,) = attempts("r1", "id:3", job, None, status)
    assert (only.attempt, only.started, only.stopped) == (1, 1.0, 2.0)
    assert (only.cpu_seconds, only.instance_type) == (1.5, "m5.large")


def test_a_job_that_never_started_has_no_attempt():
    failure = Failure(Cause.TERMINATED, "it was ended")
    assert attempts("r1", "id", {"status": "FAILED", "attempts": []}, failure, None) == []
    assert attempts("r1", "id", {}, failure, None) == []
