"""The rule's promises about its files: folders before the command runs, checks after it."""

from __future__ import annotations

import hashlib
import os
from typing import Iterable, List

from .errors import Failure, LocalError
from .removal import remove_tree
from .taskspec import EXIT_MISSING_OUTPUT, Output, Step


def make_folders(steps: Iterable[Step], work: str) -> None:
    """The parent folders of outputs, logs and benchmarks, and log-free ground, as Snakemake makes
    them; a directory output gets itself only its parent. A file of an output's name that came with
    the workflow's code goes first: it is no result."""
    try:
        for step in steps:
            paths = [output.path for output in step.outputs] + [log.path for log in step.logs]
            paths += step.serves
            if step.benchmark:
                paths.append(step.benchmark.path)
            updated = {output.path for output in step.outputs if output.update}
            for path in paths:
                if path not in updated:
                    remove_tree(os.path.join(work, path))
                os.makedirs(os.path.dirname(os.path.join(work, path)) or ".", exist_ok=True)
    except OSError as error:
        raise LocalError(error, error.filename or work) from error


def check(step: Step, work: str) -> None:
    """Touches what is to be touched; raises ``Failure`` naming every output that is not as the rule
    says."""
    problems: List[str] = []
    for output in step.outputs:
        path = os.path.join(work, output.path)
        if output.touch and not os.path.lexists(path):
            touch(path, output.directory)
        problem = _problem(output, path)
        if problem:
            problems.append(f"{output.path} {problem}")
        elif output.touch:
            os.utime(path)
    if problems:
        shown = "; ".join(problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise Failure(
            EXIT_MISSING_OUTPUT,
            "MISSING_OUTPUT",
            f"the command of rule {step.name} ended well, but {shown}{more}. Compare the rule's "
            "output with what its command makes.",
            step.name,
        )


def _problem(output: Output, path: str) -> str:
    if not os.path.exists(path):
        return "is a link to nothing" if os.path.islink(path) else "is missing"
    if os.path.isdir(path) != output.directory:
        return (
            "is a file, not a directory"
            if output.directory
            else "is a directory: declare it as directory()"
        )
    if output.directory:
        return ""
    if not os.path.isfile(path):
        return "is not a regular file"
    if output.non_empty and os.path.getsize(path) == 0:
        return "is empty"
    if output.checksum:
        algorithm, _, expected = output.checksum.partition(":")
        try:
            digest = hashlib.new(algorithm)
        except ValueError:
            return f"has a checksum of an unknown kind, {algorithm}"
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(1024 * 1024), b""):
                digest.update(chunk)
        if digest.hexdigest().lower() != expected.lower():
            return f"has the {algorithm} checksum {digest.hexdigest()}, not {expected}"
    return ""


def touch(path: str, directory: bool) -> None:
    try:
        if directory:
            os.makedirs(path)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
    except OSError as error:
        raise LocalError(error, path) from error
