"""The workflow's code, packed and put into S3 where every job of the run finds it.

Snakemake names its archive by its content and deletes it when
a run ends, under a second run's feet; without git it lacks files beside the Snakefile; a tracked
name that is not ASCII, or whose file is gone, ends the run. Ours is named by its content too, lies
below the work prefix (whose own clean-up takes it), holds what lies beside the code as well, and
what does not fit is named in one warning.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_interface_common.exceptions import WorkflowError

from ..aws.retry import Retrier
from ..snakemake_types import Workflow
from ..storage.run_layout import WorkLayout
from ..storage.urls import split_url
from ..supervisor.taskspec import Sources
from . import snakemake_command

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Snakemake's own limit for one file of the sources, in bytes.
MAX_FILE = 10_000_000
#: How much is sent of what lies next to the code: files, and bytes in all.
MAX_EXTRA_FILES = 2_000
MAX_EXTRA_BYTES = 50_000_000

#: Folders of Snakemake's recommended layout, and their older forms beside a Snakefile.
CODE_FOLDERS = (
    *("workflow", "config", "scripts", "rules", "envs", "lib", "resources", "schemas"),
    *("notebooks", "report", "profiles"),
)
#: 2000-01-01, so that equal contents give equal archives.
FIXED_TIME = 946_684_800


@dataclass(frozen=True)
class Selection:
    """Relative paths to pack, and those left out with the reason."""

    files: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


def beside(root: Path) -> Iterator[str]:
    """Files directly in ``root`` and those in its code folders, hidden ones not."""
    for entry in sorted(root.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_file():
            yield entry.name
        elif entry.is_dir() and not entry.is_symlink() and _is_code(entry):
            yield from _below(root, entry.name)


def _beside_snakefiles(root: Path, workflow: Workflow) -> Iterator[str]:
    """Files in the folders of included Snakefiles and modules."""
    folders = {os.path.relpath(Path(str(path)).parent, root) for path in workflow.included}
    for folder in sorted(folders - {"."}):
        if not folder.startswith("..") and (root / folder).is_dir():
            yield from _below(root, folder)


def _is_code(folder: Path) -> bool:
    """A folder of the usual layout, or a Python package."""
    return folder.name in CODE_FOLDERS or (folder / "__init__.py").is_file()


def _below(root: Path, top: str) -> Iterator[str]:
    """Files in a folder and its folders, hidden ones not, relative to ``root``."""
    for folder, folders, names in os.walk(root / top):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__pycache__")
        for name in sorted(names):
            if not name.startswith("."):
                yield os.path.relpath(Path(folder) / name, root)


def select(root: Path, known: Iterable[str], extra: Iterable[str]) -> Selection:
    """What to pack of ``known`` (what Snakemake names) and ``extra`` (what lies beside it)."""
    files: dict[str, None] = {}
    left_out: dict[str, str] = {}
    for name in sorted(set(known)):
        path = root / name
        if name.startswith("..") or Path(name).is_absolute():
            left_out[name] = "outside the working directory"
        elif not path.is_file():
            continue  # deleted but still tracked, or a name that git quoted: found by `extra`
        elif path.stat().st_size > MAX_FILE:
            left_out[name] = "over 10 MB"
        else:
            files[name] = None
    room, count = MAX_EXTRA_BYTES, MAX_EXTRA_FILES
    for name in extra:
        size = (root / name).stat().st_size if (root / name).is_file() else None
        if name in files or name in left_out or size is None:
            continue
        if size > MAX_FILE:
            left_out[name] = "over 10 MB"
        elif size > room or count == 0:
            left_out[name] = "over the limit of 50 MB or 2,000 files next to the code"
        else:
            files[name] = None
            room, count = room - size, count - 1
    return Selection(tuple(sorted(files)), tuple(left_out.items()))


def pack(root: Path, files: Iterable[str]) -> bytes:
    """A ``.tar.xz`` that depends on names, contents and permissions only."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=1) as archive:
        for name in files:
            member = archive.gettarinfo(root / name, arcname=name)
            member.mtime = FIXED_TIME
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            if member.isfile():
                with (root / name).open("rb") as content:
                    archive.addfile(member, content)
            else:
                archive.addfile(member)
    return buffer.getvalue()


def _known(workflow: Workflow) -> Iterable[str]:
    """What Snakemake itself would ship; where it fails (no git on this machine, a repository it
    may not read), at least the Snakefiles and config files."""
    try:
        return list(workflow.dag.get_sources())
    except (OSError, WorkflowError):
        named = [*map(str, workflow.included), *map(str, workflow.configfiles)]
        return [os.path.relpath(name) for name in named if Path(name).exists()]


def _tracked(root: Path) -> list[str]:
    """What git tracks below ``root``, names as they are; empty without git."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z", "."], cwd=root, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


def warning(left_out: Iterable[tuple[str, str]]) -> str | None:
    """One sentence about the files that jobs will not have; None if there are none."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in left_out:
        by_reason.setdefault(reason, []).append(name)
    if not by_reason:
        return None
    parts = []
    for reason, names in by_reason.items():
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        parts.append(f"{shown} ({reason})")
    return (
        f"These files are not sent with the workflow's code: {'; '.join(parts)}. "
        "A job that needs one of them must list it under input:."
    )


def upload(
    workflow: Workflow,
    s3: S3Client,
    work_prefix: str,
    retrier: Retrier,
    warn: Callable[[str], None],
) -> tuple[Sources, dict[str, str]]:
    """Packs the workflow's sources and stores them; also returns the SHA-256 of each file by name.

    Raises botocore's errors.
    """
    root = Path.cwd()
    wrappers = [
        name
        for folder in snakemake_command.wrapper_folders(workflow)
        for name in _below(root, folder)
    ]
    known = [*_known(workflow), *wrappers]
    selection = select(
        root, known, [*_tracked(root), *beside(root), *_beside_snakefiles(root, workflow)]
    )
    told = warning(selection.left_out)
    if told:
        warn(told)
    content = pack(root, selection.files)
    digest = hashlib.sha256(content).hexdigest()
    url = WorkLayout(work_prefix).sources(digest)
    put(s3, url, content, "storing the workflow's code", retrier)
    digests = {n: hashlib.sha256((root / n).read_bytes()).hexdigest() for n in selection.files}
    return Sources(url=url, sha256=digest), digests


def put(s3: S3Client, url: str, content: bytes, what: str, retrier: Retrier) -> datetime.datetime:
    """Stores one small object; returns the time of S3's own clock, to which times of objects
    compare. Raises botocore's errors that do not pass."""
    bucket, key = split_url(url)
    answer = retrier.call(what, lambda: s3.put_object(Bucket=bucket, Key=key, Body=content))
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date) if date else datetime.datetime.now(datetime.UTC)
