"""The request of a job that runs again on AWS Batch."""

import json

import pytest

from snakemake_executor_plugin_hutchbatch.rerun import on_batch
from snakemake_executor_plugin_hutchbatch.rerun.errors import RerunError
from snakemake_executor_plugin_hutchbatch.rerun.on_batch import Wanted, more_memory
from snakemake_executor_plugin_hutchbatch.rerun.sent_job import SentJob
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Output, Step, TaskSpec

SUPERVISOR = "s3://b/w/supervisor/" + 64 * "a"
JOB = SentJob(
    "id:3",
    "s3://b/w/runs/r1/tasks/t.json",
    "root",
    size=100,
    index=3,
    definition="arn:d:1",
    queue="arn:q",
    name="jdoe-align-array-" + 10 * "k",
    vcpus=4,
    memory=2000,
    variables={
        "MINE": "1",
        "HUTCHBATCH_SUPERVISOR": SUPERVISOR,
        "HUTCHBATCH_TASK": "runs/r1/tasks/t.json",
        "HUTCHBATCH_TASK_SIZE": "100",
        "HUTCHBATCH_FENCE": "9",
        "HUTCHBATCH_STATUS_NUMBER": "5",
    },
    tags={"hutchbatch-run": "r1", "hutchbatch-rule": "align", "lab": "x"},
)
TASK = TaskSpec(
    "align s=A",
    "s3://b/w/runs/r1/status/",
    (Step("align", "true", outputs=(Output("out", "s3://b/p/out"),)),),
)


def test_it_differs_in_what_was_asked_for_and_in_where_things_go():
    made = on_batch.prepare(JOB, TASK, Wanted(8000, "mixed"), "key")
    request = made.request
    variables = {e["name"]: e["value"] for e in request["containerOverrides"]["environment"]}
    assert variables["MINE"] == "1"
    assert variables["HUTCHBATCH_TASK"] == "runs/r1/reruns/key/task.json"
    of_its_run = {"HUTCHBATCH_TASK_SIZE", "HUTCHBATCH_FENCE", "HUTCHBATCH_STATUS_NUMBER"}
    assert not of_its_run & variables.keys()
    assert (request["jobQueue"], request["jobDefinition"]) == ("mixed", "arn:d:1")
    needs = {e["type"]: e["value"] for e in request["containerOverrides"]["resourceRequirements"]}
    assert needs == {"VCPU": "4", "MEMORY": "8000"}
    assert made.task_url == "s3://b/w/runs/r1/reruns/key/task.json"
    (step,) = json.loads(made.task)["steps"]
    assert step["outputs"][0]["url"] == "s3://b/w/runs/r1/reruns/key/files/out"
    # By its tags no run finds it, by its name its user's are known.
    assert request["tags"] == {"lab": "x", "hutchbatch-rerun-of": "id:3"}
    assert request["jobName"].startswith("jdoe-align-array-rerun-")


def test_as_it_was_is_the_default():
    request = on_batch.prepare(JOB, TASK, Wanted(), "key").request
    assert request["jobQueue"] == "arn:q"
    assert {"type": "MEMORY", "value": "2000"} in request["containerOverrides"][
        "resourceRequirements"
    ]


def test_what_batch_has_forgotten_cannot_run_there_again():
    forgotten = SentJob("id", "s3://b/t", "x", described=False)
    with pytest.raises(RerunError, match="has forgotten this job"):
        on_batch.prepare(forgotten, TASK, Wanted(), "key")


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("1000", 954),
        ("64GB", 61036),
        ("2GiB", 2048),
        ("2 GiB", 2048),
        ("512m", 489),
        ("1.5G", 1431),
    ],
)
def test_memory_is_in_mb_or_as_said(text, mib):
    assert more_memory(text) == mib


@pytest.mark.parametrize("text", ["", "GB", "much", "-5", "0", "5TB", "1e99GB", "nan"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises((ValueError, LookupError)):
        more_memory(text)
