"""A range of a file as the body of a request."""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from typing import Iterator, List

from .errors import LocalError, Stopped

#: Bytes read from the file at once, for each thread.
CHUNK = 256 * 1024


class Body:
    """Read again for the digests and for each attempt, so memory stays small whatever the size.
    Small bodies are kept in memory."""

    def __init__(self, path: str, start: int, size: int, stop: threading.Event) -> None:
        self._path, self._start, self.size, self._stop = path, start, size, stop
        self._sha256 = ""
        self._crc32 = 0
        self._kept: List[bytes] = []

    @property
    def sha256(self) -> str:
        self._digest()
        return self._sha256

    @property
    def crc32(self) -> int:
        self._digest()
        return self._crc32

    def _digest(self) -> None:
        if self._sha256:
            return
        digest = hashlib.sha256()
        for chunk in self:
            digest.update(chunk)
            self._crc32 = zlib.crc32(chunk, self._crc32)
            if self.size <= CHUNK:
                self._kept.append(chunk)
        self._sha256 = digest.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        return iter(list(self._kept)) if self._kept else self._chunks()

    def _chunks(self) -> Iterator[bytes]:
        if not self.size:
            return
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                place = 0
                while place < self.size:
                    chunk = self._piece(descriptor, place, CHUNK)
                    yield chunk
                    place += len(chunk)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise LocalError(error, self._path) from error

    def _piece(self, descriptor: int, place: int, most: int) -> bytes:
        chunk = os.pread(descriptor, min(most, self.size - place), self._start + place)
        if not chunk:
            raise OSError(0, "it became shorter while it was being stored", self._path)
        if self._stop.is_set():
            raise Stopped
        return chunk

    def read(self, place: int, most: int) -> bytes:
        """Up to ``most`` bytes of the body from an offset on; empty at its end."""
        if place >= self.size:
            return b""
        if self._kept:
            return b"".join(self._kept)[place : place + most]
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return self._piece(descriptor, place, most)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise LocalError(error, self._path) from error
