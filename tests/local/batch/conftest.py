"""A small AWS on a clock that tests move by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from snakemake_executor_plugin_hutchbatch.local.batch import (
    BatchConfig,
    BatchService,
    ManualClock,
    SimulatedHost,
)

RESOURCES = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "1024"}]


@dataclass
class Cloud:
    """The service with a definition ``tool`` and short words for what tests do most."""

    service: BatchService
    clock: ManualClock
    host: SimulatedHost
    said: list[str]
    lines: list[tuple[str, str]]
    states: dict[str, list[str]] = field(default_factory=dict)

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self.service.call(operation, parameters)

    def define(
        self, name: str = "tool", more: dict[str, Any] | None = None, **container: Any
    ) -> str:
        properties = {"image": "busybox", "command": ["true"], "resourceRequirements": RESOURCES}
        made = self.call(
            "RegisterJobDefinition",
            jobDefinitionName=name,
            type="container",
            containerProperties={**properties, **container},
            **(more or {}),
        )
        return str(made["jobDefinitionArn"])

    def submit(self, name: str = "job", **more: Any) -> str:
        request = {"jobName": name, "jobQueue": "mixed", "jobDefinition": "tool", **more}
        return str(self.call("SubmitJob", **request)["jobId"])

    def array(self, size: int, **more: Any) -> str:
        return self.submit(arrayProperties={"size": size}, **more)

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("DescribeJobs", jobs=[job_id])["jobs"][0]
        return found

    def status(self, job_id: str) -> str:
        return str(self.job(job_id)["status"])

    def needs(self, vcpus: int = 1, memory: int = 1024, gpus: int = 0) -> dict[str, Any]:
        """``containerOverrides`` that ask for this much."""
        wanted = {"VCPU": vcpus, "MEMORY": memory, "GPU": gpus}
        return {
            "containerOverrides": {
                "resourceRequirements": [
                    {"type": kind, "value": str(n)} for kind, n in wanted.items() if n
                ]
            }
        }


Make = Callable[..., Cloud]


@pytest.fixture
def make_cloud() -> Iterator[Make]:
    made: list[Cloud] = []

    def make(
        config: BatchConfig | None = None, machine: tuple[int, int] = (4, 16384), **host: Any
    ) -> Cloud:
        clock = ManualClock()
        simulated = SimulatedHost(clock, **{"seconds": 10.0, **host})
        said: list[str] = []
        lines: list[tuple[str, str]] = []
        service = BatchService(
            config or BatchConfig(check_answers=True),
            simulated,
            lambda stream, line: lines.append((stream, line)),
            clock=clock,
            say=said.append,
            machine=machine,
        )
        service.start()
        aws = Cloud(service, clock, simulated, said, lines)
        service.watch(lambda job, state: aws.states.setdefault(job.id, []).append(state))
        aws.define()
        made.append(aws)
        return aws

    yield make
    for each in made:
        each.service.stop()


@pytest.fixture
def aws(make_cloud: Make) -> Cloud:
    return make_cloud()
