"""A job's description, and what it becomes where the job is run again."""

import datetime
import hashlib
import io

import pytest
from botocore.exceptions import ClientError

from snakemake_executor_plugin_hutchbatch.planning import arrays
from snakemake_executor_plugin_hutchbatch.rerun import description
from snakemake_executor_plugin_hutchbatch.rerun.errors import RerunError
from snakemake_executor_plugin_hutchbatch.rerun.sent_job import SentJob
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    Benchmark,
    Input,
    Log,
    Output,
    Step,
    TaskSpec,
    dumps,
)

STEP = Step(
    "align",
    "true",
    outputs=(
        Output("out/A.bam", "s3://b/p/out/A.bam", protected=True),
        Output("kept/x", None),
    ),
    logs=(Log("logs/A.log", "s3://b/p/logs/A.log"),),
    benchmark=Benchmark("b.tsv", "s3://b/p/b.tsv"),
    drops=("kept/x",),
)
TASK = TaskSpec(
    "align s=A",
    "s3://b/w/runs/r1/status/",
    (STEP,),
    inputs=(Input("s3://b/p/in", "in", shared=True),),
    identity="digest",
    makes=("s3://b/p/out/A.bam",),
)


class Store:
    """S3 with one object."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def get_object(self, **asked):
        if asked["Key"] != "t.json":
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        start, end = 0, len(self.content)
        if asked.get("Range"):
            start, end = map(int, asked["Range"].removeprefix("bytes=").split("-"))
        data = self.content[start : end + 1]
        now = datetime.datetime.now(datetime.UTC)
        return {"Body": io.BytesIO(data), "ContentLength": len(data), "LastModified": now}


def sent(**more) -> SentJob:
    return SentJob("id", "s3://b/t.json", **{"task_sha256": "", **more})


def test_a_description_is_read_as_it_was_pinned():
    text = dumps(TASK).encode()
    job = sent(task_sha256=hashlib.sha256(text).hexdigest())
    assert description.read(Store(text), job) == TASK
    with pytest.raises(RerunError, match="has changed"):
        description.read(Store(text.replace(b"true", b"evil")), job)


def test_of_an_array_each_child_has_its_own():
    texts = [dumps(TaskSpec(f"align s={name}", "s3://b/s", (STEP,))).encode() for name in "ABC"]
    content, size, root = arrays.joined(texts)
    read = description.read(Store(content), sent(task_sha256=root, size=size, index=2))
    assert read.name == "align s=C"
    with pytest.raises(RerunError, match="has changed"):
        description.read(Store(content), sent(task_sha256=64 * "0", size=size, index=1))


def test_what_is_gone_is_said():
    gone = SentJob("id", "s3://b/w/runs/r/tasks/x.json", 64 * "0")
    with pytest.raises(RerunError, match="description is gone"):
        description.read(Store(b""), gone)
    private = SentJob("id", "s3://b/w/runs/r/private/x.json", 64 * "0")
    with pytest.raises(RerunError, match="held a secret"):
        description.read(Store(b""), private)
    with pytest.raises(RerunError, match="no job of a workflow"):
        description.read(Store(b""), SentJob("id", "", ""))
    with pytest.raises(RerunError, match="has forgotten it"):
        description.read(Store(b""), SentJob("id", "", "", described=False))


def test_here_nothing_is_shared_or_removed():
    task = description.for_here(TASK, "/scratch")
    assert task.scratch == "/scratch"
    assert not task.inputs[0].shared
    assert task.steps[0].drops == ()
    assert task.store_below is None
    assert description.for_here(TaskSpec("x", "", (STEP,), snakemake=True), "/").store_below == ""


def test_on_batch_nothing_goes_to_where_results_are():
    task = description.on_batch(TASK, "s3://b/w/files/", "s3://b/w/status/", "align s=A")
    (step,) = task.steps
    assert [each.url for each in step.outputs] == ["s3://b/w/files/out/A.bam", None]
    assert not any(each.protected for each in step.outputs)
    assert step.logs[0].url == "s3://b/w/files/logs/A.log"
    assert step.benchmark.url == "s3://b/w/files/b.tsv"
    assert task.status == "s3://b/w/status/"
    assert (task.identity, task.makes) == (None, ())
    assert "s3://b/p/" not in dumps(task).replace("s3://b/p/in", "")


def test_configurations_are_merged_as_snakemake_does():
    merged = description.merged(["a: 1\nb: {c: 2, d: 3}", "b: {c: 4}"])
    assert merged == "a: 1\nb:\n  c: 4\n  d: 3\n"
    with pytest.raises(ValueError, match="not a mapping"):
        description.merged(["- 1"])
