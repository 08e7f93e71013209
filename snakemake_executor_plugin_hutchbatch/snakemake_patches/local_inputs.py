"""Local copies of small files in S3, for functions in a Snakefile that open them with ``open()``.

At submission a resource that reads an input is ``<TBD>``, because the input is only in S3. The same
happens to functions that open or glob a checkpoint's output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import cast

from snakemake.exceptions import InputFunctionException
from snakemake_interface_common.exceptions import WorkflowError

from ..planning.requirements import PlanError
from ..planning.snakemake_jobs import TO_BE_DETERMINED, members, s3_url
from ..snakemake_types import AnyJob, Checkpoint, CheckpointJob, File, Method, Rule, is_group
from . import local_files

#: Most bytes that are fetched for a function: lists and tables, not reads and genomes.
MAX_BYTES = 100_000_000
#: Of these nothing is reserved.
DISK = frozenset(("disk", "disk_mb", "disk_mib"))


#: Known only in the job, or other units of ``mem_mb`` and ``disk_mb``.
_DERIVED = ("tmpdir", "mem", "mem_mib", "disk", "disk_mib")

Get = Callable[..., CheckpointJob]


class TooLarge(Exception):
    """More than ``MAX_BYTES``; the message says how much."""


def bring(files: list[File]) -> list[str]:
    """Fetches those of Snakemake's files that are in S3; returns the names of new local files.

    Raises ``TooLarge`` before anything is fetched, ``WorkflowError`` if one cannot be fetched, and
    botocore's errors.
    """
    wanted = [file for file in files if s3_url(file)]
    new: list[str] = []
    size = 0
    for file in wanted:
        if not local_files.copies().is_here(str(file)):
            size += _size(file)
            new.append(str(file))
        if size > MAX_BYTES:
            raise TooLarge(f"more than {MAX_BYTES // 1_000_000} MB")
    for file in wanted:
        if local_files.stored(file):
            local_files.fetch(file)
    return new


def _size(file: File) -> int:
    found = local_files.stored(file)
    return found.size if found else 0


def remove(names: list[str]) -> None:
    """Removes copies that ``bring`` made."""
    for name in names:
        local_files.copies().discard(name)


def evaluate_resources(job: AnyJob) -> dict[str, str]:
    """Evaluates the resources of a job that read its inputs; returns URLs, by path, of the files
    that they may read.

    Raises ``PlanError`` if these cannot be read here, and botocore's errors.
    """
    read: dict[str, str] = {}
    for member in members(job):
        names = sorted(
            name
            for name, value in member.resources.items()
            if str(value) == TO_BE_DETERMINED and name not in _DERIVED
        )
        if names or member.rule.name in _threads_read:
            read.update({str(f): url for f in member.input if (url := s3_url(f))})
        if not names:
            continue
        what = f"{', '.join(names)} of rule {member.rule.name} is a function that reads its inputs"
        if is_group(job) and set(member.input) & {f for m in job.jobs for f in m.output}:
            if DISK.issuperset(names):
                continue  # Snakemake's own default is such a function
            raise PlanError(f"{what}, which are made in the same group: take it out of the group")
        with _here(list(member.input), what):
            member._resources = None  # its own method only does this once
            if any(str(member.resources.get(name)) == TO_BE_DETERMINED for name in names):
                raise PlanError(f"{what} and could not be evaluated")
    if job.is_group():
        job._resources = None  # computed again from its members', which keep theirs
    return read


@contextmanager
def _here(files: list[File], what: str) -> Iterator[None]:
    try:
        brought = bring(files)
    except TooLarge as error:
        raise PlanError(
            f"{what}, and they are {error}: use input.size_mb, or write the number to a small file "
            "in a rule before"
        ) from error
    try:
        yield
    finally:
        remove(brought)


#: Rules whose ``threads`` reads an input.
_threads_read: set[str] = set()


def _expand_resources(plain: Method, rule: Rule, *args: object, **kwargs: object) -> object:
    """``Rule.expand_resources``, for functions that read inputs: if ``threads`` cannot be
    evaluated, the original ends the whole run."""
    files = list(cast(Iterable[File], args[1] if len(args) > 1 else kwargs["input"]))
    what = f"a resource of rule {rule.name} is a function that reads its inputs"
    try:
        return plain(rule, *args, **kwargs)
    except InputFunctionException:
        if not _could_be_here(files):
            raise
    except WorkflowError as error:
        if "Threads must be given as an int" not in str(error):
            raise
        what = f"threads of rule {rule.name} is a function that reads its inputs"
        _threads_read.add(rule.name)
    try:
        with _here(files, what):
            return plain(rule, *args, **kwargs)
    except PlanError as error:
        raise WorkflowError(str(error)) from None


def _could_be_here(files: list[File]) -> bool:
    """Whether some inputs are in S3, but not here."""
    return any(
        s3_url(file) and not local_files.copies().is_here(str(file)) and local_files.stored(file)
        for file in files
    )


class CheckpointOutputs:
    """Copies of checkpoints' outputs, as fresh as the run's knowledge of them.

    ``get`` replaces Snakemake's ``Checkpoint.get``, which input functions call.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._brought: dict[str, str] = {}
        self._warned: set[str] = set()

    def inputs(self) -> dict[str, str]:
        """URLs by path of what functions may open: Snakemake in a container calls them, too."""
        return dict(self._brought)

    def get(
        self, plain: Callable[..., CheckpointJob], checkpoint: Checkpoint, **wildcards: str
    ) -> CheckpointJob:
        """The result of ``plain``, with copies of the outputs here."""
        try:
            found = plain(checkpoint, **wildcards)
        except Exception:
            # Not made yet, or to be made again: copies from before must not be taken for it.
            if checkpoint.rule.wildcard_names <= wildcards.keys():
                for file in checkpoint.rule.expand_output(wildcards)[0]:
                    self._brought.pop(str(file), None)
            raise
        fresh = [f for f in found.output if s3_url(f) and str(f) not in self._brought]
        if fresh:
            remove([str(file) for file in fresh])
            try:
                bring(fresh)
                self._brought.update({str(file): s3_url(file) or "" for file in fresh})
            except TooLarge as error:
                self._tell(checkpoint.rule.name, error)
        return found

    def _tell(self, rule: str, error: TooLarge) -> None:
        if rule not in self._warned:
            self._warned.add(rule)
            self._warn(
                f"The output of checkpoint {rule} is {error} and stays in S3: functions can read "
                "it with `with checkpoints.….get().output[0].open() as file:`, not with open() or "
                "glob_wildcards()."
            )


_outputs: CheckpointOutputs | None = None


def begin(warn: Callable[[str], None]) -> None:
    """Starts a new run: no outputs of checkpoints have been read yet."""
    global _outputs  # noqa: PLW0603  one Snakemake a process
    _outputs = CheckpointOutputs(warn)


def checkpoint_get(plain: Get) -> Get:
    """Replaces ``Checkpoint.get``: functions can open what it answers."""

    def get(self: Checkpoint, **wildcards: str) -> CheckpointJob:
        assert _outputs is not None  # noqa: S101  begin() comes first
        return _outputs.get(plain, self, **wildcards)

    return get


def expand_resources(plain: Method) -> Method:
    """Replaces ``Rule.expand_resources``: ``threads`` may depend on inputs in S3."""

    def expand_resources(self: Rule, *args: object, **kwargs: object) -> object:
        return _expand_resources(plain, self, *args, **kwargs)

    return expand_resources


def checkpoint_inputs() -> dict[str, str]:
    """URLs by path of the checkpoints' outputs that functions have read so far."""
    return _outputs.inputs() if _outputs else {}
