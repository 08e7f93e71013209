"""Ends the jobs of a detached run whose Snakemake cannot: it is gone, or does not react. Jobs are
found by the marks that its runs have left in S3, since a record may be older than the last of
them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, errors
from ..aws.clients import Clients
from ..aws.job_states import LIVE
from ..aws.retry import Retrier
from ..aws.termination import Termination
from ..record.schema import Run
from ..recovery import rebuild_from_aws
from ..recovery.run_marker import Presence
from ..storage.run_layout import WorkLayout

#: Threads that read marks.
THREADS = 8


def end_jobs(
    clients: Clients,
    work: WorkLayout,
    detached_id: str,
    reason: str,
    retrier: Retrier,
    say: Callable[[str], None],
) -> bool:
    """Ends all that lives of a detached run; the next call finds what appears only later. AWS's
    console shows the ``reason``. Returns whether nothing is left, as far as AWS shows it; what was
    not possible is said. Nothing may act for the run meanwhile."""
    nobody = Run("", 0.0, work_prefix=work.prefix)
    with ThreadPoolExecutor(THREADS) as pool:
        marks = Presence(clients.s3, nobody, retrier, say).others(pool=pool)
    ours = [mark for mark in marks if mark.lease.rpartition("#")[0] == detached_id]
    if not ours:
        return True
    try:
        queues = retrier.call(
            "listing the Batch queues", lambda: batch_calls.queue_arns(clients.batch)
        )
    except (ClientError, BotoCoreError) as error:
        say(errors.explain(error, "listing the Batch queues"))
        return False
    jobs, complete = rebuild_from_aws.jobs(clients, ours, queues, retrier, say)
    live = [job for job in jobs if job["status"] in LIVE]
    arrays = [job["jobId"] for job in live if (job.get("arrayProperties") or {}).get("size")]
    singles = [job["jobId"] for job in live if job["jobId"] not in arrays]
    left = Termination(clients.batch, retrier).end(arrays, singles, reason)
    if live:
        say(f"{len(live) - len(left.ids):,} jobs and arrays were stopped on AWS Batch.")
    if left:
        say(f"{len(left.ids):,} jobs or arrays could not be stopped ({left.why}).")
    return complete and not left
