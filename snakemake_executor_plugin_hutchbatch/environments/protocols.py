"""What the environments of a run need: S3's shelf, who builds, who follows, who writes it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..aws.batch_calls import BatchJob
from ..planning.conda_specs import CondaSpec
from ..settlement.failure_cause import Failure
from ..settlement.retry_policy import Resubmit
from ..supervisor.taskspec import TaskSpec
from ..tracking.news import Ended, Poll
from .build_job import Build
from .claims import Claim
from .found import BuiltEnvironment, EnvironmentState


@dataclass(frozen=True)
class Locked:
    """What is known of an environment before it is built. ``key`` None: its packages are chosen by
    the job that builds it."""

    key: str | None
    packages: int = 0
    size: int = 0


class Shelf(Protocol):
    """What S3 holds of locks and built environments. Methods raise botocore's errors that do not
    pass."""

    def lock(self, spec: CondaSpec) -> Locked:
        """Its lock: the one that is kept, else a new one. Raises ``EnvironmentFailed`` where there
        can be none."""

    def find(self, key: str) -> BuiltEnvironment | None:
        """The environment of that lock, if it is there as a whole; kept from expiring."""

    def claim(self, spec: CondaSpec, key: str | None) -> str:
        """The URL of the claim on building it."""


class Builder(Protocol):
    """What knows how environments are built."""

    def prepare(self, spec: CondaSpec, key: str | None, url: str) -> tuple[Build, TaskSpec]:
        """A build that is not submitted yet. Raises ``EnvironmentFailed`` and botocore's errors."""

    def submit(self, build: Build, task: TaskSpec) -> tuple[Build, str]:
        """The build as it was sent, and its job's id. Raises ``SubmissionError`` and botocore's
        errors."""

    def of_other(self, spec: CondaSpec, claim: Claim, url: str) -> Build:
        """A build of another run, to be followed."""

    def again(self, build: Build, step: Resubmit) -> Build:
        """The same build, to be submitted once more."""


class Follower(Protocol):
    """What Batch says about builds. Nothing but ``job`` raises."""

    def job(self, claim: Claim) -> BatchJob | None:
        """The job of a claim; None if Batch knows none. Raises botocore's errors."""

    def add(self, job_id: str, build: Build) -> None:
        """Follows a job from now on."""

    def poll(self) -> Poll[Build]:
        """What happened since the last poll."""

    def end(self, ended: Ended[Build]) -> Failure | Resubmit | None:
        """How a build of ours ended: None for a success."""

    def tail(self, ended: Ended[Build]) -> Sequence[str]:
        """The last lines of its output."""

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Ends jobs."""


class Record(Protocol):
    """Where states are written down."""

    def environment(self, state: EnvironmentState) -> None:
        """The state of one environment is new."""
