"""Where a job finds its files.

Of three folders only the container knows the path: the job's temporary directory; its working
directory, which stands for the folder in which Snakemake was started; and the root of its tree,
which holds what came from beside that folder, too. Tokens stand for them, which the supervisor
replaces.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..snakemake_types import File, Workflow
from ..supervisor import controller_folders, file_names, launch_folder
from .layout import Layout


@dataclass(frozen=True)
class Tokens:
    """Texts that no command holds by chance, for the job's temporary directory, its working
    directory and the root of its tree."""

    tmpdir: str
    workdir: str
    tree: str


def tokens(job_name: str) -> Tokens:
    digest = hashlib.sha256(job_name.encode()).hexdigest()[:16]
    return Tokens(*(f"/HUTCHBATCH-{name}-{digest}" for name in ("TMPDIR", "WORKDIR", "TREE")))


@dataclass(frozen=True)
class JobPaths:
    """Where a job finds files. ``work`` stands for its working directory, ``folders`` are the names
    of the launch folder, which that is there. ``others``: names of other folders and files here,
    and where the job has them."""

    work: str
    folders: tuple[str, ...]
    others: tuple[tuple[str, str], ...] = ()

    def path(self, file: File) -> str:
        """A file's path, relative to the working directory if it is in it."""
        name = str(file)
        inside = launch_folder.inside(name, self.folders)
        if not file_names.reaches_out(inside):
            return inside
        plain = getattr(getattr(file, "storage_object", None), "hutchbatch_plain_path", None)
        return str(plain()) if plain else name

    def in_text(self, text: str, files: Iterable[File] = ()) -> str:
        """A command with the paths of the job, where it has names of this machine."""
        for file in files:
            name, path = str(file), self.path(file)
            if path != name and launch_folder.inside(name, self.folders) == name:
                text = launch_folder.replaced(text, (name,), f"{self.work}/{path}")
        places = (*((name, self.work) for name in self.folders), *self.others)
        for name, place in sorted(places, key=lambda each: -len(each[0])):
            text = launch_folder.replaced(text, (name,), place)
        return text


def job_paths(layout: Layout, token: Tokens, cache: Mapping[str, str]) -> JobPaths:
    """``cache``: folders of Snakemake's source cache, and their places in the tree."""
    named = sorted((*layout.others, *cache.items()), key=lambda each: -len(each[0]))
    others = tuple(
        (name, token.tree if place == "." else f"{token.tree}/{place}") for name, place in named
    )
    return JobPaths(token.workdir, layout.launch, others)


def variables(layout: Layout, token: Tokens) -> dict[str, str]:
    """What Snakemake in a container must know of the folders here."""
    places = [
        (name, token.tree if place == "." else f"{token.tree}/{place}")
        for name, place in layout.others
    ]
    own = os.path.normpath(Path(layout.root, layout.directory))
    names = (own, *(name for name in layout.launch if name != own))
    return {
        controller_folders.LAUNCH: os.pathsep.join(names),
        controller_folders.WORK: token.workdir,
        controller_folders.TREE: token.tree,
        controller_folders.PLACES: json.dumps(places),
    }


def written_paths(workflow: Workflow) -> list[str]:
    """Absolute paths as people have written them, which name folders in other ways, too."""
    written = (os.environ.get("PWD"), workflow.overwrite_workdir, *workflow.included)
    return sorted({str(path) for path in written if path})
