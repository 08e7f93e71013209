"""The site of an account where the user names none: it is asked, once for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..queues.queue import Queue
from ..settings.options import ExecutorSettings
from ..settings.values import Mount
from ..sites import definitions, remembered, site
from ..sites.assumption import Assumption, assume

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient


def take(
    settings: ExecutorSettings,
    queues: Mapping[str, Queue],
    look: Callable[[str], Mapping[Mount, int] | None],
) -> tuple[dict[str, Queue], Assumption | None]:
    """Makes the site that the account shows count for what is not set.

    ``queues``: as ``account.describe`` gives them with ``run_settings.read_catalog``; returned as
    that site has them. ``look``: mounts of an account's job definitions, see ``mounts``. None where
    the user has named a site.
    """
    if settings.given("site") is not None:
        return dict(queues), None
    live = [queue for queue in queues.values() if queue.arn]
    own_catalog = settings.given("queue_catalog") is not None
    names = [q.name for q in live] or (list(queues) if own_catalog else [])
    has_scratch = settings.given("scratch") is not None
    account = ":".join((live[0].arn or "").split(":")[3:5]) if live else ""
    found = assume(
        site.shipped(),
        names,
        {} if has_scratch else look(account) or {},
        has_scratch=has_scratch,
    )
    settings.take_site(found.values())
    if not live and not own_catalog:
        queues = {name: queue for name, queue in queues.items() if name in found.site.queues}
    return dict(queues), found


def mounts(batch: BatchClient, account: str, place: Path, now: float) -> Mapping[Mount, int]:
    """What the job definitions of an account mount, as kept in ``place`` or else as AWS says;
    nothing where it may not be asked. ``account``: region and number, empty if unknown."""
    if account and (kept := remembered.load(place, account, now)) is not None:
        return kept
    found = look(batch)
    if account and found is not None:
        remembered.keep(place, account, found, now)
    return found or {}


def look(batch: BatchClient) -> dict[Mount, int] | None:
    """The same as AWS says it now; None where it may not be asked."""
    try:
        return dict(definitions.look(batch).mounts)
    except (ClientError, BotoCoreError):
        return None
