"""The job in which Snakemake itself runs: its task, and what it asks of AWS Batch. Pure."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..aws.lease_gate import EXIT_LOST
from ..software.controller_packages import OWN_FOLDER
from ..storage.run_layout import WorkLayout
from ..supervisor.taskspec import (
    EXIT_NO_SNAKEMAKE,
    EXIT_TERMINATED,
    Packages,
    Sources,
    Step,
    TaskSpec,
)
from . import image_python
from .requirements import Request

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import RetryStrategyTypeDef

#: The rule that tags and names of such jobs have in place of a rule's.
RULE = "snakemake"
VCPUS = 1
#: Only what runs on these processors comes along.
MACHINE = "x86_64"
#: MiB. Snakemake took 0.3 GiB for 10,000 jobs (measured), local rules have the rest.
MEMORY = 3000
#: How often AWS Batch starts it, its most
#: (https://docs.aws.amazon.com/batch/latest/APIReference/API_RetryStrategy.html).
ATTEMPTS = 10
#: What Python is given to run.
MODULE = "snakemake_executor_plugin_hutchbatch.controller"
#: Of a process that was killed, as every shell reports it.
_KILLED = 137

_REFUSED = """\
echo "hutchbatch: this image has $found, and Snakemake needs Python {python} on glibc." >&2
exit {code}
"""


def command(
    work_prefix: str,
    detached_id: str,
    sha256: str,
    python: str = "{}.{}".format(*sys.version_info[:2]),
) -> str:
    """For bash: becomes the program. ``sha256``: of the run's request."""
    return program([MODULE, work_prefix, detached_id, sha256], python)


def program(words: Sequence[str], python: str = "{}.{}".format(*sys.version_info[:2])) -> str:
    """For bash: finds a Python of the version whose packages come along, and becomes a module with
    its arguments."""
    return image_python.become(
        shlex.join(words),
        f"python{python} python3 python",
        f'"%d.%d" % sys.version_info[:2] == "{python}"',
        before=f"$PWD/{OWN_FOLDER}:",
    ) + _REFUSED.format(python=python, code=EXIT_NO_SNAKEMAKE)


def task(
    detached_id: str,
    sha256: str,
    work: WorkLayout,
    brought: Packages,
    own: Sources,
    scratch: str,
    cpus: int,
) -> TaskSpec:
    """``sha256``: of the run's request; ``brought``: the archive with Snakemake and what hutchbatch
    requires, ``own`` that of hutchbatch itself; ``scratch``: the container path of the scratch
    disk."""
    step = Step(name="snakemake", command=command(work.prefix, detached_id, sha256), threads=cpus)
    return TaskSpec(
        name=f"controller-{detached_id}",
        status=work.detached(detached_id).status,
        steps=(step,),
        sources=own,
        scratch=scratch,
        cpus=cpus,
        tools=brought,
    )


def request(memory: int | None) -> Request:
    """What it asks of AWS Batch; no time limit, since a run takes as long as it takes."""
    return Request(VCPUS, memory or MEMORY, 0, None)


def retry_strategy() -> RetryStrategyTypeDef:
    """AWS Batch starts it again when its host is lost, or it was killed or asked to end; also where
    it has lost its lease: it then waits, in case that the one that has it is lost in its turn. Not
    where Snakemake has ended. No match means retry: an attempt without an exit code was lost.
    https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html"""
    return {
        "attempts": ATTEMPTS,
        "evaluateOnExit": [
            {"onStatusReason": "Host EC2*", "action": "RETRY"},
            {"onExitCode": str(_KILLED), "action": "RETRY"},
            {"onExitCode": str(EXIT_TERMINATED), "action": "RETRY"},
            {"onExitCode": str(EXIT_LOST), "action": "RETRY"},
            {"onExitCode": "*", "action": "EXIT"},
        ],
    }
