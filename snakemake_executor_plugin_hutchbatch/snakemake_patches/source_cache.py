"""Notes which of its cached sources Snakemake uses (``planning/used_sources.py``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from snakemake.sourcecache import LocalSourceFile

from ..planning import used_sources
from ..snakemake_types import SourceCache, SourceFile


def cache(plain: Callable[..., Path]) -> Callable[..., Path]:
    """In place of ``SourceCache._cache``: what comes from elsewhere."""

    def cache(self: SourceCache, source_file: SourceFile) -> Path:
        entry = plain(self, source_file)
        if not isinstance(source_file, LocalSourceFile):
            used_sources.note(source_file.get_path_or_uri(secret_free=True), entry)
        return entry

    return cache


def get_path(plain: Callable[..., str]) -> Callable[..., str]:
    """In place of ``SourceCache.get_path``: the path may stand in a command."""

    def get_path(self: SourceCache, source_file: SourceFile) -> str:
        path = plain(self, source_file)
        used_sources.note(source_file.get_path_or_uri(secret_free=True), Path(path))
        return path

    return get_path
