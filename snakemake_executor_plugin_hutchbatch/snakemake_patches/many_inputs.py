"""A local job with many inputs, such as that of a rule ``all``, is prepared in linear time.

Snakemake asks of each input which of the job's dependencies makes it, to know whether that is a
pipe or a service, and looks through them one after the other (``jobs.py``,
``is_pipe_or_service_input``): twenty seconds for 20,000 inputs of 20,000 jobs, ten minutes for
100,000. Dependencies do not change while a job is prepared, so they are looked through once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from ..snakemake_types import File, Job

#: Inputs that are pipes or services, by the job that is being prepared.
_prepared: dict[Job, frozenset[File]] = {}


def prepare(plain: Callable[[Job], Awaitable[None]]) -> Callable[[Job], Awaitable[None]]:
    """Replaces ``Job.prepare``."""

    async def prepare(self: Job) -> None:
        _prepared[self] = pipes_and_services(self)
        try:
            await plain(self)
        finally:
            _prepared.pop(self, None)

    return prepare


class Question(Protocol):
    """Whether an input is a pipe or a service."""

    def __call__(self, job: Job, path: File, /) -> bool: ...


def is_pipe_or_service_input(plain: Question) -> Question:
    """Replaces ``Job.is_pipe_or_service_input``."""

    def is_pipe_or_service_input(self: Job, path: File) -> bool:
        known = _prepared.get(self)
        return plain(self, path) if known is None else path in known

    return is_pipe_or_service_input


def pipes_and_services(job: Job) -> frozenset[File]:
    """The inputs of a job that are pipes or services of the jobs which make them."""
    return frozenset(
        file
        for maker, files in job.dag.dependencies[job].items()
        if maker.pipe_or_service_output
        for file in files
        if file in maker.pipe_or_service_output
    )
