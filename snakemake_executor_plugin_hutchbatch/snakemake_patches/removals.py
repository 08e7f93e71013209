"""Temporary files that are no longer needed are removed together, not one by one.

Snakemake removes each when the job that needed it last ends, in the thread that also hands over
jobs (``JobScheduler._finish_jobs``, ``DAG.handle_temp``): with 40 ms a call, 40,000 files of
10,000 chains kept it for half an hour. Those of all jobs that one round finds ended go in few
calls, before the round is over.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..snakemake_types import StorageObject, Workflow
from ..storage import bulk_removal
from . import s3_storage

#: Of this thread's round: the objects by client and bucket, then by key.
_Waiting = dict[tuple[int, str], dict[str, StorageObject]]
_round = threading.local()


def takes(stored: StorageObject) -> bool:
    """Whether an object, which is no directory, will be removed at the end of this thread's
    round."""
    waiting: _Waiting | None = getattr(_round, "waiting", None)
    if waiting is None or stored.is_dir():
        return False
    client = stored.provider.s3c.meta.client
    waiting.setdefault((id(client), stored.bucket), {})[stored.key] = stored
    return True


@contextmanager
def together(workflow: Workflow) -> Iterator[None]:
    """What this thread removes within goes at the end, also after an error. Raises Snakemake's
    ``WorkflowError`` for an object that cannot be removed, as Snakemake does itself."""
    if getattr(_round, "waiting", None) is not None:
        yield
        return
    waiting: _Waiting = {}
    _round.waiting = waiting
    try:
        yield
    finally:
        _round.waiting = None
        for (_, bucket), objects in waiting.items():
            _remove(workflow, bucket, objects)


def _remove(workflow: Workflow, bucket: str, objects: dict[str, StorageObject]) -> None:
    provider = next(iter(objects.values())).provider
    left = bulk_removal.remove(provider.s3c.meta.client, bucket, list(objects))
    gone = [f"s3://{bucket}/{key}" for key in objects.keys() - set(left)]
    s3_storage.inventory(provider).forget(gone)
    for key in left:
        workflow.async_run(objects[key].managed_remove())
