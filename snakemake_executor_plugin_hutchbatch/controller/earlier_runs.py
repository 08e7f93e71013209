"""What detached runs of the same results mean for a run that begins: one that lives keeps it away;
what one that has ended knew of its files, Snakemake takes over."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, errors, lease_gate
from ..aws.job_states import LIVE
from ..planning.run_settings import PreflightError, control_prefix, take_site
from ..record.record_file import PLACE
from ..settings.options import ExecutorSettings
from ..settings.parsers import SettingError, parse_work_prefix
from ..snakemake_types import Dag
from ..storage.run_layout import WorkLayout
from ..text.units import counted
from . import detached_runs, state_restore, taken_metadata
from .detached_runs import DetachedRun, NoSuchRun
from .documents import DocumentError
from .state_restore import StateError

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_s3 import S3Client

#: Detached runs that are looked at, the newest ones.
MOST = 20
#: Looks at once: as many connections as a client keeps.
THREADS = 10
#: The last detached run whose metadata are here, beside hutchbatch's record.
_TAKEN = PLACE.with_name("taken-over")


class EarlierRuns:
    """Those that this process's run has found when it began."""

    def __init__(self, settings: ExecutorSettings, say: Callable[[str], None]) -> None:
        self._settings, self._say = settings, say
        self._found: Sequence[DetachedRun] = ()
        self._unseen: Callable[[], Sequence[DetachedRun]] | None = None

    def look(self, dag: Dag) -> None:
        """Looks for them, and takes over what the last one knew of its files, before Snakemake asks
        what it remembers. Never raises: what is wrong with S3 is said elsewhere."""
        workflow = dag.workflow
        given = workflow.storage_settings
        if given.default_storage_provider != "s3" or not given.default_storage_prefix:
            return
        try:
            prefix = parse_work_prefix(given.default_storage_prefix)
            take_site(self._settings, prefix)
            work = WorkLayout(control_prefix(self._settings, prefix))
            s3: S3Client = workflow.storage_registry.default_storage_provider.s3c.meta.client
            self._unseen = partial(of_results, s3, work, prefix)
            self._found, self._unseen = self._unseen(), None
            self._take_over(s3, work, Path(workflow.persistence.path))
        except (ClientError, BotoCoreError) as error:
            if not errors.is_transient(error):
                self._unseen = None
        except (SettingError, PreflightError):
            return
        except (StateError, OSError) as error:
            self._say(f"What a detached run knew of its files cannot be had: {error}")

    def refusal(self, batch: BatchClient) -> str | None:
        """Why this run must not begin; None if it may. Raises botocore's errors."""
        if self._unseen is not None:  # AWS did not answer then
            self._found, self._unseen = self._unseen(), None
        for run in self._found:
            if lives(batch, run):
                request = run.request
                return (
                    f"Run {request.id} makes these results, and its Snakemake is a job on AWS "
                    f"Batch ({request.user} submitted it on {request.host} in {request.folder}). "
                    f"Wait for its end with 'hutchbatch attach {request.id}', or end it with "
                    f"'hutchbatch cancel {request.id}'."
                )
        return None

    def _take_over(self, s3: S3Client, work: WorkLayout, folder: Path) -> None:
        """Raises ``StateError``, ``OSError``, and botocore's errors."""
        if lease_gate.own() is not None:
            return  # it has a state of its own
        last = next((run for run in self._found if run.outcome is not None), None)
        if last is None:
            return
        taken = folder.parent / _TAKEN
        with suppress(OSError):
            if taken.read_text() == last.request.id:
                return
        with tempfile.TemporaryDirectory(prefix="hutchbatch-") as place:
            layout = work.detached(last.request.id)
            state_restore.fetch(s3, layout, last.request.id, Path(place))
            count = taken_metadata.merge(Path(place), folder)
        taken.parent.mkdir(parents=True, exist_ok=True)
        taken.write_text(last.request.id)
        if count:
            files = counted(count, "file")
            self._say(f"Snakemake knows of {files} that run {last.request.id} has made.")


def of_results(s3: S3Client, work: WorkLayout, results: str) -> list[DetachedRun]:
    """Detached runs that have made, or make, what lies below the prefix ``results``, the newest
    first; not this process's own. Raises botocore's errors."""
    own = lease_gate.own()

    def look(detached_id: str) -> DetachedRun | None:
        try:
            request = detached_runs.request_of(s3, work, detached_id)
            if parse_work_prefix(request.storage_prefix) == results:
                return detached_runs.now(s3, work, request)
        except (NoSuchRun, DocumentError, SettingError):
            pass
        return None

    known = [each for each in detached_runs.ids(s3, work)[:MOST] if own is None or each != own.id]
    with ThreadPoolExecutor(THREADS) as pool:  # each waits for S3
        return [run for run in pool.map(look, known) if run is not None]


def lives(batch: BatchClient, run: DetachedRun) -> bool:
    """Whether a controller has it, or AWS Batch will start one. Raises botocore's errors."""
    if run.outcome is not None:
        return False
    if run.is_led:
        return True
    which = batch_calls.named(run.request.queue, run.request.job_name)
    jobs, _ = batch_calls.list_jobs(batch, which)
    return any(job.get("status") in LIVE for job in jobs)
