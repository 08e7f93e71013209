"""What of a work prefix may be removed. Pure.

Never what a run needs that is under way or was killed (its mark is there, or its controller lives),
nor a detached run without an outcome. Environments have a command of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .work_files import StoredFile, WorkFiles, newest

DAY = 86_400.0
#: The doctor removes its own files; what is older than this (days), a killed one left.
DOCTOR_DAYS = 1.0
#: How long (days) uploads in parts are left alone, whatever was asked: jobs may be sending them.
UPLOAD_DAYS = 7.0
#: A job that was run again has ended after so many days.
RERUN_DAYS = 1.0
OUTCOME, REQUEST = "outcome.json", "request.json"
_LAST = (f"/{OUTCOME}", f"/{REQUEST}")


@dataclass(frozen=True)
class Goes:
    """Something that may be removed. ``kind``: as in ``WorkFiles``; ``at``: when it was stored."""

    kind: str
    name: str
    files: tuple[StoredFile, ...]
    at: float

    @property
    def in_turn(self) -> tuple[tuple[StoredFile, ...], tuple[StoredFile, ...]]:
        """The files, and those that go only when all of these are gone: what says that a run has
        ended. So a clean-up that is cut, or may not remove all, begins again."""
        last = tuple(each for each in self.files if each.key.endswith(_LAST))
        return tuple(each for each in self.files if each not in last), last


@dataclass(frozen=True)
class Stays:
    """A run whose files stay, and why: the end of a sentence."""

    name: str
    why: str


@dataclass(frozen=True)
class Decision:
    goes: tuple[Goes, ...] = ()
    stays: tuple[Stays, ...] = ()
    #: Why shared files stay; empty where they go, or were not meant.
    shared_stays: str = ""


@dataclass(frozen=True)
class Wanted:
    """``days``: what is younger stays; ``run``: only that run, whatever its age; ``shared``: also
    code and software that runs share."""

    days: float
    run: str | None = None
    shared: bool = False


def decide(work: WorkFiles, live: Mapping[str, str], wanted: Wanted, now: float) -> Decision:
    """``live``: why the files of these runs are needed, by run."""
    protected = {**dict.fromkeys(work.marked, MARKED), **live}
    before = now - wanted.days * DAY
    goes: list[Goes] = []
    stays: list[Stays] = []
    for kind, runs in (("runs", work.runs), ("detached", work.detached)):
        for name, files in runs.items():
            if wanted.run is not None and name != wanted.run:
                continue
            why = protected.get(name, "")
            if kind == "detached" and not why and not _has_ended(files):
                why = "has not ended: 'hutchbatch cancel' ends it"
            if not why and _is_rerun(files, now):
                why = "has a job that 'hutchbatch rerun' may be running again"
            if why:
                stays.append(Stays(name, why))
            elif wanted.run is not None or newest(files) < before:
                goes.append(Goes(kind, name, files, newest(files)))
    if wanted.run is None:
        goes += _others(work, wanted, now)
    under_way = len(protected) + sum(not _has_ended(each) for each in work.detached.values())
    under_way += sum(_is_rerun(each, now) for each in work.runs.values())
    shared_stays = ""
    if wanted.shared and wanted.run is None:
        old = tuple(each for each in work.shared if each.at < before)
        if under_way and old:
            shared_stays = "a run is under way or was killed, and may need them"
        elif old:
            goes.append(Goes("shared", "", old, newest(old)))
    return Decision(tuple(goes), tuple(stays), shared_stays)


#: Why a run with a mark stays.
MARKED = (
    "has not ended in order: it is under way, or was killed and a new start in its folder takes "
    "over its jobs"
)


def _others(work: WorkFiles, wanted: Wanted, now: float) -> Iterator[Goes]:
    before = now - max(wanted.days, DOCTOR_DAYS) * DAY
    for name, files in work.doctor.items():
        if newest(files) < before:
            yield Goes("doctor", name, files, newest(files))


def _has_ended(files: tuple[StoredFile, ...]) -> bool:
    """Of a detached run."""
    return any(each.key.endswith(f"/{OUTCOME}") for each in files)


def _is_rerun(files: tuple[StoredFile, ...], now: float) -> bool:
    """Whether one of its jobs was run again within a day."""
    return any("/reruns/" in each.key and each.at > now - RERUN_DAYS * DAY for each in files)


@dataclass(frozen=True)
class UploadLeft:
    """An upload in parts that was never completed. Its parts are paid for, and not listed."""

    key: str
    id: str
    at: float


def is_left(upload: UploadLeft, days: float, now: float) -> bool:
    """Whether nobody sends it any more."""
    return upload.at < now - max(days, UPLOAD_DAYS) * DAY
