"""What is known about one bucket, and for how long it counts. Pure: times come from the caller.

The time of a question is when it began: its answer is at least as old.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

#: With so many questions about a folder, listing it is cheaper.
LIST_FROM = 8
#: Answers of a listing that was interrupted, after which it has been worth it.
WORTH = 50
#: Objects remembered at most, about 400 bytes each; then all are forgotten and asked for again. As
#: many as 100,000 jobs have inputs, outputs and logs, several times over.
MOST = 1_000_000
#: Sorts after all that is in a key.
LAST = "\U0010ffff"

#: Storage classes from which objects must be restored before they can be read; the third archives
#: what is not used for long, where its bucket says so.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
TIERED = "INTELLIGENT_TIERING"


class Object(NamedTuple):
    """One object (or the sum of a directory's). ``modified`` in seconds since the epoch.
    ``storage_class``: empty for the usual one; of a directory, one that may be archived, if it has
    such objects."""

    size: int
    modified: float
    etag: str
    directory: bool = False
    storage_class: str = ""

    @property
    def identity(self) -> str:
        return f"{self.etag}:{self.size}:{self.modified:.0f}"


class Folder(NamedTuple):
    """A directory of which only its existence is known."""


class Absent(NamedTuple):
    """Neither an object nor a directory."""


Fact = Object | Folder | Absent


def ancestors(key: str) -> Iterator[str]:
    """``a/b/c`` → ``a``, ``a/b``."""
    place = key.find("/")
    while place != -1:
        yield key[:place]
        place = key.find("/", place + 1)


class Memory:
    """One bucket. Not for several threads at once."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._facts: dict[str, tuple[float, Object | Folder]] = {}
        self._absent: dict[str, float] = {}
        self._folders: dict[str, float] = {}
        self._lists: dict[str, tuple[float, str | None]] = {}
        self._voids: dict[str, float] = {}
        self._changed: dict[str, float] = {}
        self._misses: dict[str, int] = {}
        self._limits: dict[str, float] = {}
        self._hits: dict[str, int] = {}  # of listings that were interrupted
        #: How often all was forgotten: a listing begun before that is not whole.
        self.generation = 0

    def answer(self, key: str, absent_since: float) -> Fact | None:
        """None if S3 must be asked. ``absent_since``: an older \"there is none\" does not count."""
        since = self._voids.get(key, 0.0)
        for folder in ancestors(key):
            since = max(since, self._voids.get(folder, 0.0))
        begun, fact = self._facts.get(key, (-1.0, None))
        if isinstance(fact, Object) and not fact.directory and begun >= since:
            self._hit(key)
            return fact
        since = max(since, self._changed.get(key, 0.0))
        if fact is not None and begun >= since:
            return fact
        if self._folders.get(key, -1.0) >= since:
            return Folder()
        since = max(since, absent_since)
        if self._absent.get(key, -1.0) >= since or self._outside(key, since):
            return Absent()
        return None

    def _hit(self, key: str) -> None:
        """Counts an answer that interrupted listings may have given: those that give many are worth
        going on with soon."""
        for prefix, hits in self._hits.items():
            if key.startswith(prefix):
                self._hits[prefix] = hits + 1
                if hits + 1 == WORTH:
                    self._limits[prefix] = LIST_FROM

    def _outside(self, key: str, since: float) -> bool:
        """Whether a listing that began since then should have had the key and did not."""
        for prefix in ("", *(f"{folder}/" for folder in ancestors(key))):
            begun, until = self._lists.get(prefix, (-1.0, None))
            # A directory's objects end before key + "0", the character after the slash.
            if begun >= since and (until is None or key + "0" <= until):
                return True
        return False

    def add(self, key: str, known: Fact, begun: float) -> None:
        """An answer to a question that began then; ignored if what is known is newer."""
        if begun < self._facts.get(key, (begun, None))[0] or begun < self._absent.get(key, begun):
            return
        if isinstance(known, Absent):
            self._facts.pop(key, None)
            if self._folders.get(key, -1.0) <= begun:
                self._folders.pop(key, None)
            self._absent[key] = begun
            return
        self._absent.pop(key, None)
        self._facts[key] = (begun, known)
        for folder in ancestors(key):
            if self._folders.get(folder, -1.0) < begun:
                self._folders[folder] = begun

    def make_room(self) -> None:
        """Call this before answers are added: forgets everything if there is too much."""
        if len(self._facts) + len(self._absent) >= self._most:
            for memory in (self._facts, self._absent, self._folders, self._lists, self._hits):
                memory.clear()
            self.generation += 1

    def void(self, key: str, now: float) -> None:
        """What was known then about the key, and all below it, no longer counts."""
        self._voids[key] = max(now, self._voids.get(key, now))
        for folder in ancestors(key):  # their sums changed; they are gone, or there, with it
            self._changed[folder] = max(now, self._changed.get(folder, now))

    def miss(self, key: str) -> str | None:
        """Counts a question that memory cannot answer. Returns the deepest folder with so many
        questions that listing it is cheaper; the whole bucket only for keys without a folder."""
        worth = None
        for prefix in [f"{folder}/" for folder in ancestors(key)] or [""]:
            self._misses[prefix] = self._misses.get(prefix, 0) + 1
            if self._misses[prefix] >= self._limits.get(prefix, LIST_FROM):
                worth = prefix
        return worth

    def start_listing(self, prefix: str, now: float, oldest: float) -> tuple[float, str | None]:
        """When a listing counts as begun, and the key after which it continues: where one that
        began since ``oldest`` was interrupted."""
        begun, until = self._lists.pop(prefix, (-1.0, None))
        return (now, None) if until is None or begun < oldest else (begun, until)

    def beyond(self, prefix: str, key: str, oldest: float) -> tuple[str, float] | None:
        """Where a listing of the prefix that has come to a key may go on: behind what other
        listings, of folders below or above, have shown since ``oldest``; and when that began."""
        for folder in ("", *(f"{each}/" for each in ancestors(key))):
            begun, until = self._lists.get(folder, (-1.0, ""))
            behind = f"{folder}{LAST}" if until is None else until
            if begun >= oldest and behind > key and behind.startswith(prefix):
                return behind, begun
        return None

    def questions(self, prefix: str) -> int:
        """How many were asked about the prefix since it was last listed, whoever answered."""
        return self._misses.get(prefix, 0) + self._hits.get(prefix, 0)

    def end_listing(self, prefix: str, begun: float, until: str | None) -> None:
        """All keys below the prefix were listed, or those up to ``until``: then it takes four times
        as many questions to continue, until what was listed has answered ``WORTH``."""
        self._lists[prefix] = (begun, until)
        self._misses[prefix] = 0
        if until is None:
            self._hits.pop(prefix, None)
        else:
            self._hits[prefix] = 0
            self._limits[prefix] = 4 * self._limits.get(prefix, LIST_FROM)

    def deny(self, prefix: str) -> None:
        """The prefix may not be listed."""
        self._hits.pop(prefix, None)
        self._limits[prefix] = float("inf")
