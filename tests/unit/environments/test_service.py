"""Environments are built once, waited for, taken over, and fail only what needs them."""

import datetime
import threading
import time
from dataclasses import replace

import pytest
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.environments.build_job import Build
from snakemake_executor_plugin_hutchbatch.environments.claims import Claim, HeldClaim
from snakemake_executor_plugin_hutchbatch.environments.found import (
    BuiltEnvironment,
    EnvironmentFailed,
    Stage,
)
from snakemake_executor_plugin_hutchbatch.environments.protocols import Locked
from snakemake_executor_plugin_hutchbatch.environments.service import MOST_BUILDS, Environments
from snakemake_executor_plugin_hutchbatch.planning.conda_specs import CondaSpec
from snakemake_executor_plugin_hutchbatch.planning.work import History
from snakemake_executor_plugin_hutchbatch.settlement.failure_cause import Cause, Failure
from snakemake_executor_plugin_hutchbatch.settlement.retry_policy import Resubmit
from snakemake_executor_plugin_hutchbatch.software.conda.access import Access
from snakemake_executor_plugin_hutchbatch.software.conda.description import Description
from snakemake_executor_plugin_hutchbatch.tracking.news import Ended, Poll

A = CondaSpec("envs/a.yaml", "digest-a", "", Description("a"), Access())
B = CondaSpec("envs/b.yaml", "digest-b", "", Description("b"), Access())
PLANNED = replace(PLAN, label="environment envs/a.yaml")


class World:
    """S3 and Batch as two or more controllers share them. Jobs end when a test says so."""

    def __init__(self):
        self.locks = {}
        self.built = {}
        self.claims = {}
        self.jobs = {}
        self.etags = 0
        self.submitted = []

    def end(self, job_id, status="SUCCEEDED", key=None):
        if status == "SUCCEEDED" and key:
            self.built[key] = BuiltEnvironment(key, f"s3://b/{key}/manifest.json", "0", 1000, 5)
        self.jobs[job_id] = status


class Controller:
    """One controller's ways to them."""

    def __init__(self, world, user="ada", solver=True):
        self.world, self.user, self.solver = world, user, solver
        self.said, self.warned, self.recorded, self.cancelled = [], [], [], []
        self.followed = {}
        self.steps = []
        self.unsolvable = set()
        self.service = Environments(
            self,
            self,
            self,
            self,
            self,
            self.said.append,
            self.warned.extend,
            me=(user, f"run-{user}"),
            seconds=0.01,
        )

    # Shelf
    def lock(self, files):
        if files.name in self.unsolvable:
            raise EnvironmentFailed("nothing provides x")
        if self.solver:
            self.world.locks[files.digest] = f"key-{files.name}"
        key = self.world.locks.get(files.digest)
        return Locked(key, 57, 410_000_000) if key else Locked(None)

    def find(self, key):
        return self.world.built.get(key)

    def claim(self, files, key):
        return f"s3://b/builds/{key or files.digest}"

    # Claims
    def read(self, url):
        return self.world.claims.get(url)

    def write(self, url, claim, etag):
        held = self.world.claims.get(url)
        if (held.etag if held else None) != etag:
            return None
        self.world.etags += 1
        self.world.claims[url] = HeldClaim(claim, str(self.world.etags), 0.0)
        return str(self.world.etags)

    # Builder
    def prepare(self, files, key, url):
        now = datetime.datetime.now(datetime.UTC)
        name = f"{self.user}-{files.name}-{len(self.world.submitted)}"
        return Build(
            url, "x", PLANNED, History(), (), "s3://b/", now, name
        ), f"task of {files.name}"

    def submit(self, build, task):
        job_id = f"job-{len(self.world.submitted)}"
        self.world.submitted.append((self.user, build.name, task))
        self.world.jobs[job_id] = "RUNNING"
        return build, job_id

    def of_other(self, files, claim, url):
        return replace(self.prepare(files, None, url)[0], ours=False)

    def again(self, build, step):
        return replace(build, name=build.name + "-again", plan=step.plan)

    # Follower
    def job(self, claim):
        status = self.world.jobs.get(claim.job_id)
        return status and {"jobId": claim.job_id, "jobName": claim.job_name, "status": status}

    def add(self, job_id, build):
        self.followed[job_id] = build

    def poll(self):
        over = [i for i in self.followed if self.world.jobs[i] in ("SUCCEEDED", "FAILED")]
        return Poll([Ended(i, self.followed.pop(i), {"status": self.world.jobs[i]}) for i in over])

    def end(self, ended):
        return self.steps.pop(0) if ended.description["status"] == "FAILED" else None

    def tail(self, ended):
        return ["the last line"]

    def cancel(self, job_ids):
        self.cancelled += job_ids

    # Record
    def environment(self, state):
        self.recorded.append(state)

    # What a test does
    def want(self, *files):
        self.service.want(files)

    def waiting(self, *files):
        event = threading.Event()
        self.service.entries.when_over([each.digest for each in files], event.set)
        return event

    def stage(self, files):
        (state,) = [s for s in self.service.entries.states() if s.digest == files.digest]
        return state.stage


