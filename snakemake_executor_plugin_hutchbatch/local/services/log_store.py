"""Log groups and streams as files that outlive the run: one file a stream, one line an event."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

#: Where AWS Batch sends output unless the job definition says otherwise.
BATCH_GROUP = "/aws/batch/job"
#: A GetLogEvents answer at most (AWS's limits).
MOST_EVENTS, MOST_BYTES = 10_000, 1024 * 1024
NO_GROUP = "The specified log group does not exist."


@dataclass(frozen=True)
class Event:
    """``timestamp`` in milliseconds since 1970; ``offset`` and ``end``: its position in its
    stream's file, in bytes."""

    timestamp: int
    message: str
    offset: int
    end: int


@dataclass(frozen=True)
class Stream:
    """A stream's name and first and last moment, in milliseconds since 1970."""

    name: str
    first: int
    last: int


class NoSuchStream(LookupError):
    """The group or the stream does not exist; the text is AWS's."""


class LogStore:
    """``directory/GROUP/STREAM.log`` (names percent-encoded) contains ``MILLISECONDS TEXT`` lines.
    Nothing is kept in memory."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._clock = clock
        self._lock = threading.Lock()
        (directory / quote(BATCH_GROUP, safe="")).mkdir(parents=True, exist_ok=True)

    def has_group(self, group: str) -> bool:
        return self._folder(group).is_dir()

    def create_group(self, group: str) -> bool:
        """False if it exists."""
        if self.has_group(group):
            return False
        self._folder(group).mkdir()
        return True

    def delete_group(self, group: str) -> None:
        """With all its streams. Raises NoSuchStream."""
        if not self.has_group(group):
            raise NoSuchStream(NO_GROUP)
        shutil.rmtree(self._folder(group))

    def append(self, group: str, stream: str, line: str) -> None:
        """Adds an event now. Safe from any thread. The group is made: whoever writes has seen that
        it exists, or was asked to make it."""
        file = self._file(group, stream)
        text = f"{int(self._clock() * 1000)} {line}\n".encode(errors="replace")
        with self._lock:
            file.parent.mkdir(exist_ok=True)
            with file.open("ab") as opened:
                opened.write(text)

    def groups(self, prefix: str = "") -> list[str]:
        names = [unquote(folder.name) for folder in self._directory.iterdir()]
        return sorted(name for name in names if name.startswith(prefix))

    def streams(self, group: str, prefix: str = "") -> list[Stream]:
        """The streams of a group whose names begin with ``prefix``, by name."""
        folder = self._folder(group)
        if not folder.is_dir():
            raise NoSuchStream(NO_GROUP)
        found = []
        for file in folder.glob("*.log"):
            name = unquote(file.name.removesuffix(".log"))
            if name.startswith(prefix):
                first = next(_events(file, 0), None)
                last = int(file.stat().st_mtime * 1000)
                found.append(Stream(name, first.timestamp if first else last, last))
        return sorted(found, key=lambda stream: stream.name)

    def size(self, group: str, stream: str, late: float = 0.0) -> int:
        """Bytes of a stream's file: the offset after its last event, or the last one that is
        ``late`` seconds old."""
        file = self._existing(group, stream)
        if not late:
            return file.stat().st_size
        newest = self.newest(late)
        return max((e.end for e in _events(file, 0) if e.timestamp <= newest), default=0)

    def newest(self, late: float) -> float:
        """The timestamp of events that are ``late`` seconds old."""
        return (self._clock() - late) * 1000

    def forward(self, group: str, stream: str, offset: int = 0) -> Iterator[Event]:
        """Events from ``offset`` on."""
        return _events(self._existing(group, stream), offset)

    def backward(self, group: str, stream: str, offset: int) -> Iterator[Event]:
        """Events that end at or before ``offset``, the latest first."""
        return _events_backward(self._existing(group, stream), offset)

    def _existing(self, group: str, stream: str) -> Path:
        if not self.has_group(group):
            raise NoSuchStream(NO_GROUP)
        file = self._file(group, stream)
        if not file.is_file():
            raise NoSuchStream("The specified log stream does not exist.")
        return file

    def _folder(self, group: str) -> Path:
        return self._directory / quote(group, safe="")

    def _file(self, group: str, stream: str) -> Path:
        return self._folder(group) / f"{quote(stream, safe='')}.log"


def _event(line: bytes, offset: int) -> Event:
    timestamp, _, message = line.rstrip(b"\n").partition(b" ")
    return Event(int(timestamp), message.decode(errors="replace"), offset, offset + len(line))


def _events(file: Path, offset: int) -> Iterator[Event]:
    with file.open("rb") as opened:
        opened.seek(offset)
        for line in opened:
            if not line.endswith(b"\n"):
                return  # still being written
            yield _event(line, offset)
            offset += len(line)


def _events_backward(file: Path, end: int, block: int = 64 * 1024) -> Iterator[Event]:
    with file.open("rb") as opened:
        rest = b""
        position = end
        while position > 0:
            step = min(block, position)
            position -= step
            opened.seek(position, os.SEEK_SET)
            rest = opened.read(step) + rest
            # only "\n" ends an event: bytes.splitlines would also cut at a lone "\r"
            lines = [line + b"\n" for line in rest.removesuffix(b"\n").split(b"\n")]
            at = position + len(rest)
            keep = 1 if position > 0 else 0  # the first may begin in the block before
            for line in reversed(lines[keep:]):
                at -= len(line)
                yield _event(line, at)
            rest = lines[0] if keep else b""
