"""Equal jobs are one array on AWS Batch, whose children fail, retry, move and end alone."""

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.schema import (
    Attempt,
    Job,
    Placement,
    Run,
    Submission,
)

CLI = "snakemake_executor_plugin_hutchbatch.cli.main"


def journal(workflow):
    return Reader(workflow.folder / ".snakemake" / "hutchbatch" / "journal.sqlite")


def test_equal_jobs_are_one_call_and_each_child_does_its_own_task(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: expand("a/{x}.txt", x=range(30)), expand("big/{x}.txt", x=range(3))
        rule a:
            output: "a/{x}.txt"
            resources: mem_mb=50
            retries: 1
            shell: "echo $AWS_BATCH_JOB_ARRAY_INDEX {resources.mem_mb} {wildcards.x} > {output}"
        rule b:
            output: "big/{x}.txt"
            # Other memory for one of them, and a failure for another: neither touches its siblings.
            resources: mem_mb=lambda w, attempt: 60 + 30 * attempt if w.x == "0" else 70
            retries: 1
            shell:
                "if [ {wildcards.x} = 1 ] && [ {resources.mem_mb} = 70 ]; then exit 3; fi; "
                "echo {resources.mem_mb} > {output}"
        """,
    )
    output = workflow.fail("--keep-going", "--jobs", "100")
    found = [workflow.text(f"a/{x}.txt").split() for x in range(30)]
    assert [line[-1] for line in found] == [str(x) for x in range(30)]
    assert {line[1] for line in found} == {"50"}
    # An index each: that of the array, or of no array for one that came alone.
    indexes = [line[0] for line in found if len(line) == 3]
    assert len(indexes) >= 20
    assert workflow.submissions() <= 8
    assert workflow.text("big/0.txt").strip() == "90"
    assert workflow.text("big/2.txt").strip() == "70"
    assert not (workflow.stored / "big/1.txt").exists()
    assert output.count("ended with exit code 3") >= 2
    assert re.search(r"a: \d+ jobs as AWS Batch array job \S+ on queue", output)
    with journal(workflow) as record:
        (run,) = record.rows(Run)
        assert run.outcome == "failed"
        assert run.wanted == 34  # as Snakemake counts, with "all"
        jobs = record.rows(Job)
        assert Counter(job.state for job in jobs) == {"done": 32, "failed": 2}
        assert {job.cause for job in jobs if job.state == "failed"} == {"COMMAND"}
        sent = record.rows(Submission)
        assert all(each.batch_id and each.submitted for each in sent)
        places = record.rows(Placement)
        assert len(places) == len(jobs) == sum(each.size for each in sent)
        assert all(place.ended and place.running for place in places)
        attempts = record.rows(Attempt)
        assert len(attempts) == len(places)
        assert all(a.seconds and a.started and a.stopped for a in attempts)
    # Successes of arrays' children are in the names of their statuses, failures are not.
    stored = Counter(
        (path.name.count("."), json.loads(path.read_text())["exit_code"])
        for path in workflow.stored.glob(".hutchbatch/runs/*/status/*/*.json")
    )
    assert stored[3, 0] >= 20
    assert set(stored) <= {(3, 0), (2, 3)}


@pytest.mark.thorough
def test_children_that_lost_their_machines_are_sent_again_together_to_the_next_queue(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: expand("{x}.txt", x=range(8))
        rule a:
            output: "{x}.txt"
            resources: mem_mb=50
            shell: "sleep 0.5; echo {wildcards.x} $AWS_BATCH_JQ_NAME > {output}"
        """,
    )
    workflow.cloud.fault(kind="lose_host", queue="cpu-spot-30", after=0.1, times=6)
    output = workflow.succeed(
        "--hutchbatch-queue", "cpu-spot-30,cpu-spot-40", "--hutchbatch-spot-attempts", "1"
    )
    found = [workflow.text(f"{x}.txt").split() for x in range(8)]
    assert [line[0] for line in found] == [str(x) for x in range(8)]
    assert Counter(line[1] for line in found) == {"cpu-spot-30": 2, "cpu-spot-40": 6}
    assert workflow.submissions() <= 4
    assert output.count("moves from queue") < 6
    assert "more jobs of rule a." in output
    with journal(workflow) as record:
        moved = [place for place in record.rows(Placement) if place.why]
        assert len(moved) == 6
        lost = record.rows(Attempt, "cause = 'SPOT'")
        assert len(lost) == 6


@pytest.mark.thorough
def test_ctrl_c_ends_an_array_with_one_call_and_a_second_one_says_what_finishes_the_work(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: expand("{x}.txt", x=range(40))
        rule a:
            output: "{x}.txt"
            resources: mem_mb=50
            shell: "sleep 300; echo > {output}"
        """,
    )
    batch = workflow.client("batch")

    def started(interrupts):
        with workflow.started("--jobs", "100") as running:
            lines = []
            for line in running.stdout:
                lines.append(line)
                if "array job" in line:
                    running.send_signal(signal.SIGINT)
                if interrupts > 1 and "Stopping 40 jobs" in line:
                    running.send_signal(signal.SIGINT)
            running.wait(120)
        return running.returncode, "".join(lines)

    code, output = started(1)
    assert code != 0
    assert output.count("Stopping 40 jobs on AWS Batch") == 1
    calls = workflow.cloud.calls()["calls"]
    assert calls.get("TerminateJobs", 0) + calls.get("TerminateJob", 0) == 1
    parent = re.search(r"array job (\S+) on", output)[1]
    deadline = time.monotonic() + 60
    while batch.describe_jobs(jobs=[parent])["jobs"][0]["status"] != "FAILED":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    with journal(workflow) as record:
        assert [run.outcome for run in record.rows(Run)] == ["cancelled"]

    # Calls that take long give the second Ctrl-C its time.
    workflow.cloud.fault(kind="delay", operation="TerminateJob*", ms=8_000)
    code, output = started(2)
    assert code == 130
    run_id = re.search(r"hutchbatch cancel (\S+)", output)[1]
    with journal(workflow) as record:
        assert run_id in {run.run_id for run in record.rows(Run)}
    workflow.cloud.reset()
    ended = subprocess.run(
        [sys.executable, "-m", CLI, "cancel", run_id, "--yes"],
        cwd=workflow.folder,
        env=workflow.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "40 jobs ended; nothing of this run is left on AWS Batch.\n", ended


def test_a_single_job_is_no_array_and_arrays_can_be_turned_off(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: expand("{x}.txt", x=range(3))
        rule a:
            output: "{x}.txt"
            resources: mem_mb=50
            shell: "echo ${{AWS_BATCH_JOB_ARRAY_INDEX:-none}} > {output}"
        """,
    )
    output = workflow.succeed("--hutchbatch-array-size", "1")
    assert {workflow.text(f"{x}.txt") for x in range(3)} == {"none\n"}
    assert workflow.submissions() == 3
    # Their statuses are listed together all the same, in the order in which they were sent.
    found = list(workflow.stored.glob(".hutchbatch/runs/*/status/single/*/*.json"))
    assert sorted(int(path.parent.name.partition(".")[0]) for path in found) == [0, 1, 2]
    assert not list(workflow.stored.glob(".hutchbatch/runs/*/status/*.json"))
    with journal(workflow) as record:
        assert all(attempt.seconds for attempt in record.rows(Attempt))
    described = workflow.jobs(output)
    assert described["a"]["tags"]["hutchbatch-wildcards"].startswith("x=")
