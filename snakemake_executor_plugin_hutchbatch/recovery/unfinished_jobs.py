"""What the record says about jobs that an earlier run sent, or was about to send, and whose end it
never reported. Reads only."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..record import controllers
from ..record.journal import PLACE, JournalError
from ..record.reader import Reader
from ..record.record_file import exists
from ..record.schema import FROM_MARK, SINGLE, Job, Placement, Run, Submission
from ..storage.run_layout import WorkLayout

#: ``Job.state`` of jobs whose end was not reported to Snakemake, and of those that a later run has
#: taken up (followed, accepted or sent again): these need no more attention.
OPEN = ("prepared", "sent")
#: Reported to Snakemake, which may have been killed before it recorded that.
REPORTED = "done"
#: Reported to a Snakemake that did not live to act on it, where this one takes its place.
FAILED = "failed"
TAKEN_UP = "taken up"
#: What is used of them.
_COLUMNS = (
    *("run_id", "number", "rule", "label", "attempt", "prepared", "identity", "memory"),
    *("outputs", "state", "cause"),
)


@dataclass(frozen=True, slots=True)
class Trace:
    """One job in one submission of an earlier run.

    ``batch_id`` None: it may have been sent, but AWS's answer is not known. ``status``: URL prefix
    of its statuses; ``task_url``: its description; ``number`` None if only AWS knows it;
    ``prepared``: when it was sent, by the earlier controller's clock; ``reported``: its end was
    reported to Snakemake; ``attempt``: Snakemake's (``retries:``), None if only AWS knows it;
    ``is_ours``: of the same detached run, whose Snakemake this one replaces: also a failure counts.
    """

    run_id: str
    identity: str
    outputs: tuple[str, ...]
    submission: str
    child: int
    queue: str
    batch_id: str | None
    status: str
    task_url: str
    prepared: float
    memory: int = 0
    number: int | None = None
    reported: bool = False
    attempt: int | None = None
    is_ours: bool = False


@dataclass(frozen=True)
class Earlier:
    """What the record says about other runs. ``open_outputs``: URLs that unfinished jobs write;
    ``living``: runs whose controllers live, with what their unfinished jobs write; ``unreadable``:
    damaged rows of the record; ``made``: URLs that jobs make of the runs that were killed after the
    last one that ended by itself."""

    runs: tuple[str, ...] = ()
    dead: tuple[Run, ...] = ()
    traces: tuple[Trace, ...] = ()
    unsent: tuple[Job, ...] = ()
    living: tuple[tuple[Run, frozenset[str]], ...] = ()
    unreadable: int = 0
    made: frozenset[str] = frozenset()

    @property
    def open_outputs(self) -> frozenset[str]:
        made = [
            *(t.outputs for t in self.traces if not t.reported),
            *(urls(j.outputs) for j in self.unsent),
        ]
        return frozenset(url for outputs in made for url in outputs)


def urls(lines: str) -> tuple[str, ...]:
    """URLs of a record's column, one a line."""
    return tuple(lines.split("\n")) if lines else ()


def is_over(run: Run, now: float) -> bool:
    """Whether a run has ended, by itself or with its controller."""
    return run.ended is not None or controllers.is_gone(run, now)


def read(
    own: str | None = None, path: Path = PLACE, clock: Callable[[], float] = time.time
) -> Earlier:
    """What there is of runs other than ``own``; nothing if there is no record yet.

    Raises ``JournalError`` if the record cannot be read.
    """
    try:
        if not exists(path):
            return Earlier()
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error}.") from error
    with Reader(path) as reader:
        runs = [run for run in reader.rows(Run) if run.run_id != own]
        over = {run.run_id for run in runs if is_over(run, clock())}
        killed = _killed_since_an_end(runs, over)
        ours = {r.run_id: r for r in runs if r.run_id in killed and _is_replaced(r)}
        jobs = [job for job in _unreported(reader, killed) if job.run_id != own and job.outputs]
        lost = {(job.run_id, job.number): job for job in jobs if job.run_id in over}
        failed = {(job.run_id, job.number): job for job in _failed_last(reader, ours)}
        traces = list(_traces(reader, runs, lost | failed, ours)) if lost or failed else []
        unreadable = reader.dropped
    placed = {(trace.run_id, trace.number) for trace in traces}
    return Earlier(
        runs=tuple(run.run_id for run in runs if run.outcome != FROM_MARK),
        dead=tuple(run for run in runs if run.run_id in over and run.ended is None),
        traces=tuple(traces),
        unsent=tuple(j for key, j in lost.items() if key not in placed and j.state != REPORTED),
        living=tuple((run, _written(jobs, run.run_id)) for run in runs if run.run_id not in over),
        unreadable=unreadable,
        made=frozenset(url for j in jobs if j.run_id in killed for url in urls(j.outputs)),
    )


