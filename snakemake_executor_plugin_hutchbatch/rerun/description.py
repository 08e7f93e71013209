"""A job's description, as its container had it, and what it becomes where the job is run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import yaml
from botocore.exceptions import ClientError

from ..aws import errors
from ..planning import arrays
from ..storage import small_objects
from ..storage.urls import split_url
from ..supervisor import pinned
from ..supervisor.results_apart import place_of
from ..supervisor.taskspec import Input, Output, Step, TaskSpec, load_taskspec
from ..supervisor.typed_json import TaskSpecError
from .errors import RerunError
from .sent_job import SentJob

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Part of the URL of what is removed when its run ends (``storage.run_layout``).
_PRIVATE = "/private/"


def read(s3: S3Client, job: SentJob) -> TaskSpec:
    """The description that the job was pinned to. Raises ``RerunError``, and botocore's errors."""
    if not job.task_url or not job.task_sha256:
        raise RerunError(
            "It is not known what this job ran: AWS Batch has forgotten it, as it does some days "
            "after a job's end, and no record here has its description. Run Snakemake again."
            if not job.described
            else "This is no job of a workflow that hutchbatch sent."
        )
    try:
        content = _content(s3, job)
    except ClientError as error:
        if errors.code(error) not in ("NoSuchKey", "404"):
            raise
        raise RerunError(
            "Its description held a secret of the command line, and was removed when its run ended."
            if is_private(job)
            else f"Its description is gone: {job.task_url}, where your work prefix keeps it for as "
            "long as its bucket does."
        ) from error
    except ValueError as error:
        raise RerunError(f"{error}.") from error
    try:
        text = pinned.opened(content, job.task_sha256, job.index if job.size else None)
        return load_taskspec(text.rstrip(b" ").decode())
    except pinned.Changed:
        raise RerunError(
            f"Somebody has changed {job.task_url} since the job was submitted: it is not run."
        ) from None
    except (TaskSpecError, UnicodeDecodeError) as error:
        raise RerunError(
            f"Its description is of another version of hutchbatch ({error}): use that one."
        ) from error


def is_private(job: SentJob) -> bool:
    """Whether its description holds a secret of the command line."""
    return _PRIVATE in job.task_url


def _content(s3: S3Client, job: SentJob) -> bytes:
    """The object, or of an array's the job's own piece."""
    if not job.size:
        return small_objects.read(s3, job.task_url, pinned.MAX_BYTES)
    bucket, key = split_url(job.task_url)
    start = job.index * job.size
    asked = f"bytes={start}-{start + job.size - 1}"
    answer = s3.get_object(Bucket=bucket, Key=key, Range=asked)
    return small_objects.body(answer, job.task_url, arrays.MAX_BYTES)


def for_here(task: TaskSpec, scratch: str) -> TaskSpec:
    """The task for a folder on this machine: nothing is stored, and its inputs are its own.
    ``scratch``: where software is unpacked. Pure."""
    return replace(
        task,
        scratch=scratch,
        steps=tuple(map(_with_all_kept, task.steps)),
        inputs=tuple(replace(each, shared=False) for each in task.inputs),
        probes=(),
        store_below="" if task.snakemake else None,
    )


def _with_all_kept(step: Step) -> Step:
    """Without removing what only members of its group need: somebody may want to look at it."""
    return replace(step, drops=())


def on_batch(task: TaskSpec, below: str, status: str, name: str) -> TaskSpec:
    """The task for AWS Batch: what it makes is stored below the URL ``below``, its status at
    ``status``. No later run takes it for a job of the workflow. Pure."""
    return replace(
        task,
        name=name,
        status=status,
        listed=False,
        steps=tuple(_apart(step, below) for step in task.steps),
        identity=None,
        makes=(),
        store_below=below if task.snakemake else None,
    )


def _apart(step: Step, below: str) -> Step:
    benchmark = step.benchmark
    if benchmark is not None and benchmark.url:
        benchmark = replace(benchmark, url=place_of(benchmark.path, below))
    return replace(
        step,
        outputs=tuple(_output(each, below) for each in step.outputs),
        logs=tuple(
            replace(log, url=place_of(log.path, below) if log.url else None) for log in step.logs
        ),
        benchmark=benchmark,
    )


def _output(output: Output, below: str) -> Output:
    url = place_of(output.path, below) if output.url else None
    return replace(output, url=url, protected=False, temporary=False)


def with_config(task: TaskSpec, url: str) -> tuple[TaskSpec, Input | None]:
    """The task without the configuration of the command line, which is at ``url``; and that input,
    None where it has none. Pure."""
    config = next((each for each in task.inputs if each.url == url), None)
    if config is None:
        return task, None
    return replace(task, inputs=tuple(each for each in task.inputs if each is not config)), config


def merged(texts: Sequence[str]) -> str:
    """One YAML text of several, a later one's values over those of earlier ones, as Snakemake does
    with several configuration files. Raises ``ValueError``."""
    whole: dict[object, object] = {}
    for text in texts:
        try:
            found = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from error
        if not isinstance(found, dict):
            raise ValueError("it is not a mapping of names to values")
        _update(whole, found)
    return yaml.safe_dump(whole, allow_unicode=True)


def _update(whole: dict[object, object], more: Mapping[object, object]) -> None:
    for name, value in more.items():
        there = whole.get(name)
        if isinstance(there, dict) and isinstance(value, dict):
            _update(there, value)
        else:
            whole[name] = value