def until(reached):
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def ada(world):
    controller = Controller(world)
    yield controller
    controller.service.close()


@pytest.fixture
def bob(world):
    controller = Controller(world, "bob")
    yield controller
    controller.service.close()


def test_many_jobs_wait_for_one_build_and_a_later_run_finds_it(world, ada, bob):
    ada.want(A)
    ada.want(A, A)
    waiting = [ada.waiting(A) for _ in range(50)]
    until(lambda: ada.stage(A) is Stage.BUILDING)
    until(lambda: ada.recorded[-1].held == 50)
    assert not any(event.is_set() for event in waiting)
    assert not ada.service.entries.are_ready([A.digest])
    world.end("job-0", key="key-envs/a.yaml")
    assert all(event.wait(30) for event in waiting)
    assert ada.service.entries.ready([A.digest])[A.digest].packages == 5
    assert ada.waiting(A).is_set()
    assert ada.recorded[-1].held == 0
    assert ada.said[0] == (
        "Environment envs/a.yaml (57 packages, 410 MB): building it once, AWS Batch job job-0 on "
        "queue mixed."
    )
    assert ada.said[1].startswith("Environment envs/a.yaml (5 packages, 1 kB) was built in ")
    bob.want(A)
    assert bob.waiting(A).wait(30)
    assert bob.said == ["Environment envs/a.yaml (5 packages, 1 kB) is there."]
    assert len(world.submitted) == 1


def test_a_job_with_two_environments_waits_for_both(world, ada):
    ada.want(A, B)
    both, first = ada.waiting(B, A), ada.waiting(A)
    until(lambda: len(world.submitted) == 2)
    until(lambda: len(ada.followed) == 2)
    for number, (_, _, task) in enumerate(world.submitted):
        if task == "task of envs/a.yaml":
            world.end(f"job-{number}", key="key-envs/a.yaml")
    assert first.wait(30)
    assert not both.is_set()
    for number in range(2):
        world.end(f"job-{number}", key="key-envs/b.yaml")
    assert both.wait(30)


def test_another_run_follows_the_build_and_takes_over_when_that_dies(world, ada, bob):
    ada.want(A)
    until(lambda: ada.stage(A) is Stage.BUILDING)
    until(lambda: world.claims["s3://b/builds/key-envs/a.yaml"].claim.job_id)
    bob.want(A)
    until(lambda: bob.stage(A) is Stage.BUILDING)
    assert bob.said == [
        "Environment envs/a.yaml (57 packages, 410 MB): another run of ada is building it, AWS "
        "Batch job job-0 on queue mixed."
    ]
    waiting = bob.waiting(A)
    # Ada presses Ctrl-C, which ends her build.
    ada.service.stop()
    assert ada.cancelled == ["job-0"]
    world.end("job-0", "FAILED")
    until(lambda: len(world.submitted) == 2)
    assert world.submitted[1][0] == "bob"
    until(lambda: "job-1" in bob.followed)
    world.end("job-1", key="key-envs/a.yaml")
    assert waiting.wait(30)
    bob.service.stop()
    assert bob.cancelled == []


def test_a_build_of_a_dead_controller_is_followed(world, bob):
    claim = Claim("ada", "run-0", "spot", "ada-x", "job-dead")
    world.claims["s3://b/builds/key-envs/a.yaml"] = HeldClaim(claim, "7", 9e9)
    world.jobs["job-dead"] = "RUNNING"
    bob.want(A)
    waiting = bob.waiting(A)
    until(lambda: "job-dead" in bob.followed)
    world.end("job-dead", key="key-envs/a.yaml")
    assert waiting.wait(30)
    assert world.submitted == []


