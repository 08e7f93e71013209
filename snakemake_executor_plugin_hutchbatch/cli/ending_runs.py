"""Ending a detached run: its controller is asked to; what it cannot do any more is done here."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from ..aws import batch_calls
from ..aws.job_states import ENDED
from ..aws.retry import Retrier
from ..aws.termination import Termination
from ..controller import ending
from ..controller.document_store import DocumentStore
from ..controller.documents import Cancel, Outcome
from ..planning.run_settings import default_user
from ..text.terminal import note
from .cancelling import REASON
from .commands.common import CommandError, asking
from .detached import Reached
from .following import Follower

#: Seconds that a controller has to react, and in all to stop the run's jobs.
REACT_SECONDS, MOST_SECONDS = 60.0, 15 * 60.0
LOOK_SECONDS = 2.0


def request(reached: Reached) -> None:
    """Asks the controller to end the run. Raises botocore's errors."""
    document = Cancel(reached.id, default_user(), socket.gethostname(), time.time())
    DocumentStore(reached.s3, reached.layout, reached.id).put_cancel(document)


def end(reached: Reached, sleep: Callable[[float], None] = time.sleep) -> str:
    """Ends a run, whatever its controller does. Returns a sentence. Raises ``CommandError``."""
    with asking("ending the run"):
        follower = Follower(reached, show=False)
        run = follower.run
        if run.outcome is not None:
            return f"Run {reached.id} had already ended."
        request(reached)
        began = time.monotonic()
        while time.monotonic() - began < MOST_SECONDS:
            now = follower.now()
            if now.run.outcome is not None:
                return f"Run {reached.id} was cancelled: its jobs are stopped."
            reacts = now.run.is_led or time.monotonic() - began < REACT_SECONDS
            waits = now.job is None or not now.job.is_live or now.job.state != "RUNNING"
            if not reacts or (waits and not now.run.is_led):
                break
            sleep(LOOK_SECONDS)
        _without_controller(reached, follower)
    return f"Run {reached.id} was cancelled: its jobs are stopped."


def _without_controller(reached: Reached, follower: Follower) -> None:
    """Raises ``CommandError``, and botocore's errors."""
    target = follower.target()
    batch = follower.clients.batch
    if target is not None:
        termination = Termination(batch, Retrier(note))
        refused = termination.end([], list(target.batch_ids), REASON)
        if refused.ids:
            raise CommandError(
                f"Snakemake's job could not be stopped ({refused.why}): try again; if AWS denies "
                "it (batch:TerminateJob), ask SciComp."
            )
        _wait(lambda: _is_live(follower))
    # Not by the record, which is older than the jobs that were sent last.
    if not ending.end_jobs(follower.clients, reached.work, reached.id, REASON, Retrier(note), note):
        raise CommandError(f"Jobs of run {reached.id} may still be running: try again.")
    run = follower.run
    fence = run.held.lease.fence if run.held and run.held.lease else 0
    outcome = Outcome(reached.id, 1, time.time(), fence, default_user())
    DocumentStore(reached.s3, reached.layout, reached.id).put_outcome(outcome)


def _is_live(follower: Follower) -> bool:
    target = follower.target()
    if target is None:
        return False
    described = batch_calls.describe_all(follower.clients.batch, target.batch_ids)
    return any(job["status"] not in ENDED for job in described.values())


def _wait(goes_on: Callable[[], bool], sleep: Callable[[float], None] = time.sleep) -> None:
    """A container that gets SIGTERM has 30 seconds."""
    until = time.monotonic() + REACT_SECONDS
    while goes_on() and time.monotonic() < until:
        sleep(LOOK_SECONDS)
