"""What AWS Batch, or the record, says of a job that was sent."""

from dataclasses import replace

from snakemake_executor_plugin_hutchbatch.record.schema import SINGLE, Job, Placement, Submission
from snakemake_executor_plugin_hutchbatch.rerun.sent_job import of_description, of_record

DESCRIBED = {
    "jobId": "id:3",
    "jobName": "jdoe-align-array-k",
    "jobQueue": "arn:q",
    "jobDefinition": "arn:d:1",
    "startedAt": 5000,
    "tags": {"hutchbatch-run": "r1"},
    "timeout": {"attemptDurationSeconds": 600},
    "container": {
        "image": "image:1",
        "environment": [
            {"name": "HUTCHBATCH_SUPERVISOR", "value": "s3://b/w/supervisor/" + 64 * "a"},
            {"name": "HUTCHBATCH_TASK", "value": "runs/r1/tasks/t.json"},
            {"name": "HUTCHBATCH_TASK_SHA256", "value": "root"},
            {"name": "HUTCHBATCH_TASK_SIZE", "value": "100"},
            {"name": "MINE", "value": "x y"},
            {"name": "A;rm -rf /", "value": ""},
            {"name": "EMPTY"},
            {},
        ],
        "secrets": [{"name": "TOKEN", "valueFrom": "arn:secret"}],
        "resourceRequirements": [
            {"type": "VCPU", "value": "4"},
            {"type": "MEMORY", "value": "2000"},
            {"type": "GPU", "value": "1"},
        ],
        "mountPoints": [
            {"sourceVolume": "scratch", "containerPath": "/tmp"},
            {"sourceVolume": "volume-0", "containerPath": "/refs"},
        ],
    },
}


def test_a_child_of_an_array_has_its_piece_of_the_description():
    job = of_description(DESCRIBED)
    assert (job.task_url, job.task_sha256) == ("s3://b/w/runs/r1/tasks/t.json", "root")
    assert (job.size, job.index) == (100, 3)
    assert (job.vcpus, job.memory, job.gpus, job.timeout) == (4, 2000, 1, 600)
    assert job.own_variables == {"MINE": "x y", "EMPTY": ""}
    assert job.secrets == {"TOKEN": "arn:secret"}
    assert job.volumes == ("/refs",)
    assert job.started == 5.0


def test_a_job_that_was_sent_again_alone_names_its_piece_itself():
    container = DESCRIBED["container"]
    variables = [*container["environment"], {"name": "HUTCHBATCH_TASK_INDEX", "value": "7"}]
    again = {**DESCRIBED, "jobId": "id2", "container": {**container, "environment": variables}}
    assert of_description(again).index == 7


def test_what_batch_has_forgotten_is_known_from_the_record():
    job = Job("r1", 1, "align", "align s=A", 1, 0.0, image="image:1", vcpus=2, memory=500)
    sent = Submission("n", "r1", "q", 3, 0.0, "arn:d:1", "s3://b/t.json", task_sha256="root")
    sent = replace(sent, task_size=100, task_index=0)
    child = of_record("id:2", job, Placement("n", 2, "r1", 1, memory=700), sent, "us-west-2")
    assert (child.task_sha256, child.size, child.index, child.memory) == ("root", 100, 2, 700)
    assert not child.described
    alone = of_record("id", job, Placement("n", SINGLE, "r1", 1), sent, "us-west-2")
    assert (alone.index, alone.memory) == (0, 500)
