"""The job that builds an environment, as AWS Batch and the container get it."""

from __future__ import annotations

import pytest

from snakemake_executor_plugin_hutchbatch.planning import conda_build
from snakemake_executor_plugin_hutchbatch.planning.conda_build import Pinned, Unsolved
from snakemake_executor_plugin_hutchbatch.software.conda import lock as locks
from snakemake_executor_plugin_hutchbatch.software.conda.builder import order
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    Packages,
    TaskSpec,
    dumps,
    load_taskspec,
)

LAYOUT = WorkLayout("s3://b/w/")
BROUGHT = Packages("s3://b/w/packages/x.tar.gz", "ab" * 32, 10, ".abi3.so", "2.17")
LOCK = locks.made("envs/é.yaml", ())


def read(task: TaskSpec) -> order.Order:
    """The order as the builder reads it."""
    (step,) = load_taskspec(dumps(task)).steps
    return order.loads(step.environment[order.VARIABLE])


def test_the_task_of_a_lock_makes_its_environment():
    task = conda_build.task(LOCK, "digest", LAYOUT, BROUGHT, "s3://b/w/status/", "/scratch")
    assert load_taskspec(dumps(task)) == task
    assert task.makes == (LAYOUT.conda_manifest(LOCK.key),)
    assert (task.tools, task.cpus, task.scratch) == (BROUGHT, conda_build.VCPUS, "/scratch")
    assert read(task) == order.Order(
        name="envs/é.yaml",
        lock="s3://b/w/conda/locks/digest.json",
        packages="s3://b/w/conda/packages/",
        environments="s3://b/w/conda/envs/",
        scratch="/scratch",
        cpus=conda_build.VCPUS,
        key=LOCK.key,
    )


@pytest.mark.parametrize("access", [None, Pinned("s3://b/w/runs/r/private/a", "cd" * 32)])
def test_the_task_of_what_is_to_be_solved_makes_the_lock(access: Pinned | None):
    wanted = Unsolved("env", Pinned("s3://b/w/d.json", "ef" * 32))
    task = conda_build.task(wanted, "digest", LAYOUT, BROUGHT, "s3://b/s/", "/scratch", access)
    assert task.makes == ("s3://b/w/conda/locks/digest.json",)
    found = read(task)
    assert (found.key, found.description) == (None, "s3://b/w/d.json")
    assert found.description_sha256 == "ef" * 32
    assert not found.update
    assert found.access == (access.url if access else None)
    assert found.access_sha256 == (access.sha256 if access else None)


def test_it_asks_for_as_much_as_its_command_uses():
    request = conda_build.request()
    assert (request.vcpus, request.gpus) == (conda_build.VCPUS, 0)
    assert request.memory == 3200
