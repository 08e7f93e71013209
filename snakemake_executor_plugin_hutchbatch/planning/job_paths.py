"""Where a job finds its files.

Only the container knows the paths of two folders: the job's temporary directory, and its working
directory, which takes the place of the folder in which Snakemake was started (the launch folder).
Commands contain tokens instead, which the supervisor replaces.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..snakemake_types import File, Workflow
from ..supervisor import file_names, launch_folder


@dataclass(frozen=True)
class Tokens:
    """Unmistakable placeholders for the job's temporary and working directories."""

    tmpdir: str
    workdir: str


def tokens(job_name: str) -> Tokens:
    digest = hashlib.sha256(job_name.encode()).hexdigest()[:16]
    return Tokens(f"/HUTCHBATCH-TMPDIR-{digest}", f"/HUTCHBATCH-WORKDIR-{digest}")


@dataclass(frozen=True)
class JobPaths:
    """Where a job finds files. ``work``: the token of its working directory; ``folders``: the names
    of the launch folder."""

    work: str
    folders: tuple[str, ...]

    def path(self, file: File) -> str:
        """A file's path, relative to the working directory if it is in it."""
        name = str(file)
        inside = launch_folder.inside(name, self.folders)
        if not file_names.reaches_out(inside):
            return inside
        plain = getattr(getattr(file, "storage_object", None), "hutchbatch_plain_path", None)
        return str(plain()) if plain else name

    def in_text(self, text: str, files: Iterable[File]) -> str:
        """A command with this machine's paths replaced by the job's."""
        for file in files:
            name, path = str(file), self.path(file)
            if path != name and launch_folder.inside(name, self.folders) == name:
                text = launch_folder.replaced(text, (name,), f"{self.work}/{path}")
        return launch_folder.replaced(text, self.folders, self.work)


def launch_folders(workflow: Workflow) -> tuple[str, ...]:
    """All names of the folder in which Snakemake was started that commands may use."""
    written = (os.environ.get("PWD"), workflow.overwrite_workdir, *workflow.included)
    return _folder_names(str(Path.cwd()), frozenset(map(str, filter(None, written))))


@functools.cache
def _folder_names(folder: str, written: frozenset[str]) -> tuple[str, ...]:
    return launch_folder.names(folder, written)
