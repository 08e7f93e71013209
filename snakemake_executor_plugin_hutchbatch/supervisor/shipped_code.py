"""Sources of the workflow's code, for Snakemake in a container.

Sources of other repositories are answered from what was shipped: nothing is cloned. Absolute names
of the controller's machine lead to the job's own copies. Standard library and Snakemake only.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Dict, Tuple

from . import controller_folders
from .controller_folders import here, there, work_folder

if TYPE_CHECKING:
    from ..snakemake_types import SourceCache, SourceFile, Workflow

#: Below the tree's root: where in it sources are, by their addresses.
SOURCES_INDEX = ".hutchbatch/sources.json"


def use(folders: Tuple[str, ...]) -> None:
    """Patches Snakemake, which must be imported; once. ``folders``: the names of the launch
    folder."""
    from snakemake import sourcecache, workflow

    if getattr(sourcecache.SourceCache, "_hutchbatch", False):
        return
    sourcecache.SourceCache._hutchbatch = True
    index = controller_folders.read_index(SOURCES_INDEX)
    _answer_sources(sourcecache, index, controller_folders.tree(), folders)
    _lead_here(workflow, folders)


def _answer_sources(
    sourcecache: ModuleType, index: Dict[str, object], tree: str, folders: Tuple[str, ...]
) -> None:
    cls = sourcecache.SourceCache
    plain = cls._cache

    def cache(self: SourceCache, source_file: SourceFile) -> Path:
        if not isinstance(source_file, sourcecache.LocalSourceFile):
            address = source_file.get_path_or_uri(secret_free=True)
            head, _, path = address.partition("file:///")
            known = index.get(address) or index.get(head + "file://" + there("/" + path, folders))
            if known:
                return Path(tree, str(known))
        return Path(plain(self, source_file))

    cls._cache = cache
    plain_split = sourcecache.split_git_path

    def split_git_path(address: str) -> Tuple[str, str, str]:
        try:
            root, path, ref = plain_split(address)
        except Exception:  # no git here, or no repository
            whole, _, ref = address.partition("file://")[2].rpartition("@")
            # Wherever it is split, the address of a file is the same.
            _, top, path = whole.split("/", 2)
            root = "/" + top
        return root, path, ref

    setattr(sourcecache, "split_git_path", split_git_path)  # noqa: B010  no module of ours


def _lead_here(workflow: ModuleType, folders: Tuple[str, ...]) -> None:
    cls = workflow.Workflow
    plain_include = cls.include

    def include(self: Workflow, snakefile: object, *args: object, **kwargs: object) -> object:
        if isinstance(snakefile, (str, Path)) and os.path.isabs(str(snakefile)):
            snakefile = here(str(snakefile), folders)
        return plain_include(self, snakefile, *args, **kwargs)

    def workdir(self: Workflow, path: object) -> None:
        os.chdir(work_folder())  # it is what the Snakefile makes it at the controller

    cls.include, cls.workdir = include, workdir
