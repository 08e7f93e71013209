"""Whether a file here must be sent to S3: compared with what is there. Pure but for the note that
a folder keeps of what it has sent, which saves questions and the reading of files.

An object that was uploaded carries the time of its file (``MODIFIED``), so that every machine can
tell by size and time that it has the same file. Where the times differ, as in another clone of a
repository, the content decides.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from .. import files
from .local_inputs import LocalFile
from .object_cache import Object

#: Metadata of an uploaded object: its file's time of modification, nanoseconds since the epoch.
MODIFIED = "hutchbatch-modified"
#: … and the name that the author of the workflow gave it, percent-encoded.
NAME = "hutchbatch-name"
#: The note, below the launch folder.
PLACE = Path(".snakemake", "hutchbatch", "sent.json")
#: Snakemake's own limit for comparing contents (``--max-checksum-file-size``), in bytes.
SMALL = 1_000_000
#: Files remembered at most: the note is read and written whole.
MOST = 200_000


class State(Enum):
    """What a file here is to its object in S3."""

    NEW = "new"  # nothing is there
    SAME = "same"
    CHANGED = "changed"  # it changed here since: its object is to be replaced
    OLDER = "older"  # S3 has something newer, which stays

    @property
    def is_wanted(self) -> bool:
        """Whether the file is to be sent."""
        return self in (State.NEW, State.CHANGED)


@dataclass(frozen=True)
class Sent:
    """What a folder remembers of an object: the file of this size and time is what is there.
    ``touched``: the time of a file that got a new one here but no new content, where that counts
    (``touched``); else 0."""

    size: int
    modified: int
    etag: str
    touched: int = 0


@dataclass(frozen=True)
class Begun:
    """A large upload that was begun: of the file of this size and time, in parts of ``part``
    bytes."""

    upload: str
    size: int
    modified: int
    part: int


def at_a_glance(file: LocalFile, there: Object | None, sent: Sent | None) -> State | None:
    """The state as far as a listing tells; None where the object must be looked at."""
    if there is None:
        return State.NEW
    known = (sent.size, sent.modified, sent.etag) if sent else None
    if known == (file.size, file.modified, there.etag) and there.size == file.size:
        return State.SAME
    return None


def touched(file: LocalFile, there: Object, sent: Sent | None) -> int:
    """From when on (ns) a file with the content of its object counts as changed all the same, as in
    Snakemake, which compares the content of single small files only; else 0.

    Only if this folder knew it with another time: in another clone all times are new.
    """
    if sent is None or sent.etag != there.etag or file.modified < sent.modified:
        return 0
    if file.modified == sent.modified:
        return sent.touched
    return file.modified if file.below or file.size > SMALL else 0


def judged(file: LocalFile, there: Object, origin: int | None, same: bool) -> State:
    """The state after a look. ``origin``: the time of the file that was uploaded, where the object
    says it (ns); ``same``: whether the contents are the same."""
    if same:
        return State.SAME
    age = origin if origin is not None else int(there.modified * 1e9)
    return State.CHANGED if file.modified >= age else State.OLDER


def origin_of(metadata: Mapping[str, str]) -> int | None:
    """The time that an object's metadata names (ns); None for an object that was not uploaded."""
    text = metadata.get(MODIFIED, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


class SentFiles:
    """The note of one launch folder, by URL. For any number of threads; never raises for a note
    that cannot be read or written, which costs questions only."""

    def __init__(self, root: Path) -> None:
        self._path = root / PLACE
        self._lock = threading.Lock()
        self._sent: dict[str, Sent] = {}
        self._begun: dict[str, Begun] = {}
        self._changed = False
        with suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
            read = json.loads(self._path.read_text())
            self._sent = {str(url): Sent(**each) for url, each in read["sent"].items()}
            self._begun = {str(url): Begun(**each) for url, each in read["begun"].items()}

    def sent(self, url: str) -> Sent | None:
        with self._lock:
            return self._sent.get(url)

    def begun(self, url: str) -> Begun | None:
        with self._lock:
            return self._begun.get(url)

    def is_same(self, url: str, sent: Sent) -> None:
        """This file is what is there now."""
        with self._lock:
            if self._sent.get(url) != sent or url in self._begun:
                self._begun.pop(url, None)
                self._sent[url] = sent
                self._changed = True

    def begin(self, url: str, begun: Begun | None) -> None:
        """An upload in parts was begun, or (None) is no more. Written at once: it must outlive a
        kill."""
        with self._lock:
            if begun:
                self._begun[url] = begun
            else:
                self._begun.pop(url, None)
            self._changed = True
        self.save()

    def save(self) -> None:
        """Writes the note, if it has changed."""
        with self._lock:
            if not self._changed:
                return
            self._changed = False
            kept = dict(list(self._sent.items())[-MOST:])
            parts = {
                "sent": {url: asdict(each) for url, each in kept.items()},
                "begun": {url: asdict(each) for url, each in self._begun.items()},
            }
            with suppress(OSError):
                files.write(self._path, json.dumps(parts))
