"""What of a job that ran again on AWS Batch stays in S3."""

from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_hutchbatch.cli import rerun_on_batch
from snakemake_executor_plugin_hutchbatch.cli.commands.common import INTERRUPTED, CommandError
from snakemake_executor_plugin_hutchbatch.rerun.on_batch import Wanted
from snakemake_executor_plugin_hutchbatch.rerun.sent_job import SentJob
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Step, TaskSpec

SUPERVISOR = "s3://b/w/supervisor/" + 64 * "a"
TASK = TaskSpec("align s=A", "s3://b/w/runs/r1/status/", (Step("align", "echo $SECRET"),))


def job(folder):
    return SentJob(
        "id", f"s3://b/w/runs/r1/{folder}/t.json", "x", name="jdoe-align-k", queue="q", memory=500,
        variables={"HUTCHBATCH_SUPERVISOR": SUPERVISOR}, tags={"hutchbatch-run": "r1"},
    )  # fmt: skip


@pytest.fixture
def run(monkeypatch):
    """Runs a job again; what is stored before it ends, and after."""

    def again(folder, follow=lambda *_: None):
        stored = {}
        clients = SimpleNamespace(
            s3=SimpleNamespace(
                put_object=lambda Bucket, Key, Body: stored.update({Key: Body}),
                delete_object=lambda Bucket, Key: stored.pop(Key),
            ),
            submit=SimpleNamespace(submit_job=lambda **_: {"jobId": "new"}),
            batch=SimpleNamespace(terminate_job=lambda **_: None),
        )
        before = []

        def following(*arguments):
            before.extend(stored)
            follow()

        monkeypatch.setattr(rerun_on_batch, "follow", following)
        monkeypatch.setattr(rerun_on_batch, "LogPrinter", lambda *_: None)
        monkeypatch.setattr(rerun_on_batch, "_ended", lambda *_: 3)
        code = rerun_on_batch.run(clients, job(folder), TASK, Wanted())
        return code, before, list(stored)

    return again


def test_a_description_with_a_secret_is_removed_when_the_job_has_ended(run):
    code, before, after = run("private")
    assert (code, len(before), after) == (3, 1, [])
    code, before, after = run("tasks")
    assert (code, before) == (3, after)
    assert before[0].endswith("/task.json")


def test_a_job_whose_output_could_not_be_followed_is_waited_for():
    states = iter([None, "RUNNABLE", "RUNNING", "FAILED"])

    def describe_jobs(jobs):
        state = next(states)
        return {"jobs": [{"jobId": "new", "status": state}] if state else []}

    slept = []
    batch = SimpleNamespace(describe_jobs=describe_jobs)
    job = rerun_on_batch._once_it_has_ended(batch, "new", slept.append)
    assert (job["status"], len(slept)) == ("FAILED", 3)
    nothing = SimpleNamespace(describe_jobs=lambda jobs: {"jobs": []})
    with pytest.raises(CommandError, match="does not know job new"):
        rerun_on_batch._once_it_has_ended(nothing, "new", slept.append)


def test_also_after_ctrl_c(run):
    def interrupt():
        raise KeyboardInterrupt

    code, _, after = run("private", interrupt)
    assert (code, after) == (INTERRUPTED, [])
