"""Ladders, starvation, budgets and causes: real runs through the embedded cloud's faults."""

import re
import threading
from textwrap import dedent

import pytest

from snakemake_executor_plugin_hutchbatch.record.journal import PLACE
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.schema import Attempt

SIX = """
    rule all:
        input: expand("{x}.txt", x=range(6))
    rule a:
        output: "{x}.txt"
        shell: "for i in 1 2 3 4 5 6 7 8; do sleep 0.1; done; echo {wildcards.x} > {output}"
"""
LADDER = ("--hutchbatch-policy", "capacity", "--retries", "0")


def _texts(workflow):
    return [workflow.text(f"{x}.txt") for x in range(6)]


def _queues(workflow, output):
    """Names of the queues that jobs were submitted to, one for each job, in order."""
    sent = re.findall(
        r"(?:([\d,]+) jobs as )?AWS Batch (?:array )?job \S+ on queue ([\w-]+)", output
    )
    return [queue for count, queue in sent for _ in range(int(count or 1))]


def test_every_third_host_lost_changes_no_output(workflow):
    workflow.write("Snakefile", SIX)
    workflow.cloud.fault(kind="lose_host", every=3, after=0.2)
    output = workflow.succeed("--retries", "0")
    assert _texts(workflow) == [f"{x}\n" for x in range(6)]
    with Reader(workflow.folder / PLACE) as record:
        lost = record.rows(Attempt, "cause = 'SPOT'")
        assert 1 <= len(lost) <= 5
        assert len(record.rows(Attempt)) == 6 + len(lost)
    assert len(_queues(workflow, output)) == 6


@pytest.mark.thorough
def test_a_single_job_that_lost_its_machine_is_reported_once_and_goes_on(workflow):
    workflow.write("Snakefile", SIX)
    workflow.cloud.fault(kind="lose_host", every=3, after=0.2)
    output = workflow.succeed("--retries", "0", "--hutchbatch-array-size", "1")
    assert re.search(r"AWS Batch restarts it on cpu-spot-50 \(attempt 2 of 5; attempt 1", output)
    assert workflow.submissions() == 6


def test_jobs_whose_spot_attempts_are_spent_move_up_the_ladder(workflow):
    workflow.write("Snakefile", SIX)
    workflow.cloud.fault(kind="lose_host", queue="cpu-spot-30")
    output = workflow.succeed(*LADDER, "--hutchbatch-spot-attempts", "2")
    assert _texts(workflow) == [f"{x}\n" for x in range(6)]
    assert "moves from queue cpu-spot-30 to cpu-spot-40" in output
    assert set(_queues(workflow, output)) == {"cpu-spot-30", "cpu-spot-40"}
    assert "Trying to restart" not in output


def test_at_the_top_of_the_ladder_lost_machines_are_reported_with_their_instances(workflow):
    workflow.write("Snakefile", 'rule a:\n    output: "a.txt"\n    shell: "sleep 5"\n')
    workflow.cloud.fault(kind="lose_host")
    output = workflow.fail("--hutchbatch-spot-attempts", "2")
    assert "[SPOT]" in output
    assert re.search(r"attempts: 1: its spot machine was taken back on i-\w+; 2: its spot", output)


def test_starving_jobs_move_and_their_siblings_start_higher(workflow):
    """Also the one that AWS leaves in its queue when it is cancelled."""
    patience = "from snakemake_executor_plugin_hutchbatch.settlement import starvation\n"
    workflow.write("Snakefile", f"{patience}starvation.CANCEL_SECONDS = 1\n{dedent(SIX)}")
    workflow.cloud.fault(kind="starve", queue="cpu-spot-30")
    workflow.cloud.fault(kind="slow_cancel", times=1)
    output = workflow.succeed(*LADDER, "--hutchbatch-starve-minutes", "0.03", "--jobs", "2")
    assert _texts(workflow) == [f"{x}\n" for x in range(6)]
    assert "it waited there too long" in output
    queues = _queues(workflow, output)
    assert queues[:2] == ["cpu-spot-30"] * 2
    assert queues[-4:] == ["cpu-spot-40"] * 4