def test_a_claim_whose_job_never_came_is_taken_over(world, bob):
    claim = Claim("ada", "run-0", "spot", "ada-x")
    world.claims["s3://b/builds/key-envs/a.yaml"] = HeldClaim(claim, "7", 9e9)
    bob.want(A)
    until(lambda: len(world.submitted) == 1)
    assert world.claims["s3://b/builds/key-envs/a.yaml"].claim.user == "bob"


def test_without_a_solver_the_job_locks_and_the_lock_is_read_afterwards(world):
    ada = Controller(world, solver=False)
    ada.want(A)
    waiting = ada.waiting(A)
    until(lambda: "job-0" in ada.followed)
    assert f"s3://b/builds/{A.digest}" in world.claims
    world.locks[A.digest] = "made-there"
    world.end("job-0", key="made-there")
    assert waiting.wait(30)
    assert ada.service.entries.ready([A.digest])[A.digest].key == "made-there"
    ada.service.close()


def test_a_failure_is_said_once_and_is_that_of_its_jobs_only(world, ada):
    ada.want(A, B)
    failing, other = [ada.waiting(A) for _ in range(3)], ada.waiting(B)
    until(lambda: len(ada.followed) == 2)
    jobs = {task: f"job-{n}" for n, (_, _, task) in enumerate(world.submitted)}
    ada.steps = [Failure(Cause.COMMAND, "its command ended with exit code 7")]
    world.end(jobs["task of envs/a.yaml"], "FAILED")
    assert all(event.wait(30) for event in failing)
    with pytest.raises(EnvironmentFailed, match=r"envs/a.yaml could not be had: .*exit code 7"):
        ada.service.entries.ready([A.digest])
    assert ada.waiting(A).is_set()  # also for jobs that come later
    assert not other.is_set()
    assert [line for line in ada.warned if "exit code 7" in line] == ada.warned[:1]
    assert ada.warned[1:] == ["    the last line"]
    world.end(jobs["task of envs/b.yaml"], key="key-envs/b.yaml")
    assert other.wait(30)


def test_a_build_that_lacks_memory_or_loses_its_host_is_sent_again_under_the_same_claim(world, ada):
    ada.want(A)
    waiting = ada.waiting(A)
    until(lambda: "job-0" in ada.followed)
    more = replace(PLANNED, memory=2 * PLANNED.memory)
    ada.steps = [Resubmit(more, History(submissions=2), "environment envs/a.yaml: more memory.")]
    world.end("job-0", "FAILED")
    until(lambda: "job-1" in ada.followed)
    assert "environment envs/a.yaml: more memory." in ada.said
    claim = world.claims["s3://b/builds/key-envs/a.yaml"].claim
    until(lambda: world.claims["s3://b/builds/key-envs/a.yaml"].claim.job_id == "job-1")
    assert claim.job_name.endswith("-again")
    world.end("job-1", key="key-envs/a.yaml")
    assert waiting.wait(30)


def test_a_build_that_another_run_has_taken_over_meanwhile_is_followed_not_sent_again(world, ada):
    ada.want(A)
    waiting = ada.waiting(A)
    until(lambda: "job-0" in ada.followed)
    until(lambda: world.claims["s3://b/builds/key-envs/a.yaml"].claim.job_id)
    ada.steps = [Resubmit(PLANNED, History(submissions=2), "environment envs/a.yaml: again.")]
    world.jobs["job-bob"] = "RUNNING"
    claim = Claim("bob", "run-bob", "spot", "bob-a", "job-bob")
    world.claims["s3://b/builds/key-envs/a.yaml"] = HeldClaim(claim, "9", 0.0)
    world.end("job-0", "FAILED")
    until(lambda: "job-bob" in ada.followed)
    world.end("job-bob", key="key-envs/a.yaml")
    assert waiting.wait(30)
    assert len(world.submitted) == 1


def test_builds_that_end_well_without_the_environment_are_not_repeated_for_ever(world, ada):
    ada.want(A)
    waiting = ada.waiting(A)
    for number in range(MOST_BUILDS):
        until(lambda: f"job-{number}" in ada.followed)  # noqa: B023
        world.end(f"job-{number}")
    assert waiting.wait(30)
    assert ada.stage(A) is Stage.FAILED
    assert len(world.submitted) == MOST_BUILDS


def test_ctrl_c_releases_no_job(world, ada):
    ada.want(A)
    waiting = ada.waiting(A)
    until(lambda: "job-0" in ada.followed)
    ada.service.stop()
    world.end("job-0", "FAILED")
    time.sleep(0.1)
    assert not waiting.is_set()
    assert ada.warned == []
