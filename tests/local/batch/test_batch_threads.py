"""With a host that only blocks, as the one that runs processes does, and real time."""

from __future__ import annotations

import threading
import time

import pytest

from snakemake_executor_plugin_hutchbatch.local.batch import (
    BatchConfig,
    BatchService,
    SimulatedHost,
    ThreadTimers,
)
from snakemake_executor_plugin_hutchbatch.local.hosts.host import Exit

CONTAINER = {
    "image": "busybox",
    "command": ["true"],
    "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "4"}],
}


class Container:
    """Runs until it is told to end."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.how = Exit(0)
        self.asked: list[str] = []

    def finish(self, how: Exit) -> None:
        self.how = how
        self.over.set()

    def terminate(self, grace: float = 30.0) -> None:
        self.asked.append("terminate")
        self.finish(Exit(143))

    def kill(self) -> None:
        self.asked.append("kill")
        self.finish(Exit(137))

    def wait(self) -> Exit:
        self.over.wait()
        return self.how


class BlockingHost:
    def __init__(self) -> None:
        self.containers: list[Container] = []
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False

    def start(self, launch, output):
        self.gate.wait()
        if self.broken:
            raise OSError("no space left on device")
        output(f"attempt {launch.attempt}")
        self.containers.append(Container())
        return self.containers[-1]


class Watched:
    """A service that can be waited for, state by state."""

    def __init__(self, config: BatchConfig | None = None) -> None:
        self.host = BlockingHost()
        self.lines: list[str] = []
        self.changed = threading.Condition()
        self.seen: list[tuple[str, str]] = []
        self.service = BatchService(
            config or BatchConfig(), self.host, lambda _, line: self.lines.append(line)
        )
        self.service.start()
        self.service.watch(self.note)
        request = {"jobDefinitionName": "d", "type": "container", "containerProperties": CONTAINER}
        self.service.call("RegisterJobDefinition", request)

    def note(self, job, state):
        with self.changed:
            self.seen.append((job.id, state))
            self.changed.notify_all()

    def until(self, job, state):
        with self.changed:
            assert self.changed.wait_for(lambda: (job, state) in self.seen, 20), self.seen

    def submit(self, **more):
        request = {"jobName": "j", "jobQueue": "mixed", "jobDefinition": "d", **more}
        return self.service.call("SubmitJob", request)["jobId"]

    def job(self, job):
        return self.service.call("DescribeJobs", {"jobs": [job]})["jobs"][0]


@pytest.fixture
def watched():
    made = Watched()
    yield made
    made.host.gate.set()
    made.service.stop()


def test_a_job_runs_in_its_own_thread(watched):
    job = watched.submit()
    watched.until(job, "RUNNING")
    watched.host.containers[0].finish(Exit(0))
    watched.until(job, "SUCCEEDED")
    assert watched.lines == ["attempt 1"]


def test_a_lost_host_is_killed_and_the_job_tried_again(watched):
    watched.service.fault({"kind": "lose_host", "times": 1})
    job = watched.submit(retryStrategy={"attempts": 2})
    watched.until(job, "RUNNING")
    watched.until(job, "STARTING")
    watched.host.containers[0].over.wait(20)
    assert watched.host.containers[0].asked == ["kill"]
    with watched.changed:
        assert watched.changed.wait_for(lambda: watched.seen.count((job, "RUNNING")) == 2, 20)
    watched.host.containers[1].finish(Exit(0))
    watched.until(job, "SUCCEEDED")
    assert watched.lines == ["attempt 1", "attempt 2"]


def test_a_job_terminated_while_its_host_starts_it_is_stopped_then(watched):
    watched.host.gate.clear()
    job = watched.submit()
    watched.until(job, "STARTING")
    watched.service.call("TerminateJob", {"jobId": job, "reason": "enough"})
    watched.host.gate.set()
    watched.until(job, "FAILED")
    assert watched.host.containers[0].asked == ["terminate"]
    assert watched.job(job)["statusReason"] == "enough"


def test_a_broken_host_fails_the_job_and_not_the_service(watched):
    watched.host.broken = True
    job = watched.submit()
    watched.until(job, "FAILED")
    assert "no space left" in watched.job(job)["container"]["reason"]
    watched.host.broken = False
    watched.until(watched.submit(), "RUNNING")


def test_stop_kills_everything_and_waits_for_it(watched):
    jobs = [watched.submit() for _ in range(2)]
    for job in jobs:
        watched.until(job, "RUNNING")
    watched.service.stop()
    assert all(each.over.is_set() for each in watched.host.containers)
    assert {watched.job(job)["status"] for job in jobs} == {"FAILED"}


def test_many_short_jobs_leave_nothing_behind():
    watched = Watched()

    class Instant(BlockingHost):
        def start(self, launch, output):
            container = Container()
            container.finish(Exit(0))
            return container

    watched.service = BatchService(BatchConfig(), Instant(), lambda *_: None, machine=(8, 65536))
    watched.service.watch(watched.note)
    request = {"jobDefinitionName": "d", "type": "container", "containerProperties": CONTAINER}
    watched.service.call("RegisterJobDefinition", request)
    array = watched.submit(arrayProperties={"size": 200})
    watched.until(array, "SUCCEEDED")
    environments = watched.service.call("DescribeComputeEnvironments", {})["computeEnvironments"]
    assert {each["computeResources"]["desiredvCpus"] for each in environments} == {0}
    watched.service.stop()


def test_a_simulated_job_without_duration_still_starts_before_it_ends():
    timers = ThreadTimers(time.time)
    service = BatchService(
        BatchConfig(), SimulatedHost(timers, 0.0), lambda *_: None, machine=(8, 65536)
    )
    watched = Watched()
    watched.service = service
    service.watch(watched.note)
    request = {"jobDefinitionName": "d", "type": "container", "containerProperties": CONTAINER}
    service.call("RegisterJobDefinition", request)
    array = watched.submit(arrayProperties={"size": 300})
    watched.until(array, "SUCCEEDED")
    started = [watched.job(f"{array}:{n}").get("startedAt") for n in range(300)]
    assert None not in started
    service.stop()
    timers.stop()


def test_a_host_that_fails_to_stop_a_job_is_said_and_harms_nobody(watched):
    class Unstoppable(Container):
        def terminate(self, grace: float = 30.0) -> None:
            raise ProcessLookupError("gone")

    said = []
    container = Unstoppable()
    watched.host.start = lambda launch, output: container
    service = BatchService(BatchConfig(), watched.host, lambda *_: None, say=said.append)
    watched.service = service
    service.watch(watched.note)
    request = {"jobDefinitionName": "d", "type": "container", "containerProperties": CONTAINER}
    service.call("RegisterJobDefinition", request)
    job = watched.submit()
    watched.until(job, "RUNNING")
    service.call("TerminateJob", {"jobId": job, "reason": "enough"})
    assert [line.splitlines()[0] for line in said] == ["Batch endpoint: ProcessLookupError('gone')"]
    container.finish(Exit(1))
    watched.until(job, "FAILED")
    service.stop()
