"""What the facts about a job's scratch disk mean, and what to say of it. Pure.

The mount's root field is the folder's path within its file system. In the container of a job with
``-v /docker_scratch:/tmp`` it is ``/`` where a disk is mounted at ``/docker_scratch`` on the host,
and ``/docker_scratch`` where that is a folder of the root disk.
"""

from __future__ import annotations

from typing import Literal

from ..settings.values import Mount
from ..sites import site
from ..sites.assumption import scratch_of
from ..supervisor.errors import amount
from ..supervisor.scratch_disk import ScratchDisk

Verdict = Literal["own disk", "root disk", "unknown"]


def verdict(disk: ScratchDisk, source: str) -> Verdict:
    """Whether the scratch, the folder ``source`` of the host, has a disk of its own."""
    source, root = source.rstrip("/") or "/", disk.root
    if root is None:
        return "unknown"  # nothing is mounted: not in a container of AWS Batch
    if source in ("/", root):
        return "root disk"  # its file system is mounted at the host's root
    if root == "/" or source.endswith(root):
        return "own disk"  # mounted at the folder itself, or above it
    # A link, or a subvolume: the disk that Docker keeps its own files on is usually the root disk.
    return "root disk" if disk.with_docker else "unknown"


def of_size(disk: ScratchDisk) -> str:
    """``29.9 GB, 21.0 GB of it free``."""
    return f"{amount(disk.size)}, {amount(disk.free)} of it free"


def warning(disk: ScratchDisk, scratch: Mount) -> tuple[str, str] | None:
    """What is wrong with the scratch and what to do; None if nothing is known to be."""
    if verdict(disk, scratch.source) != "root disk":
        return None
    known = {each.name: scratch_of(each).source for each in site.shipped()}
    others = [
        f"{source}:{scratch.path}, as with --hutchbatch-site {name}"
        for name, source in known.items()
        if source != scratch.source.rstrip("/")
    ]
    return (
        f"The scratch of your jobs, {scratch.source} on Batch's machines, is a folder of the "
        f"machine's root disk ({of_size(disk)}), not a disk of its own, and jobs fail when that is "
        "full",
        "ask SciComp where the large disk is, and set --hutchbatch-scratch (at the Hutch it is "
        f"{' or '.join(others)}).",
    )
