"""The job that builds an environment goes where jobs go, and is repeated until it has built."""

import pytest

from snakemake_executor_plugin_hutchbatch.environments import build_job
from snakemake_executor_plugin_hutchbatch.environments.found import EnvironmentFailed
from snakemake_executor_plugin_hutchbatch.planning.plan import Site
from snakemake_executor_plugin_hutchbatch.planning.requirements import Request
from snakemake_executor_plugin_hutchbatch.planning.work import History
from snakemake_executor_plugin_hutchbatch.queues.queue import Queue
from snakemake_executor_plugin_hutchbatch.settings.options import ExecutorSettings
from snakemake_executor_plugin_hutchbatch.settlement import retry_policy
from snakemake_executor_plugin_hutchbatch.settlement.failure_cause import Cause, Failure
from snakemake_executor_plugin_hutchbatch.settlement.retry_policy import Resubmit

QUEUES = {
    "spot-30": Queue("spot-30", spot=True, bid=30, instance_types=("optimal",)),
    "spot-50": Queue("spot-50", spot=True, bid=50, instance_types=("optimal",)),
}
IMAGE, NEEDS = "python:3.11-slim", Request(2, 3815, 0, 3600)


def site(queues=QUEUES, **settings):
    return Site(
        run_id="r1",
        user="jdoe",
        region="us-west-2",
        settings=ExecutorSettings(job_role="none", **settings),
        queues=queues,
        queues_known=True,
        container_image="python",
    )


def test_it_has_the_ladder_of_the_policy_and_no_environment_of_its_own():
    plan = build_job.plan(site(policy="capacity"), "envs/salmon.yaml", IMAGE, NEEDS, "0123456789")
    assert plan.ladder.rungs == ("spot-30", "spot-50")
    assert plan.queue == "spot-30"
    assert plan.job_name == "jdoe-conda-environment-salmon-0123456789"
    assert (plan.image, plan.vcpus, plan.memory, plan.timeout) == (
        "python:3.11-slim",
        2,
        3815,
        3600,
    )
    assert plan.conda == {}
    assert plan.tags["hutchbatch-run"] == "r1"


def test_it_goes_to_no_arm_queue():
    arm = {"arm": Queue("arm", spot=True, bid=60, instance_types=("default_arm64",))}
    plan = build_job.plan(site({**QUEUES, **arm}), "e.yaml", IMAGE, NEEDS, "0123456789")
    assert plan.ladder.rungs == ("spot-50",)
    with pytest.raises(EnvironmentFailed, match="linux-64"):
        build_job.plan(site(arm, queue="arm"), "e.yaml", IMAGE, NEEDS, "0123456789")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        (
            "https://github.com/a/wrappers/raw/v1/bio/bwa/mem/environment.yaml",
            "mem",
        ),
        ("workflow/envs/x y.yml", "x-y"),
        ("environment.yaml", "environment"),
    ],
)
def test_its_name_says_which_environment(name, stem):
    plan = build_job.plan(site(), name, IMAGE, NEEDS, "k")
    assert plan.job_name == f"jdoe-conda-environment-{stem}-k"


def test_without_a_queue_the_environment_cannot_be_had():
    with pytest.raises(EnvironmentFailed, match="no queue for the job that builds it"):
        build_job.plan(site({}), "a", IMAGE, NEEDS, "k")


def test_lack_of_memory_gives_it_twice_as_much():
    plan = build_job.plan(site(), "a", IMAGE, NEEDS, "k")
    step = retry_policy.after(Failure(Cause.OUT_OF_MEMORY, "x"), plan, History(), QUEUES)
    assert isinstance(step, Resubmit)
    assert step.plan.memory == 2 * NEEDS.memory
