"""Where a job that is run again to be looked into has its results: not where they belong.

In direct mode its description says so. Under Snakemake, this patches the storage: nothing that the
workflow has in S3 is changed or removed, and what the job has made counts as stored.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING, Callable, Optional

from .fetched_inputs import FetchedInputs, look
from .taskspec import Output

if TYPE_CHECKING:
    from ..snakemake_types import StorageObject

#: The variable of ``TaskSpec.store_below``.
VARIABLE = "HUTCHBATCH_STORE_BELOW"


def place_of(path: str, below: Optional[str]) -> Optional[str]:
    """The URL at which a file with this path in the job's folder is kept; None for nowhere."""
    if not below:
        return None
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    return below + "/".join(parts)


def keep_apart(
    plugin: ModuleType,
    known: FetchedInputs,
    url: Callable[[StorageObject], str],
    store: Callable[[StorageObject, Output], None],
) -> None:
    """Patches the storage plugin's objects where ``VARIABLE`` is set. ``known``: what is answered
    by what is here; ``store`` stores a file."""
    below = os.environ.get(VARIABLE)
    if below is None:
        return
    cls = plugin.StorageObject

    def store_object(self: StorageObject) -> None:
        path = os.path.relpath(self.local_path())
        target = place_of(path, below)
        if target is not None:
            store(self, Output(path, target, directory=os.path.isdir(path)))
        here = look(os.path.abspath(path))
        if here is not None:
            known.add(url(self), here)

    def remove(self: StorageObject) -> None:
        known.forget(url(self))

    cls.store_object, cls.remove = store_object, remove


def keep_local_copies() -> None:
    """Snakemake in the job leaves what it has fetched and made where somebody looks for it. To be
    called once it is up."""
    if VARIABLE not in os.environ:
        return
    from snakemake.dag import DAG

    async def cleanup_storage_objects(self: object) -> None:
        return None

    DAG.cleanup_storage_objects = cleanup_storage_objects