def test_a_job_that_waits_behind_another_users_says_so_once_and_starts_when_it_can(workflow):
    workflow.write("Snakefile", SIX)
    reason = "UNDETERMINED - Batch job is blocked, root cause is undetermined."
    workflow.cloud.fault(kind="foreign_head", queue="cpu-spot-50", reason=reason)
    over = threading.Event()

    def feed():
        while not over.wait(0.1):
            if "GetJobQueueSnapshot" in workflow.cloud.calls()["calls"]:
                over.wait(1)  # what is asked with it is answered, too
                workflow.cloud.reset()
                return

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        output = workflow.succeed("--hutchbatch-starve-minutes", "0.03")
    finally:
        over.set()
        thread.join()
    assert _texts(workflow) == [f"{x}\n" for x in range(6)]
    reported = [line for line in output.splitlines() if "has waited" in line]
    assert any(
        "the job at the head of queue cpu-spot-50, which may be" in line for line in reported
    )
    assert len(reported) <= 2


def test_a_job_killed_for_memory_gets_more_if_asked(workflow):
    workflow.write(
        "Snakefile",
        """
        rule a:
            output: "a.txt"
            resources: mem_mb=1000
            shell: "sleep 2; echo a > {output}"
        """,
    )
    workflow.cloud.fault(kind="out_of_memory", after=0.2, times=2)
    output = workflow.succeed("--hutchbatch-oom-memory-factor", "1.5", "--retries", "0")
    assert "started again with 1,500 MB" in output
    assert "started again with 2,251 MB" in output


def test_a_job_killed_for_memory_says_what_to_raise(workflow):
    workflow.write(
        "Snakefile",
        'rule a:\n    output: "a.txt"\n    resources: mem_mb=1000\n    shell: "sleep 5"\n',
    )
    workflow.cloud.fault(kind="out_of_memory", after=0.2)
    output = workflow.fail()
    assert "more memory than the 1,000 MB requested" in output
    assert "raise mem_mb [OUT_OF_MEMORY]" in output
    assert workflow.submissions() == 1


def test_an_image_that_cannot_be_had_is_not_tried_again(workflow):
    workflow.write("Snakefile", SIX)
    error = "repository does not exist or may require 'docker login': denied"
    workflow.cloud.fault(kind="no_image", error=error)
    output = workflow.fail("--keep-going", "--container-image", "lab/secret:1")
    assert "[IMAGE]" in output
    assert "its image lab/secret:1 could not be pulled" in output
    assert len(_queues(workflow, output)) == 6
    assert "6 jobs of rule a failed the same way; the first is shown above." in output
    assert output.count("a x=0 failed") + output.count("a x=1 failed") <= 2


def test_a_pull_that_fails_for_the_moment_is_tried_again(workflow):
    workflow.write("Snakefile", SIX)
    workflow.cloud.fault(kind="no_image", error="dial tcp: i/o timeout", times=3)
    output = workflow.succeed("--retries", "0")
    assert _texts(workflow) == [f"{x}\n" for x in range(6)]
    assert len(_queues(workflow, output)) == 9


def test_a_failed_group_is_reported_with_the_last_lines_of_its_output(workflow):
    workflow.write(
        "Snakefile",
        """
        rule b:
            input: "a.txt"
            output: "b.txt"
            group: "g"
            shell: "echo no such chromosome; exit 4"
        rule a:
            output: "a.txt"
            group: "g"
            shell: "echo a > {output}"
        """,
    )
    output = workflow.fail("--hutchbatch-tail-lines", "5")
    assert "a+b (group g) failed: the command of rule b ended with exit code 4 [COMMAND]" in output
    assert output.count("the command of rule b ended with exit code 4") == 1
    assert "Jobs: 0 done, 2 failed (a+b: 2 COMMAND); 0 starts lost" in output
    assert "    no such chromosome" in output
    assert "all of it: hutchbatch logs " in output


