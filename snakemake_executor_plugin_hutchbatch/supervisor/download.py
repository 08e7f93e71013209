"""Inputs from S3 to the working directory: in parallel, in bounded memory, never half a file.

Small files take one GET, large ones several ranged ones that write to their own places of the file.
Each file grows under a temporary name and gets its own only when it is whole.
"""

from __future__ import annotations

import http.client
import os
import threading
import time
from typing import Callable, List, NamedTuple, Optional, Sequence

from .errors import Failure, LocalError, Stopped, amount
from .listing import THREADS, Remote, find, head
from .pool import run_all
from .s3 import S3, S3Error, Truncated
from .seed import CredentialsError
from .taskspec import EXIT_STAGE_IN, Input

#: Bytes of one ranged GET: large enough that its request costs nothing, small enough for a retry.
PART = 16 * 1024 * 1024
#: Bytes handed from the connection to the file at once, for each thread.
CHUNK = 256 * 1024
#: How often a file that changes in S3 while it is fetched is begun anew.
CHANGES = 3


class Totals(NamedTuple):
    files: int
    size: int


def stage_in(
    s3: S3,
    inputs: Sequence[Input],
    work: str,
    free: Callable[[], int],
    stop: threading.Event,
) -> Totals:
    """Fetches all inputs. ``free``: bytes that the scratch still has."""
    size = 0
    try:
        found = find(s3, inputs, work, stop)
        if found.missing:
            raise _absent(found.missing)
        size = sum(remote.size for remote in found.files)
        room = free()
        if size > room:
            raise Failure(
                EXIT_STAGE_IN,
                "STAGE_IN",
                f"no space left on scratch: the inputs need {amount(size)}, but only "
                f"{amount(room)} are free. Give the rule a larger disk_mb, or run fewer jobs at "
                "once.",
            )
        try:
            for folder in {os.path.dirname(remote.path) for remote in found.files}:
                os.makedirs(folder, exist_ok=True)
            for folder in found.folders:
                os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise LocalError(error, error.filename or work) from error
        tasks: List[Callable[[], None]] = []
        # Large files first, so that none is left alone at the end.
        for remote in sorted(found.files, key=lambda remote: -remote.size):
            tasks += _File(s3, remote, stop).tasks()
        run_all(tasks, THREADS, stop)
    except LocalError as error:
        what = "no space left on scratch" if error.full else f"the scratch failed ({error.reason})"
        raise Failure(
            EXIT_STAGE_IN,
            "STAGE_IN",
            f"{what} while fetching inputs of {amount(size)}, at {error.path}. Give the rule a "
            "larger disk_mb, or run fewer jobs at once.",
        ) from error
    except (S3Error, OSError, http.client.HTTPException, CredentialsError, ValueError) as error:
        raise Failure(
            EXIT_STAGE_IN,
            "STAGE_IN",
            f"the inputs could not be fetched: {error or type(error).__name__}. "
            "Check that the job role may read them.",
        ) from error
    return Totals(len(found.files), size)


def _absent(missing: Sequence[Input]) -> Failure:
    names = ", ".join(item.url for item in missing[:3])
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    verb = "do" if len(missing) > 1 else "does"
    return Failure(
        EXIT_STAGE_IN,
        "STAGE_IN",
        f"{names}{more} {verb} not exist in S3. Check the rule's input, and that nothing deletes "
        "it while the workflow runs.",
    )


class _File:
    """One file on its way, in one or several parts."""

    def __init__(self, s3: S3, remote: Remote, stop: threading.Event) -> None:
        self._s3, self._remote, self._stop = s3, remote, stop
        self._lock = threading.Lock()
        folder = os.path.dirname(remote.path)
        self._temporary = os.path.join(folder, ".hutchbatch-" + os.urandom(8).hex())
        self._descriptor: Optional[int] = None
        self._left = max(1, -(-remote.size // PART))

    def tasks(self) -> List[Callable[[], None]]:
        if self._left == 1:
            return [self._whole]
        return [
            lambda start=start: self._part(start)  # type: ignore[misc]
            for start in range(0, self._remote.size, PART)
        ]

    def _whole(self) -> None:
        for change in range(CHANGES):
            try:
                self._part(0)
                return
            except S3Error as error:
                # 412: another object lies there since we looked.
                newer = error.status == 412 and head(
                    self._s3, self._remote.bucket, self._remote.key
                )
                if not newer or newer.size > PART or change == CHANGES - 1:
                    raise
                self._remote = newer._replace(path=self._remote.path)
                os.ftruncate(self._open(), 0)

    def _part(self, start: int) -> None:
        remote = self._remote
        length = min(PART, remote.size - start)
        whole = length == remote.size
        headers = {"If-Match": remote.etag} if remote.etag else {}
        if not whole:
            headers["Range"] = f"bytes={start}-{start + length - 1}"
        descriptor = self._open()

        def read(response: http.client.HTTPResponse) -> None:
            if not whole and response.status != 206:
                raise S3Error(response.status, "NoRange", f"{remote.url}: ranges are not served")
            self._copy(response, descriptor, start, length)

        try:
            self._s3.request("GET", remote.bucket, remote.key, headers=headers, read=read)
        except S3Error as error:
            raise S3Error(error.status, "", f"{remote.url}: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            raise S3Error(0, "", f"{remote.url}: {error or type(error).__name__}") from error
        with self._lock:
            self._left -= 1
            last = self._left <= 0
        if last:
            self._finish()

    def _copy(
        self, response: http.client.HTTPResponse, descriptor: int, start: int, length: int
    ) -> None:
        done = 0
        if length <= CHUNK:
            data = response.read()
            done = len(data)
            if done == length:
                self._write(descriptor, data, start)
        else:
            view = memoryview(bytearray(CHUNK))
            while True:
                count = response.readinto(view)
                if not count:
                    break
                if self._stop.is_set():
                    raise Stopped
                if done + count <= length:
                    self._write(descriptor, view[:count], start + done)
                done += count
        if done != length:
            raise Truncated(f"{done} of {length} bytes came")

    def _write(self, descriptor: int, data: memoryview | bytes, place: int) -> None:
        try:
            while data:
                count = os.pwrite(descriptor, data, place)
                data, place = data[count:], place + count
        except OSError as error:
            raise LocalError(error, self._remote.path) from error

    def _open(self) -> int:
        with self._lock:
            if self._descriptor is None:
                try:
                    self._descriptor = os.open(
                        self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666
                    )
                    if self._remote.size > PART:
                        # Reserved at once: a full disk is known before the bytes have come.
                        os.posix_fallocate(self._descriptor, 0, self._remote.size)
                except OSError as error:
                    raise LocalError(error, self._remote.path) from error
            return self._descriptor

    def _finish(self) -> None:
        remote, descriptor = self._remote, self._descriptor
        try:
            if descriptor is None or os.fstat(descriptor).st_size != remote.size:
                raise S3Error(0, "WrongSize", f"{remote.url} did not arrive whole")
            os.close(descriptor)
            # As old as the object, so that tools that compare ages are content; never in the
            # future, whatever the clocks say.
            modified = min(remote.modified, time.time())
            os.utime(self._temporary, (modified, modified))
            os.replace(self._temporary, remote.path)
        except OSError as error:
            raise LocalError(error, remote.path) from error
