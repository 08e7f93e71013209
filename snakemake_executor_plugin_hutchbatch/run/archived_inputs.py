"""Inputs that jobs could not read, found before any is submitted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..planning.snakemake_jobs import members, s3_url
from ..snakemake_patches import s3_storage, source_files
from ..snakemake_types import AnyJob, File, StorageProvider
from ..storage import archived
from ..storage.object_cache import Object


def refusals(jobs: Iterable[AnyJob]) -> list[str]:
    """A sentence for each storage that has archived inputs of these jobs, which none of them makes.
    Raises botocore's errors."""
    jobs = list(jobs)
    made = {s3_url(file) for job in jobs for member in members(job) for file in member.output}
    by_provider: dict[int, tuple[StorageProvider, dict[str, None]]] = {}
    for job in jobs:
        for file in _read(job):
            url = s3_url(file)
            if url and url not in made and not _is_sent(str(file)):
                provider = file.storage_object.provider
                by_provider.setdefault(id(provider), (provider, {}))[1][url] = None
    found = []
    for provider, urls in by_provider.values():
        objects = _objects(provider, urls)
        if known := archived.find(provider.s3c.meta.client, objects):
            found.append(archived.sentence(known))
    return found


def _is_sent(name: str) -> bool:
    """Whether the run will upload it: what S3 has is then replaced. A file here that is equal to
    its object is not sent."""
    sources = source_files.sources()
    found = sources.compared(name) if sources else None
    return found is not None and bool(found.wanted)


def _read(job: AnyJob) -> Iterator[File]:
    for member in members(job):
        for file in member.input:
            if file.is_storage and file.storage_object.retrieve:
                yield file


def _objects(provider: StorageProvider, urls: Iterable[str]) -> Iterator[tuple[str, Object]]:
    inventory = s3_storage.inventory(provider)
    for url in urls:
        found = inventory.find(url)
        if found is None:
            continue
        if not found.directory:
            yield url, found
        elif found.storage_class:
            yield from ((f"{url}/{name}", item) for name, item in inventory.below(url))