def test_requests_that_can_never_start_are_refused_together_before_submission(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "big.txt", "wide.txt", "gpu.txt", "wasteful.txt"
        rule big:
            output: "big.txt"
            resources: mem_mb=4000000
            shell: "echo > {output}"
        rule wide:
            output: "wide.txt"
            threads: 200
            shell: "echo > {output}"
        rule gpu:
            output: "gpu.txt"
            resources: gpu=9
            shell: "echo > {output}"
        rule wasteful:
            output: "wasteful.txt"
            threads: 4
            resources: mem_mib=32768
            shell: "echo > {output}"
        """,
    )
    output = " ".join(workflow.fail().split())
    assert "Rule big: no machine of cpu-spot-50 has" in output
    assert "Rule wide: the machines of cpu-spot-50 have at most 192 vCPUs" in output
    assert "Rule gpu: the machines of gpu-spot-50 have at most 8 GPUs" in output
    assert "Rule wasteful: ask for" in output
    assert workflow.submissions() == 0


def test_gpu_rules_go_to_the_gpu_queue(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "g.txt", "c.txt"
        rule g:
            output: "g.txt"
            resources: gpu=1
            shell: "echo > {output}"
        rule c:
            output: "c.txt"
            shell: "echo > {output}"
        """,
    )
    jobs = workflow.jobs(workflow.succeed())
    assert jobs["g"]["jobQueue"].endswith("/gpu-spot-50")
    assert jobs["c"]["jobQueue"].endswith("/cpu-spot-50")


def test_rules_that_core_calls_not_preemptible_stay_off_spot(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "spot.txt", "safe.txt"
        rule spot:
            output: "spot.txt"
            shell: "echo > {output}"
        rule safe:
            output: "safe.txt"
            shell: "echo > {output}"
        """,
    )
    options = ("--preemptible-rules", "spot", "--preemptible-retries", "2")
    jobs = workflow.jobs(workflow.succeed("all", *options))
    assert jobs["spot"]["jobQueue"].endswith("/cpu-spot-50")
    assert jobs["spot"]["retryStrategy"]["attempts"] == 3
    assert jobs["safe"]["jobQueue"].endswith("/mixed")


def test_a_sites_catalogue_is_checked_with_line_numbers(workflow):
    workflow.write("Snakefile", SIX)
    workflow.write("site.yaml", "queues:\n  lab:\n    type: spot\n")
    output = workflow.fail("--hutchbatch-queue-catalog", "site.yaml")
    assert "site.yaml, line 3: queue lab: type is SPOT or EC2" in output


def test_an_input_that_vanishes_is_reported_by_its_name(workflow):
    workflow.stored.mkdir(parents=True)
    (workflow.stored / "raw.txt").write_text("raw\n")
    workflow.write(
        "Snakefile",
        f"""
        onstart:
            shell("rm {workflow.stored}/raw.txt")
        rule a:
            input: "raw.txt"
            output: "a.txt"
            shell: "cp {{input}} {{output}}"
        """,
    )
    output = workflow.fail()
    assert "[STAGE_IN]" in output
    assert f"{workflow.prefix}/raw.txt" in output


def test_an_output_that_s3_refuses_is_reported_by_its_name(workflow):
    workflow.stored.mkdir(parents=True)
    (workflow.stored / "x").write_text("an object where a folder would have to be\n")
    workflow.write("Snakefile", 'rule a:\n    output: "x/y.txt"\n    shell: "echo y > {output}"\n')
    output = workflow.fail()
    assert "[STAGE_OUT]" in output
    assert "x/y.txt" in output


def test_a_job_ended_from_outside_says_who_gave_which_reason(workflow):
    workflow.write(
        "Snakefile",
        """
        rule a:
            output: "a.txt"
            log: "a.log"
            shell: "echo begun > {log}; sleep 100; echo > {output}"
        """,
    )
    batch = workflow.client("batch")
    ended = threading.Event()

    def end_it():
        while not ended.wait(0.2):
            running = batch.list_jobs(jobQueue="cpu-spot-50", jobStatus="RUNNING")
            for job in running["jobSummaryList"]:
                if "-a-" in job["jobName"] and "startedAt" in job:
                    ended.wait(1)  # let its command begin
                    batch.terminate_job(jobId=job["jobId"], reason="the budget is spent")
                    return

    thread = threading.Thread(target=end_it)
    thread.start()
    try:
        output = workflow.fail()
    finally:
        ended.set()
        thread.join()
    assert "[TERMINATED]" in output
    assert "the budget is spent" in output
    assert workflow.text("a.log") == "begun\n"


@pytest.mark.long
def test_a_job_that_runs_longer_than_its_runtime_says_what_to_raise(workflow):
    # AWS takes no timeout below a minute, so this test lasts one.
    workflow.write(
        "Snakefile",
        """
        rule a:
            output: "a.txt"
            resources: runtime=1
            shell: "sleep 200; echo > {output}"
        """,
    )
    output = workflow.fail("--hutchbatch-spot-attempts", "3")
    assert re.search(r"longer than its 1 min.* \[TIMEOUT\]", output)
    assert workflow.submissions() == 1


@pytest.mark.thorough
def test_a_job_that_lost_its_machine_and_then_starves_moves_too(workflow):
    workflow.write(
        "Snakefile", 'rule a:\n    output: "a.txt"\n    shell: "sleep 2; echo > {output}"\n'
    )
    workflow.cloud.fault(kind="lose_host", queue="cpu-spot-30", after=0.3, times=1)
    started = threading.Event()

    def starve():
        batch = workflow.client("batch")
        while not started.wait(0.05):
            if batch.list_jobs(jobQueue="cpu-spot-30", jobStatus="RUNNING")["jobSummaryList"]:
                workflow.cloud.fault(kind="starve", queue="cpu-spot-30")
                return

    thread = threading.Thread(target=starve)
    thread.start()
    try:
        output = workflow.succeed(*LADDER, "--hutchbatch-starve-minutes", "0.05")
    finally:
        started.set()
        thread.join()
    assert "AWS Batch restarts it on cpu-spot-30" in output
    assert "moves from queue cpu-spot-30 to cpu-spot-40: it waited there too long" in output


def test_each_job_is_fitted_not_one_of_each_rule(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "0.txt", "1.txt"
        rule a:
            output: "{x}.txt"
            resources: mem_mb=lambda wc: 100 if wc.x == "0" else 4000000
            shell: "echo > {output}"
        """,
    )
    output = workflow.fail("--keep-going")
    assert "no machine of cpu-spot-50 has" in output
    assert workflow.submissions() <= 1


