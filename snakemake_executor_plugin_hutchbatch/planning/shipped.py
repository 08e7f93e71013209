"""The code of one run's workflow, on its way to the jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..aws.retry import Retrier
from ..snakemake_types import Rule, Workflow
from ..storage.run_layout import WorkLayout
from ..supervisor import listed_files, shipped_code
from ..supervisor.taskspec import Sources
from . import (
    code_files,
    detached_tree,
    listed_folders,
    opened_files,
    source_archive,
    supervisor_bundle,
    used_sources,
    workflow_code,
)
from .job_paths import written_paths
from .layout import Layout, canonical, layout
from .supervisor_bundle import Bundle

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def store_supervisor(s3: S3Client, work_prefix: str, retrier: Retrier) -> Bundle:
    """The supervisor, stored. Raises botocore's errors that do not pass."""
    content, digest = supervisor_bundle.bundle(), supervisor_bundle.bundle_sha256()
    url = WorkLayout(work_prefix).supervisor(digest)
    source_archive.put(s3, url, content, "storing the supervisor", retrier)
    return Bundle(url)


class ShippedCode:
    """Stored when the first job needs it, and again when more of Snakemake's source cache is used.

    ``known``: names of files that jobs get from S3. For Snakemake's own thread only.
    """

    def __init__(
        self,
        workflow: Workflow,
        s3: S3Client,
        work_prefix: str,
        retrier: Retrier,
        warn: Callable[[str], None],
        known: Callable[[], Iterable[str]],
    ) -> None:
        self._workflow, self._s3, self._work_prefix = workflow, s3, work_prefix
        self._retrier, self._warn, self._known = retrier, warn, known
        self._layout: Layout | None = None
        self._files: dict[str, Path | bytes] = {}
        self._sent: tuple[frozenset[str], Sources] | None = None
        self._fetched: set[str] = set()
        #: SHA-256 of each file by the name that jobs have for it.
        self.digests: dict[str, str] = {}

    @property
    def layout(self) -> Layout:
        """Where jobs have the folders of this machine."""
        if self._layout is None:
            self._layout = self._look()
        return self._layout

    def cache_places(self) -> dict[str, str]:
        """The folders of cached sources, and their place in a job's tree."""
        return dict.fromkeys(self._caches(), used_sources.PLACE)

    def need_remote(self, rules: Iterable[Rule]) -> None:
        """``rules`` run under Snakemake, which must not look for their sources elsewhere."""
        new = [rule for rule in rules if rule.name not in self._fetched]
        self._fetched.update(rule.name for rule in new)
        workflow_code.fetch_remote(self._workflow, new)

    def sources(self) -> Sources:
        """The archive, stored. Raises botocore's errors, and ``OSError`` for files that cannot be
        read."""
        where = self.layout
        cached = used_sources.places(*self._caches())
        used = frozenset(cached)
        if self._sent is None or self._sent[0] != used:
            files = {**self._files, **{place: entry for entry, place in cached.values()}}
            index = {address: place for address, (_, place) in cached.items()}
            if index:
                files[shipped_code.SOURCES_INDEX] = _json(index)
            content = source_archive.pack(files)
            digest = hashlib.sha256(content).hexdigest()
            url = WorkLayout(self._work_prefix).sources(digest)
            what = "storing the workflow's code"
            source_archive.put(self._s3, url, content, what, self._retrier)
            found = source_archive.digests(files)
            self.digests.update({where.label(place): found[place] for place in found})
            self._sent = used, Sources(url=url, sha256=digest)
        return self._sent[1]

    def _caches(self) -> tuple[str, ...]:
        cache = self._workflow.sourcecache
        return str(cache.cache_path), str(cache.runtime_cache_path), *detached_tree.sources()

    def _look(self) -> Layout:
        opened_files.end()
        launch = str(Path.cwd())
        caches = self._caches()
        opened = [
            canonical(path, launch)
            for path in opened_files.files()
            if not any(Path(path).is_relative_to(cache) for cache in caches)
        ]
        code = workflow_code.code_of(self._workflow, opened)
        chosen = code_files.select(code)
        texts = workflow_code.texts(code.snakefiles)
        if warning := code_files.warning(chosen, launch, texts, set(self._known())):
            self._warn(warning)
        begin = canonical(str(self._workflow.workdir_init), launch)
        beside = (str(Path(path).parent) for path in code.snakefiles)
        folders = [begin, *code.roots(), *code.folders, *beside]
        written = written_paths(self._workflow)
        found = layout(launch, folders, chosen.files, written)
        self._files = {found.place(path): Path(path) for path in chosen.files}
        listed, warning = listed_folders.of_folders(
            [canonical(path, launch) for path in opened_files.folders()]
        )
        seen = {canonical(path, launch): entry for path, entry in opened_files.seen().items()}
        if warning:
            self._warn(warning)
        submitted = detached_tree.indexes()
        for index, own in ((listed_files.LISTED_INDEX, listed), (listed_files.SEEN_INDEX, seen)):
            if known := {**own, **submitted.get(index, {})}:
                self._files[index] = _json(known)
        return found


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True).encode("utf-8", "surrogatepass")
