"""The report of a failed job."""

from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.settlement.failed_logs import Copy
from snakemake_executor_plugin_hutchbatch.settlement.failure_cause import Cause, Failure
from snakemake_executor_plugin_hutchbatch.settlement.failure_report import (
    SimilarFailures,
    attempts,
    report,
    spot_losses,
)
from snakemake_executor_plugin_hutchbatch.settlement.log_tails import OUTPUT, Tail

JOB = {
    "attempts": [
        {"statusReason": "Host EC2 (instance i-0abc) terminated.", "container": {}},
        {"statusReason": "Essential container in task exited", "container": {"exitCode": 3}},
    ]
}


def test_attempts_are_reported_with_their_instances():
    assert attempts(JOB) == ["1: its spot machine was taken back on i-0abc", "2: exit code 3"]


def test_a_report_says_cause_queue_attempts_output_and_the_command_for_all_of_it():
    failure = Failure(Cause.COMMAND, "the command of rule align ended with exit code 3", 3)
    text = report(
        "align sample=A",
        failure,
        PLAN,
        JOB,
        job_id="0abc-1:3",
        tails=[
            Tail((OUTPUT, "logs/a"), ("no such index",)),
            Tail(("logs/b",), ("b's own",)),
        ],
        copies=[Copy("copies/x.log", OUTPUT), Copy("copies/x.2.log", "logs/b")],
    )
    for words in (
        "align sample=A failed: the command of rule align ended with exit code 3 [COMMAND]",
        "queue: mixed",
        "i-0abc",
        "image: quay.io/biocontainers/samtools:1.21\n",
        "  last lines of its output and of its log logs/a (1):\n    no such index\n",
        "  last lines of its log logs/b (1):\n    b's own\n",
        "    copies/x.log: its output\n    copies/x.2.log: its log logs/b\n",
        "all of it: hutchbatch logs 0abc-1:3\n  run it here: hutchbatch rerun 0abc-1:3",
    ):
        assert words in text


def test_what_comes_from_outside_cannot_drive_the_terminal():
    failure = Failure(Cause.HOST, "odd \x1b[31m reason")
    assert "\x1b" not in report("a", failure, PLAN, None, job_id="", tails=[])


def test_two_hundred_alike_are_reported_once_with_a_count():
    similar = SimilarFailures()
    failures = [Failure(Cause.COMMAND, f"job {i} ended with exit code 1") for i in range(200)]
    reported = [similar.is_first("align", f"align {i}", f) for i, f in enumerate(failures)]
    assert reported.count(True) == 1
    assert similar.is_first("sort", "sort 1", failures[0])
    assert similar.counts() == [
        "200 jobs of rule align failed the same way; the first is shown above."
    ]


def test_the_attempts_of_one_job_are_not_many_jobs():
    similar = SimilarFailures()
    for _ in range(3):
        assert similar.is_first("align", "align 1", Failure(Cause.COMMAND, "it failed"))
    assert similar.counts() == []


def test_only_what_jobs_ended_with_is_counted():
    similar = SimilarFailures()
    failed, killed = Failure(Cause.COMMAND, "x", 1), Failure(Cause.OUT_OF_MEMORY, "y", 137)
    for job in range(5):
        similar.begins(job)
        assert similar.is_first("align", job, failed) is (job == 0)
    # By `retries:` 0 and 1 succeed, 2 runs still when all is cancelled, 3 and 4 fail otherwise.
    for job in range(5):
        similar.begins(job)
    assert similar.counts() == []
    similar.is_first("align", 3, killed)
    assert similar.counts() == []
    similar.is_first("align", 4, killed)
    assert similar.counts() == [
        "2 jobs of rule align failed the same way; the first is shown above."
    ]


def test_starts_that_spot_machines_took_count_whatever_became_of_the_job():
    assert spot_losses(JOB, None) == 1
    assert spot_losses(JOB, Failure(Cause.SPOT, "taken back")) == 1
    # The supervisor knew, AWS Batch says it ended by itself.
    stopped = {"attempts": [{"container": {"exitCode": 143}}]}
    assert spot_losses(stopped, Failure(Cause.SPOT, "taken back")) == 1
    assert spot_losses(stopped, Failure(Cause.HOST, "stopped")) == 0
    assert spot_losses(None, None) == 0
