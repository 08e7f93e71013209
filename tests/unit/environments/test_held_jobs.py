"""Jobs wait here for their environments, and are sent whole."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.environments.found import (
    BuiltEnvironment,
    EnvironmentFailed,
)
from snakemake_executor_plugin_hutchbatch.environments.held_jobs import HeldJobs, completed
from snakemake_executor_plugin_hutchbatch.planning.work import History, Work
from snakemake_executor_plugin_hutchbatch.submission.sender import PendingSubmission
from snakemake_executor_plugin_hutchbatch.supervisor import taskspec
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Step, TaskSpec

NAMES = {"d1": "envs/a.yaml", "d2": "envs/b.yaml", "d3": "envs/copy-of-a.yaml"}
BUILT = {
    "d1": BuiltEnvironment("k1", "s3://b/k1/manifest.json", "01", 10, 1),
    "d2": BuiltEnvironment("k2", "s3://b/k2/manifest.json", "02", 20, 2),
    "d3": BuiltEnvironment("k1", "s3://b/k1/manifest.json", "01", 10, 1),
}


def task(*specs):
    steps = tuple(Step(f"s{n}", "true", conda_spec=spec) for n, spec in enumerate(specs))
    whole = TaskSpec("a", "s3://b/status/", steps, identity="i")
    return taskspec.dumps(whole).encode()


def test_each_step_gets_its_own_and_equal_ones_come_once():
    made = taskspec.load_taskspec(completed(task("d1", None, "d2", "d3"), BUILT, NAMES).decode())
    assert [step.conda for step in made.steps] == ["k1", None, "k2", "k1"]
    assert [step.conda_spec for step in made.steps] == ["d1", None, "d2", "d3"]
    assert [(each.key, each.sha256, each.size) for each in made.environments] == [
        ("k1", "01", 10),
        ("k2", "02", 20),
    ]
    assert made.identity == "i"


def test_snakemake_in_a_container_gets_them_by_what_their_files_say():
    step = Step("s", "snakemake")
    whole = TaskSpec("a", "s3://b/", (step,), snakemake=True, conda_files={"f1": "d1", "f3": "d3"})
    made = taskspec.load_taskspec(completed(taskspec.dumps(whole).encode(), BUILT, NAMES).decode())
    assert made.conda_files == {"f1": "k1", "f3": "k1"}
    assert [each.key for each in made.environments] == ["k1"]


class Environments:
    """Known to be there, or to fail, when a test says so."""

    def __init__(self):
        self.there, self.waiting, self.failed = set(), [], False

    def are_ready(self, digests):
        return set(digests) <= self.there

    def when_over(self, digests, then):
        self.waiting.append(then)

    def ready(self, digests):
        if self.failed:
            raise EnvironmentFailed("its conda environment envs/a.yaml could not be had: no")
        return {digest: BUILT[digest] for digest in digests}


@pytest.fixture
def pending():
    plan = replace(PLAN, conda={"d1": "envs/a.yaml"})
    work = Work(SimpleNamespace(), 1, "a", "jdoe-a-1", "", plan, History(), (), "s3://b/")
    return PendingSubmission(work, task("d1"), lacks=True)


def test_a_job_is_passed_on_whole_when_its_environment_is_there(pending):
    environments, sent = Environments(), []
    hold = HeldJobs(environments)
    hold.take(pending, sent.append, None)
    assert (sent, hold.waiting()) == ([], 1)
    environments.there.add("d1")
    environments.waiting.pop()()
    assert hold.waiting() == 0
    # From now on jobs do not wait.
    hold.take(pending, sent.append, None)
    assert [each.lacks for each in sent] == [False, False]
    assert sent[0].task == sent[1].task == completed(pending.task, BUILT, NAMES)


def test_a_job_whose_environment_cannot_be_had_fails_with_its_cause(pending):
    environments, failed = Environments(), []
    hold = HeldJobs(environments)
    hold.take(pending, None, lambda work, failure: failed.append((work.number, failure.tag)))
    environments.failed = True
    environments.waiting.pop()()
    assert failed == [(1, "[ENVIRONMENT]")]
    assert hold.waiting() == 0


def test_a_job_that_was_dropped_is_not_passed_on(pending):
    environments, sent = Environments(), []
    hold = HeldJobs(environments)
    hold.take(pending, sent.append, None)
    assert hold.drop(1) is pending.work
    assert hold.drop(1) is None
    environments.there.add("d1")
    environments.waiting.pop()()
    assert (sent, hold.waiting()) == ([], 0)
