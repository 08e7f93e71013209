"""An account with queues of every kind: which take a job, and what is said of the others."""

import pytest
from workflows import Workflow, slug

from snakemake_executor_plugin_hutchbatch.local.batch.config import BatchConfig
from snakemake_executor_plugin_hutchbatch.local.batch.fleet import (
    hutch_environments,
    hutch_queues,
    other_environments,
    other_queues,
)
from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    config = BatchConfig(
        queues=(*hutch_queues(), *other_queues()),
        compute_environments=(*hutch_environments(), *other_environments()),
        arm_images=("public.ecr.aws/docker/library/*",),
    )
    with LocalCloud(tmp_path_factory.mktemp("cloud"), config=config) as running:
        yield running


@pytest.fixture
def workflow(cloud, tmp_path, request):
    return Workflow(cloud, tmp_path, slug(request.node.name))


def rules(**resources):
    names = ", ".join(f'"{name}.txt"' for name in resources)
    text = f"rule all:\n    input: {names}\n"
    for name, given in resources.items():
        text += (
            f'rule {name}:\n    output: "{name}.txt"\n    resources: {given}\n'
            '    shell: "echo > {output}"\n'
        )
    return text


def test_queues_that_cannot_take_a_job_are_refused_with_their_reasons(workflow):
    workflow.write(
        "Snakefile",
        rules(
            fargate='hutchbatch_queue="fargate"',
            eks='hutchbatch_queue="eks,mixed"',
            closed='hutchbatch_queue="closed"',
            shared='hutchbatch_queue="mixed,shared"',
            gpu='hutchbatch_queue="arm", gpu=1',
        ),
    )
    workflow.write("env.yaml", "dependencies: [xz]\n")
    workflow.write(
        "Snakefile",
        (workflow.folder / "Snakefile").read_text()
        + """
rule conda:
    output: "conda.txt"
    conda: "env.yaml"
    resources: hutchbatch_queue="arm"
    shell: "echo > {output}"
""",
    )
    targets = ("all", "conda.txt", "--software-deployment-method", "conda")
    output = workflow.fail(*targets)
    refused = {line.split(": ")[0][-7:]: line for line in output.splitlines() if "Rule" in line}
    assert len(refused) == 6
    reasons = ("on Fargate", "on Kubernetes", "is disabled", "-share-identifier", "no GPUs")
    for reason in (*reasons, "linux-64"):
        assert sum(reason in line for line in refused.values()) == 1, reason
    assert workflow.submissions() == 0


def test_shares_go_where_they_belong_and_images_of_other_processors_are_named(workflow):
    workflow.write(
        "Snakefile",
        rules(
            fair='hutchbatch_queue="shared,mixed"',
            plain='hutchbatch_queue="limited,shared"',
            auto="mem_mb=500",
            arm='hutchbatch_queue="arm"',
            x86='hutchbatch_queue="arm", hutchbatch_image="lab/x86:1"',
        ),
    )
    share = ("--hutchbatch-share-identifier", "doelab", "--hutchbatch-scheduling-priority", "7")
    output = workflow.fail(*share, "--keep-going")
    jobs = workflow.jobs(output)
    queues = {rule: job["jobQueue"].rpartition("/")[2] for rule, job in jobs.items()}
    arm = {"arm": "arm", "x86": "arm"}
    assert queues == {"fair": "shared", "plain": "limited", "auto": "cpu-spot-50", **arm}
    shares = {rule: share for rule, job in jobs.items() if (share := job.get("shareIdentifier"))}
    assert shares == {"fair": "doelab"}
    assert "Queue limited cancels a job that has waited 60 minutes" in output
    assert "Rule x86: arm has Arm machines" in output
    assert "x86 failed: its image lab/x86:1" in output
    assert "the machines of queue arm are Arm (arm64) [IMAGE]" in output
    assert "4 done" in output
