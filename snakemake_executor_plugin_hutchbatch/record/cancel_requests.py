"""Jobs that ``hutchbatch cancel`` wants a living run not to send, as notes in its record."""

from __future__ import annotations

import time
from pathlib import Path

from .journal import PLACE, Journal, JournalError
from .reader import Reader
from .schema import Job, Note

#: ``Note.kind`` of such a note.
KIND = "cancel"


def write(path: Path, job: Job) -> None:
    """Raises ``JournalError``."""
    journal = Journal(path)
    text = f"hutchbatch cancel asks that {job.label} is not sent."
    journal.put(Note(job.run_id, time.time(), KIND, text, job.number))
    journal.close()


def read(run_id: str, path: Path = PLACE) -> set[int]:
    """The numbers of the jobs. Never raises: what cannot be read now is read at the next look."""
    try:
        with Reader(path) as reader:
            notes = reader.rows(Note, "run_id = ? AND kind = ?", run_id, KIND)
    except JournalError:
        return set()
    return {note.number for note in notes if note.number is not None}
