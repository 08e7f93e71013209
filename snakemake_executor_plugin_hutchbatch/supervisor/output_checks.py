"""Creates the folders of a rule's outputs before its command runs, and checks the outputs after."""

from __future__ import annotations

import hashlib
import os
from typing import Iterable, List, Optional

from .errors import Failure, LocalError
from .problems import Cause, Defect, Facts, Problem, Wrong
from .removal import remove_tree
from .taskspec import EXIT_MISSING_OUTPUT, Output, Step


def make_folders(steps: Iterable[Step], work: str) -> None:
    """Creates the parent folders of outputs, logs and benchmarks, and removes old logs, as
    Snakemake does; of a directory output only the parent is created. Files that came with the
    workflow's code and have an output's name are removed: they are not results."""
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
    """Touches ``touch()`` outputs; raises ``Failure`` with every output that is not as the rule
    declares it."""
    wrong: List[Wrong] = []
    for output in step.outputs:
        path = os.path.join(work, output.path)
        if output.touch and not os.path.lexists(path):
            touch(path, output.directory)
        found = defect(output, path)
        if found:
            wrong.append(found)
        elif output.touch:
            os.utime(path)
    if wrong:
        raise refused(wrong, step.name, len(wrong))


def refused(wrong: List[Wrong], rule: str, count: int) -> Failure:
    """The task's failure if ``count`` outputs are not as their rule declares them."""
    facts = Facts(outputs=tuple(wrong[:5]), count=count)
    return Failure(EXIT_MISSING_OUTPUT, Cause.MISSING_OUTPUT, Problem.OUTPUTS, facts, rule)


def defect(output: Output, path: str) -> Optional[Wrong]:
    """How the file at ``path`` differs from the rule's declaration; None if it does not."""
    found = None
    if not os.path.exists(path):
        found = Defect.DANGLING if os.path.islink(path) else Defect.MISSING
    elif os.path.isdir(path) != output.directory:
        found = Defect.A_FILE if output.directory else Defect.A_DIRECTORY
    elif output.directory:
        return None
    elif not os.path.isfile(path):
        found = Defect.SPECIAL
    elif output.non_empty and os.path.getsize(path) == 0:
        found = Defect.EMPTY
    if found:
        return Wrong(output.path, found.value)
    if output.checksum:
        algorithm, _, expected = output.checksum.partition(":")
        try:
            digest = hashlib.new(algorithm)
        except ValueError:
            return Wrong(output.path, Defect.CHECKSUM_KIND.value, kind=algorithm)
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(1024 * 1024), b""):
                digest.update(chunk)
        got = digest.hexdigest()
        if got.lower() != expected.lower():
            return Wrong(output.path, Defect.CHECKSUM.value, algorithm, got, expected)
    return None


def touch(path: str, directory: bool) -> None:
    try:
        if directory:
            os.makedirs(path)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
    except OSError as error:
        raise LocalError(error, path) from error
