"""Where a script's text comes from, and where it and what is beside it are in the job.

A local script keeps its place: the workflow's code is in the job's working directory. One from
elsewhere (a wrapper, a module on GitHub, a folder outside of the launch folder) gets a folder of
its own there, with the files beside it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from snakemake import wrapper
from snakemake.exceptions import WorkflowError
from snakemake.script import get_source
from snakemake.sourcecache import (
    HostingProviderFile,
    LocalGitFile,
    LocalSourceFile,
    SourceCache,
    SourceFile,
)

from ..supervisor.taskspec import SCRIPT_WORKDIR
from . import frames

if TYPE_CHECKING:
    import git

#: Below the working directory: Snakemake's own folder for scripts, and ours beside it.
SCRIPTS = ".snakemake/scripts"
BROUGHT = ".snakemake/hutchbatch/scripts"
#: Bytes of one file, and of all, that come with a script from elsewhere.
MAX_FILE, MAX_ALL = 2_000_000, 10_000_000
_NOT_CODE = frozenset(("__pycache__", "test", "tests", "node_modules"))


@dataclass(frozen=True)
class File:
    """``size`` in bytes."""

    size: int
    read: Callable[[], bytes]


Files = Mapping[str, File]


@dataclass(frozen=True)
class Source:
    """``path`` and ``scriptdir``: in the job; ``beside``: files of the script's folder by their
    path in it; ``brought``: those that must come along, by path below the working directory;
    ``searchpaths``: where Python looks for modules; ``shell_exec``: the rule's resource."""

    filename: str
    text: str
    language: str
    path: str
    scriptdir: str
    searchpaths: tuple[str, ...] = ()
    beside: Files = field(default_factory=dict)
    brought: Mapping[str, bytes] = field(default_factory=dict)
    shell_exec: str | None = None

    def written_at(self, job: str) -> str:
        """Where the file of a job is written, below the working directory: named by Snakemake's
        pattern, with a name that ``job`` alone makes."""
        digest = hashlib.sha256(job.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{SCRIPTS}/tmp{digest[:8]}.{self.filename}"  # noqa: S108  a name, not a folder


def wrapper_script(path: object, cache: SourceCache, prefix: str | None) -> SourceFile:
    """Raises ``WorkflowError`` where there is no such wrapper."""
    found = wrapper.get_script(path, cache, prefix=prefix)
    if isinstance(found, SourceFile):
        return found
    tried = "; ".join(f"{name}: {error}" for name, error in found.items())
    raise WorkflowError(f"there is no wrapper {path} ({tried})")


def resolve(
    path: object,
    basedir: object,
    cache: SourceCache,
    inside: Callable[[str], str | None],
    shipped: set[str],
    sent: tuple[str, ...] = (),
) -> Source:
    """``inside``: a path of this machine relative to the launch folder, None outside of it;
    ``shipped``: the workflow's files that the job has, so named; ``sent``: folders of sources that
    another machine has fetched, with what is beside them. Raises ``WorkflowError``, and what
    Snakemake's source cache raises."""
    found, text, language, _, cached = get_source(path, cache, basedir)
    if language is None:
        raise WorkflowError(f"{found.get_filename()} is in no language that Snakemake knows")
    name = found.get_filename()
    if any(Path(cached).is_relative_to(folder) for folder in sent):
        beside: Files = _in_folder(Path(cached).parent, name, deep=True)
    else:
        beside = _beside(found)
    place = _place(found, inside)
    if place is not None:
        folder = _join(SCRIPT_WORKDIR, place) if place else SCRIPT_WORKDIR
        wanted = {_join(place, path): file for path, file in beside.items()}
        wanted[_join(place, name)] = File(0, Path(cached).read_bytes)
        brought = _bounded({path: file for path, file in wanted.items() if path not in shipped})
    else:
        held = {**_bounded(beside), name: Path(cached).read_bytes()}
        top = f"{BROUGHT}/{frames.name_of(held)}/{_folder_name(found)}"
        folder = f"{SCRIPT_WORKDIR}/{top}"
        brought = {f"{top}/{file}": content for file, content in held.items()}
    return Source(
        filename=name,
        text=text,
        language=language,
        path=f"{folder}/{name}",
        scriptdir=folder,
        searchpaths=(folder,),
        beside=beside,
        brought=brought,
    )


def _place(found: SourceFile, inside: Callable[[str], str | None]) -> str | None:
    """The script's folder below the launch folder; None for one from elsewhere."""
    if not isinstance(found, LocalSourceFile):
        return None
    place = inside(str(Path(found.path).absolute().parent))
    return None if place is None else place.removeprefix(".")


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _folder_name(found: SourceFile) -> str:
    path = str(getattr(found, "path", None) or found.get_path_or_uri(secret_free=True))
    return PurePosixPath(path).parent.name or "script"


def small_beside(found: SourceFile) -> dict[str, bytes]:
    """What comes along with a script from elsewhere, by path in its folder."""
    return _bounded(_beside(found))


def _beside(found: SourceFile) -> Files:
    """Files in a script's folder and below."""
    if isinstance(found, LocalSourceFile):
        top = Path(found.path).absolute().parent
        # A whole workflow is not what is beside a script.
        deep = top.resolve() != Path.cwd().resolve() and not (top / "Snakefile").exists()
        return _in_folder(top, found.get_filename(), deep)
    if isinstance(found, (HostingProviderFile, LocalGitFile)):
        return _in_repository(found)
    return {}  # from the web, where folders cannot be listed


def _in_folder(top: Path, own: str, deep: bool) -> Files:
    """``own``: the script itself; ``deep``: also folders in it."""
    files: dict[str, File] = {}
    for folder, folders, names in os.walk(top):
        folders[:] = [f for f in sorted(folders) if deep and _is_code(f)]
        for name in sorted(names):
            path = Path(folder, name)
            relative = path.relative_to(top).as_posix()
            if not name.startswith(".") and relative != own and path.is_file():
                files[relative] = File(path.stat().st_size, path.read_bytes)
    return files


def _is_code(folder: str) -> bool:
    return not folder.startswith(".") and folder not in _NOT_CODE


def _in_repository(found: SourceFile) -> Files:
    import git  # noqa: PLC0415 - it cannot be imported where there is no git program

    repo = git.Repo(found.repo_path) if isinstance(found, LocalGitFile) else found.hosted_repo.repo
    folder = str(PurePosixPath(found.path).parent).removeprefix(".")
    try:
        tree = repo.commit(found.ref).tree
        top = tree[folder] if folder else tree
    except (KeyError, ValueError, git.GitError):
        return {}
    files: dict[str, File] = {}
    for blob in top.traverse(
        predicate=lambda item, depth: item.type == "blob",
        prune=lambda item, depth: item.type == "tree" and not _is_code(item.name),
    ):
        relative = os.path.relpath(blob.path, folder or ".")
        if blob.path != found.path and not blob.name.startswith("."):
            files[relative] = File(blob.size, _reader(blob))
    return files


def _reader(blob: git.Blob) -> Callable[[], bytes]:
    return lambda: bytes(blob.data_stream.read())


def _bounded(files: Files) -> dict[str, bytes]:
    """Contents, as far as they are small: data beside a script is no part of it."""
    kept: dict[str, bytes] = {}
    room = MAX_ALL
    for name, file in files.items():
        if file.size <= min(MAX_FILE, room):
            kept[name] = file.read()
            room -= file.size
    return kept
