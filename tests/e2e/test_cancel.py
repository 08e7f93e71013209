"""Ctrl-C ends what runs on Batch."""

import json
import signal
import time

import pytest

from snakemake_executor_plugin_hutchbatch.cli import main


def jobs_of(workflow, rule, state):
    """The jobs of a rule that are in a state of Batch's."""
    batch = workflow.client("batch")
    listed = batch.list_jobs(jobQueue="cpu-spot-50", jobStatus=state)["jobSummaryList"]
    return [job for job in listed if job["jobName"].split("-")[1] == rule]


def test_ctrl_c_ends_the_jobs_on_batch(workflow, capfd, monkeypatch):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: expand("{x}.txt", x=range(3))
        rule endless:
            output: "{x}.txt"
            resources: mem_mb=50
            shell: "sleep 300; echo > {output}"
        """,
    )
    with workflow.started(
        "--hutchbatch-array-size", "1", "--hutchbatch-notify", "cat > note.json"
    ) as running:
        deadline = time.monotonic() + 60
        while len(jobs_of(workflow, "endless", "RUNNING")) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert jobs_of(workflow, "endless", "RUNNING")
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=120)
    assert running.returncode != 0
    assert output.count("Stopping 3 jobs on AWS Batch") == 1
    assert output.count("Jobs: 0 done, 0 failed, 3 ended, 1 not started; 0 starts lost") == 1
    assert output.count("3 jobs ended; nothing of this run is left on AWS Batch.") == 1
    assert "start Snakemake again to continue from here." in output
    note = json.loads((workflow.folder / "note.json").read_text())
    assert (note["outcome"], note["jobs"]["ended"]) == ("cancelled", 3)
    assert workflow.cloud.calls()["calls"]["TerminateJobs"] == 1
    # That was true when it was said, and the record knows it without asking again.
    assert not any(jobs_of(workflow, "endless", s) for s in ("RUNNABLE", "STARTING", "RUNNING"))
    for name in workflow.cloud.environment:
        monkeypatch.delenv(name, raising=False)
    assert main.main(["status", "-d", str(workflow.folder)]) == 1
    shown = capfd.readouterr().out
    assert "cancelled: 0 of 4 jobs done, 3 ended." in shown
    assert "Nothing of it is left on AWS Batch." in shown
    assert not list(workflow.stored.glob("*.txt"))


@pytest.mark.long
def test_a_job_that_ended_unheard_before_ctrl_c_is_no_trouble(workflow):
    workflow.write(
        "Snakefile",
        """
        rule unheard:
            output: "a.txt"
            resources: mem_mb=50
            shell: "sleep 3; echo a > {output}"
        """,
    )
    with workflow.started() as running:

        def wait_for(status):
            deadline = time.monotonic() + 60
            while not jobs_of(workflow, "unheard", status):
                assert time.monotonic() < deadline, f"no job was ever {status}"
                time.sleep(0.1)

        wait_for("RUNNING")
        workflow.cloud.fault(kind="throttle", operation="DescribeJobs")
        wait_for("SUCCEEDED")
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=120)
    assert running.returncode != 0
    assert "could not be stopped" not in output
    assert "Traceback" not in output
    assert workflow.text("a.txt") == "a\n"