def test_settings_of_a_groups_members_are_not_added_up(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "all.txt"
        rule a:
            output: "{x}.txt"
            group: "g"
            resources: hutchbatch_spot_attempts=5
            shell: "echo > {output}"
        rule b:
            input: expand("{x}.txt", x=range(3))
            output: "all.txt"
            group: "g"
            shell: "cat {input} > {output}"
        """,
    )
    jobs = workflow.jobs(workflow.succeed())
    assert jobs["a+b"]["retryStrategy"]["attempts"] == 5


def test_a_job_that_batch_leaves_out_for_a_while_is_not_lost(workflow):
    workflow.write("Snakefile", SIX)
    workflow.cloud.fault(kind="forget", seconds=15)
    output = workflow.succeed("--retries", "0")
    assert _texts(workflow) == [f"{x}\n" for x in range(6)]
    assert len(_queues(workflow, output)) == 6


@pytest.mark.thorough
@pytest.mark.long
def test_of_a_job_that_batch_no_longer_knows_the_outputs_decide(workflow):
    # Two minutes unknown make a job lost (tracking.LOST_AFTER_SECONDS), so long this test lasts.
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "made.txt", "missing.txt"
        rule made:
            output: "made.txt"
            shell: "echo made > {output}"
        rule missing:
            output: "missing.txt"
            shell: "sleep 160; exit 1"
        """,
    )
    workflow.cloud.fault(kind="forget")
    output = workflow.fail("--keep-going")
    assert workflow.text("made.txt") == "made\n"
    assert "Error in rule missing" in output
    assert "AWS Batch no longer knows it, and its outputs are missing [LOST]" in output
    assert "Error in rule made" not in output
