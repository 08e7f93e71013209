"""Inputs of a job, as they are now: gone, archived, or changed since it ran."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws import errors
from ..planning.snakemake_command import CONFIG
from ..record.reader import Reader
from ..record.schema import Job, Run
from ..storage.urls import split_url
from ..supervisor.taskspec import Input, TaskSpec
from ..text.units import counted
from .errors import RerunError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 16
#: Inputs that a sentence names.
EXAMPLES = 3
#: Seconds by which clocks may differ.
SLACK = 2.0


@dataclass(frozen=True)
class Found:
    """``changed``: when S3's object was written, in seconds since 1970, None if there is none."""

    input: Input
    changed: float | None


def look(s3: S3Client, inputs: Sequence[Input]) -> list[Found]:
    """Raises botocore's errors that are not about one object."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda each: Found(each, _changed(s3, each.url)), inputs))


def _changed(s3: S3Client, url: str) -> float | None:
    bucket, key = split_url(url)
    try:
        return s3.head_object(Bucket=bucket, Key=key)["LastModified"].timestamp()
    except ClientError as error:
        if errors.code(error) not in ("NoSuchKey", "404"):
            raise
    # A folder: whichever of its files was written last is too much to ask for.
    below = s3.list_objects_v2(Bucket=bucket, Prefix=key.rstrip("/") + "/", MaxKeys=1000)
    times = [each["LastModified"].timestamp() for each in below.get("Contents", ())]
    return max(times, default=None)


def check(
    found: Sequence[Found],
    task: TaskSpec,
    started: float | None,
    maker: Callable[[str], str | None],
) -> str | None:
    """A warning where inputs are newer than the job; ``started``: when it began; ``maker``: which
    job of the run made a URL. Raises ``RerunError`` where inputs are gone. Pure but for ``maker``.
    """
    gone = [each.input for each in found if each.changed is None]
    if any(each.path == CONFIG for each in gone):
        raise RerunError(
            "The configuration of the command line (--config, --configfile) may hold secrets, and "
            "was removed from S3 when the run ended: give it again, with --configfile FILE."
        )
    if gone:
        raise RerunError(_gone(gone, maker))
    own = {output.url for step in task.steps for output in step.outputs}
    newer = [
        each.input.path
        for each in found
        if started and each.changed and each.changed > started + SLACK and each.input.url not in own
    ]
    if not newer:
        return None
    what = "This input has" if len(newer) == 1 else f"{counted(len(newer), 'input')} have"
    return f"{what} changed since the job ran: {_named(newer)}. It is run with what is there now."


def _gone(gone: Sequence[Input], maker: Callable[[str], str | None]) -> str:
    names = [each.path for each in gone]
    made_by = {by for each in gone if (by := maker(each.url))}
    first = f"{counted(len(gone), 'input')} of this job {'is' if len(gone) == 1 else 'are'} gone"
    if not made_by:
        return (
            f"{first}: {', '.join(each.url for each in gone[:EXAMPLES])}. Put it back, and retry."
        )
    by = f"made by {', '.join(sorted(made_by)[:EXAMPLES])}"
    return (
        f"{first}: {_named(names)}, {by} and removed since, as temp() files are when no job needs "
        f"them any more. Make it again: snakemake --notemp {' '.join(names[:EXAMPLES])}, with your "
        "other arguments"
    )


def _named(names: Sequence[str]) -> str:
    more = len(names) - EXAMPLES
    return ", ".join(names[:EXAMPLES]) + (f" and {more:,} more" if more > 0 else "")


def maker_in(reader: Reader | None, run: Run | None) -> Callable[[str], str | None]:
    """Which job of a run made a URL, as the record has it."""

    def made_by(url: str) -> str | None:
        if reader is None or run is None:
            return None
        rows = reader.rows(Job, "run_id = ? AND instr(outputs, ?) LIMIT 20", run.run_id, url)
        return next((job.label for job in rows if url in job.outputs.splitlines()), None)

    return made_by
