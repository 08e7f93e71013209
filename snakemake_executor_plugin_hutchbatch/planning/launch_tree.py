"""What a Snakemake elsewhere needs of this machine's files: the workflow's code, profiles and
configuration, and what its Snakefiles read; packed in one archive."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ..snakemake_types import Workflow
from ..software import source
from ..supervisor import listed_files, shipped_code
from . import code_files, job_paths, listed_folders, opened_files, used_sources, workflow_code
from .layout import Layout, canonical, layout

#: The files of a profile that Snakemake reads.
_OF_PROFILES = (".yaml", ".yml")


@dataclass(frozen=True)
class Tree:
    """``directory``: the folder in which Snakemake is started, in the archive; ``files``: by their
    place in it. ``warning``: what does not travel though the workflow may need it."""

    layout: Layout
    directory: str
    files: Mapping[str, Path | bytes]
    warning: str | None = None

    @property
    def workdir(self) -> str:
        """In which Snakemake works, in the archive."""
        return self.layout.directory or "."

    def path(self, here: str) -> str:
        """A path of this machine, relative to the folder in which Snakemake is started there."""
        return self.relative(self.layout.place(here))

    def relative(self, place: str) -> str:
        """A place in the archive, relative to that folder."""
        return os.path.relpath(place, self.directory)


def look(
    workflow: Workflow,
    started: str,
    named: Iterable[str],
    known: Collection[str],
) -> Tree:
    """``started``: the folder in which Snakemake was started; ``named``: files and folders, as
    absolute paths, that it needs to start; ``known``: names of files that it gets from S3."""
    opened_files.end()
    launch = str(Path.cwd())
    workflow_code.fetch_remote(workflow, workflow.rules)  # there is no git there
    cache = workflow.sourcecache
    caches = (str(cache.cache_path), str(cache.runtime_cache_path))
    opened = [
        canonical(path, launch)
        for path in opened_files.files()
        if not any(Path(path).is_relative_to(each) for each in caches)
    ]
    code = workflow_code.code_of(workflow, opened)
    needed = [canonical(path, launch) for each in named for path in _files(each)]
    code = code_files.Code(code.launch, code.snakefiles, (*code.files, *needed), code.folders)
    chosen = code_files.select(code)
    texts = workflow_code.texts(code.snakefiles)
    beside = (str(Path(path).parent) for path in code.snakefiles)
    began = canonical(started, launch)
    folders = [began, *code.roots(), *code.folders, *beside]
    found = layout(launch, folders, chosen.files, job_paths.written_paths(workflow))
    files: dict[str, Path | bytes] = {found.place(path): Path(path) for path in chosen.files}
    cached = used_sources.places(*caches)
    files.update(_beside(workflow, cached))
    files.update({place: entry for entry, place in cached.values()})
    if cached:
        index = {address: place for address, (_, place) in cached.items()}
        files[shipped_code.SOURCES_INDEX] = _json(index)
    listed, _ = listed_folders.of_folders(
        [canonical(path, launch) for path in opened_files.folders()]
    )
    if listed:
        files[listed_files.LISTED_INDEX] = _json(listed)
    if seen := opened_files.seen():
        files[listed_files.SEEN_INDEX] = _json(
            {canonical(path, launch): entry for path, entry in seen.items()}
        )
    return Tree(found, found.place(began), files, code_files.warning(chosen, launch, texts, known))


def _beside(workflow: Workflow, cached: Mapping[str, tuple[Path, str]]) -> dict[str, bytes]:
    """What lies beside scripts of other repositories, which cannot be asked there. ``cached``: file
    and place of what is in Snakemake's cache, by address."""
    found: dict[str, bytes] = {}
    for rule in workflow.rules:
        for script in workflow_code.remote_scripts(workflow, rule):
            _, place = cached.get(script.get_path_or_uri(secret_free=True), (None, ""))
            if place:
                top = str(Path(place).parent)
                with suppress(WorkflowError, OSError, ValueError):  # its job says why
                    for name, content in source.small_beside(script).items():
                        found[f"{top}/{name}"] = content
    return found


def _files(path: str) -> list[str]:
    """A file, or the files of a profile: its folder may be any, and hold anything else."""
    folder = Path(path)
    if not folder.is_dir():
        return [path]
    return sorted(str(each) for each in folder.iterdir() if each.suffix in _OF_PROFILES)


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True).encode("utf-8", "surrogatepass")


def pack(tree: Tree) -> bytes:
    """A ``.tar.xz`` of the tree. Files keep their times, since Snakemake reruns a rule whose script
    is newer than its outputs. Raises ``OSError``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=1) as archive:
        for name in sorted({tree.directory, tree.workdir} - {"."}):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for name, source in sorted(tree.files.items()):
            member = tarfile.TarInfo(name)
            data = source if isinstance(source, bytes) else source.read_bytes()
            if isinstance(source, bytes):
                member.mode = 0o644
            else:
                state = source.stat()
                member.mode, member.mtime = state.st_mode & 0o777, int(state.st_mtime)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
