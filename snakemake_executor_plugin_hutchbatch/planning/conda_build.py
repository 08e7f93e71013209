"""The job that builds a conda environment: its task, and what it asks of AWS Batch. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..software.conda import builder_pack
from ..software.conda.builder import order
from ..software.conda.builder.order import Order
from ..software.conda.lock import Lock
from ..storage.run_layout import WorkLayout
from ..supervisor import tools
from ..supervisor.problems import Cause, Problem
from ..supervisor.taskspec import EXIT_NO_BUILDER, Packages, Step, TaskSpec
from . import image_python
from .requirements import DEFAULT_MIB_PER_VCPU, Request

#: Packages are unpacked, and parts packed, on all vCPUs: two build in little more than half the
#: time of one, and more would wait for the disk.
VCPUS = 2
#: MiB. Conda packages need little (330 MiB at most for 370 MB of them, measured); what pip or a
#: post-deploy script compiles has the rest. One that needs more is started again with more.
MEMORY = VCPUS * DEFAULT_MIB_PER_VCPU
#: Seconds. Hours for what a post-deploy script may compile or download; not for ever.
TIMEOUT = 6 * 3600

_REFUSED = """\
echo "hutchbatch: this image has $found, and Python 3.10 or newer on glibc is needed." >&2
printf '{{"exit_code":{code},"cause":"{cause}","problem":"{problem}","facts":{{"words":"%s"}}}}' \
"$found" > "${report}"
exit {code}
"""


def command() -> str:
    """For bash: finds a Python of the image, and becomes the builder."""
    found = image_python.become(
        builder_pack.MODULE, "python3 python", "sys.version_info >= (3, 10)"
    )
    return found + _REFUSED.format(
        report=tools.REPORT,
        code=EXIT_NO_BUILDER,
        cause=Cause.IMAGE.value,
        problem=Problem.CONDA_PYTHON.value,
    )


@dataclass(frozen=True)
class Pinned:
    """An object by its URL and its content."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Unsolved:
    """An environment whose packages the building job has to choose. ``name``: what the user calls
    it; ``description``: the object that says what is known of it (``conda/description.py``).
    ``update``: it is solved although there is a lock, which is replaced."""

    name: str
    description: Pinned
    update: bool = False


def task(
    wanted: Lock | Unsolved,
    lock_digest: str,
    layout: WorkLayout,
    brought: Packages,
    status: str,
    scratch: str,
    access: Pinned | None = None,
) -> TaskSpec:
    """The task of the job that builds an environment, and makes its lock where there is none.

    ``lock_digest``: names the lock in S3; ``brought``: the archive (``builder_pack``); ``status``:
    URL prefix of statuses; ``scratch``: the container path of the scratch disk; ``access``: the
    private object that says how its channels are reached, if they need more than their address.
    """
    lock_url = layout.conda_lock(lock_digest)
    made = Order(
        name=wanted.name,
        lock=lock_url,
        packages=layout.conda_packages,
        environments=layout.conda_environments,
        scratch=scratch,
        cpus=VCPUS,
        access=access.url if access else None,
        access_sha256=access.sha256 if access else None,
    )
    if isinstance(wanted, Unsolved):
        what = wanted.description
        made = replace(
            made, description=what.url, description_sha256=what.sha256, update=wanted.update
        )
        name, makes = f"conda-{lock_digest}", lock_url
    else:
        made = replace(made, key=wanted.key)
        name, makes = f"conda-{wanted.key}", layout.conda_manifest(wanted.key)
    step = Step(
        name=f"conda environment {wanted.name}",
        command=command(),
        threads=VCPUS,
        environment={order.VARIABLE: order.dumps(made)},
    )
    return TaskSpec(
        name=name,
        status=status,
        steps=(step,),
        scratch=scratch,
        cpus=VCPUS,
        makes=(makes,),
        tools=brought,
    )


def request() -> Request:
    """What it asks of AWS Batch."""
    return Request(VCPUS, MEMORY, 0, TIMEOUT)