def _unreported(reader: Reader, killed: Iterable[str]) -> Iterator[Job]:
    """Jobs whose end was not reported, and those of ``killed`` runs whose success may not have
    been heard. Jobs of the other runs, of which a folder's record may have hundreds of thousands,
    are not read."""
    yield from reader.rows(Job, "state IN (?, ?)", *OPEN, columns=_COLUMNS)
    for run_id in sorted(killed):
        done = "run_id = ? AND state = ?"
        yield from reader.rows(Job, done, run_id, REPORTED, columns=_COLUMNS)


def _killed_since_an_end(runs: Iterable[Run], over: Iterable[str]) -> set[str]:
    """Runs that were killed after the last one that ended normally: what that one did not make
    again need not be made."""
    runs = list(runs)
    last = max((r.started for r in runs if r.ended and r.outcome != FROM_MARK), default=0.0)
    return {r.run_id for r in runs if r.run_id in over and r.ended is None and r.started > last}


def _is_replaced(run: Run) -> bool:
    return controllers.is_replaced(controllers.of(run))


def _failed_last(reader: Reader, runs: Mapping[str, Run]) -> Iterator[Job]:
    """Jobs of these runs that failed, and have not been begun again since."""
    failed = [
        job for job in reader.rows(Job, "state = ?", FAILED, columns=_COLUMNS) if job.run_id in runs
    ]
    if not failed:
        return
    last: dict[str, tuple[float, int]] = {}
    for run_id, run in runs.items():
        for job in reader.rows(Job, "run_id = ?", run_id, columns=_COLUMNS):
            for url in urls(job.outputs):
                last[url] = max(last.get(url, (0.0, 0)), (run.started, job.number))
    for job in failed:
        made = urls(job.outputs)
        if made and all(last[url] == (runs[job.run_id].started, job.number) for url in made):
            yield job


def _written(jobs: Iterable[Job], run_id: str) -> frozenset[str]:
    ours = (job for job in jobs if job.run_id == run_id and job.state != REPORTED)
    return frozenset(url for job in ours for url in urls(job.outputs))


def _traces(
    reader: Reader,
    runs: Iterable[Run],
    jobs: Mapping[tuple[str, int], Job],
    ours: Container[str],
) -> Iterator[Trace]:
    owners = sorted({run_id for run_id, _ in jobs})
    places = {run.run_id: WorkLayout(run.work_prefix).run(run.run_id).status for run in runs}
    for run_id in owners:
        submissions: dict[str, Submission | None] = {}
        for placed in reader.rows(Placement, "run_id = ?", run_id):
            job = jobs.get((run_id, placed.number))
            if job is None:
                continue
            if placed.submission not in submissions:
                found = reader.rows(Submission, "name = ?", placed.submission)
                submissions[placed.submission] = found[0] if found else None
            sent = submissions[placed.submission]
            if sent is None or sent.refused is not None:
                continue
            yield Trace(
                run_id=run_id,
                identity=job.identity,
                outputs=urls(job.outputs),
                submission=sent.name,
                child=placed.child,
                queue=sent.queue,
                batch_id=placed.batch_id or child_id(sent.batch_id, placed.child),
                # A job that was taken over keeps the place of its statuses.
                status=places.get(sent.run_id, ""),
                task_url=sent.task_url,
                prepared=sent.prepared,
                memory=placed.memory or job.memory,
                number=job.number,
                reported=job.state not in OPEN,
                attempt=job.attempt,
                is_ours=job.run_id in ours,
            )


def child_id(batch_id: str | None, child: int) -> str | None:
    """The id of an array's child, or of the job itself."""
    return batch_id if batch_id is None or child == SINGLE else f"{batch_id}:{child}"


def known(path: Path = PLACE) -> Earlier:
    """The same; nothing if the record cannot be read, which is reported when the run begins."""
    try:
        return read(path=path)
    except JournalError:
        return Earlier()
