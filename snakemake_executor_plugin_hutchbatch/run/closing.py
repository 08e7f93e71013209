"""What of a run is left on AWS Batch when its Snakemake ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, errors
from ..aws.job_states import LIVE
from ..text.terminal import Log
from ..text.units import counted
from .assemble import RunServices

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: Seconds that jobs have to end once AWS Batch was asked to end them: their containers have 30.
END_SECONDS = 90.0
#: Seconds after which a wait is explained, and between two looks.
TELL_SECONDS, LOOK_SECONDS = 5.0, 0.3


def wait(
    services: RunServices,
    logger: Log,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Returns when AWS Batch has reported the end of every job that it was asked to end, or when
    that takes too long. The thread that follows jobs asks meanwhile."""
    began, told, tracker = clock(), False, services.tracker
    while (live := tracker.live_count()) > tracker.unasked() and clock() - began < END_SECONDS:
        if clock() - began > TELL_SECONDS and not told:
            told = True
            logger.info(
                f"{counted(live, 'job')} on AWS Batch will end soon: containers have 30 seconds "
                "to stop."
            )
        services.pace.wake()
        sleep(LOOK_SECONDS)


def left(services: RunServices, batch: BatchClient) -> tuple[int, str]:
    """How many jobs of the run are, or may be, on AWS Batch, and why AWS could not be asked about
    some of them. Never raises."""
    live, builds = services.tracker.live_count(), services.environments.own_builds()
    if not builds:
        return live, ""
    try:
        known = batch_calls.describe_all(batch, builds)
    except (ClientError, BotoCoreError) as error:
        return live + len(builds), errors.explain(error, "asking about the jobs")
    return live + sum(job["status"] in LIVE for job in known.values()), ""
