"""Fetches inputs from S3 to the working directory: in parallel, in bounded memory, never in part.

Small files take one GET, large ones several ranged GETs that write to their own parts of the file.
Each file has a temporary name until it is complete.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, Union

from . import checksum
from .checksum import Check, Damaged
from .connection import Connection, Truncated
from .errors import Failure, LocalError, Stopped, amount, of_s3, say
from .input_lookup import Remote, find, head
from .problems import INPUTS, Cause, Facts, Problem
from .s3 import ERRORS, S3, S3Error, with_address
from .taskspec import EXIT_STAGE_IN, Input
from .thread_pool import Task, run_all

#: Bytes of one ranged GET: large enough that its request costs nothing, small enough for a retry.
PART = 16 * 1024 * 1024
#: Bytes handed from the connection to the file at once, for each thread.
CHUNK = 256 * 1024
#: How often a file is fetched if it changes in S3 meanwhile, or if the bytes are not what S3 has.
TRIES = 3
#: Metadata of an object whose file is a program: S3 keeps no modes.
EXECUTABLE = "hutchbatch-executable"


class Replaced(Exception):
    """The object in S3 is another than the one that was looked up."""


class Totals(NamedTuple):
    files: int
    size: int


def stage_in(
    s3: S3,
    inputs: Sequence[Input],
    work: str,
    free: Callable[[], int],
    stop: threading.Event,
    disk_mb: Optional[int] = None,
    make_room: Callable[[int], None] = lambda needed: None,
) -> Totals:
    """Fetches all inputs. ``free``: bytes free on the scratch disk; ``make_room``: removes what is
    kept there for later jobs, until so many are free."""
    size = room = 0
    try:
        found = find(s3, inputs, work, stop, PART)
        if found.missing:
            raise _absent(found.missing)
        size = sum(remote.size for remote in found.files)
        room = free()
        if size > room:
            make_room(size)
            room = free()
        if size > room:
            # Not a failure yet: the Hutch's scratch disk is a volume that grows as it fills.
            say(
                f"the inputs need {amount(size)} and the scratch has {amount(room)} free now; "
                "they are fetched anyway, because it may grow."
            )
        try:
            for folder in {os.path.dirname(remote.path) for remote in found.files}:
                os.makedirs(folder, exist_ok=True)
            for folder in found.folders:
                os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise LocalError(error, error.filename or work) from error
        tasks: List[Task] = []
        # Large files first, so that no thread ends alone with one.
        for remote in sorted(found.files, key=lambda remote: -remote.size):
            tasks += FileDownload(s3, remote, stop).tasks()
        run_all(tasks, s3.threads, stop)
    except LocalError as error:
        facts = Facts(activity=INPUTS, needed=size, free=room, disk_mb=disk_mb)
        raise error.failure(EXIT_STAGE_IN, Cause.STAGE_IN, facts) from error
    except (*ERRORS, ValueError) as error:
        raise of_s3(error, EXIT_STAGE_IN, Cause.STAGE_IN, INPUTS) from error
    return Totals(len(found.files), size)


def _absent(missing: Sequence[Input]) -> Failure:
    facts = Facts(files=tuple(item.url for item in missing[:3]), count=len(missing))
    return Failure(EXIT_STAGE_IN, Cause.STAGE_IN, Problem.ABSENT, facts)


class FileDownload:
    """The transfer of one file, in one or several parts.

    ``finished``: called at the end with the CRC32 of the whole, and whether it is a program. With
    it, an object that has been replaced since it was looked up is not fetched: ``Replaced``.
    """

    def __init__(
        self,
        s3: S3,
        remote: Remote,
        stop: threading.Event,
        tries: int = TRIES,
        finished: Optional[Callable[[int, bool], None]] = None,
    ) -> None:
        self._s3, self._remote, self._stop, self._tries = s3, remote, stop, tries
        self._finished = finished
        self._lock = threading.Lock()
        folder = os.path.dirname(remote.path)
        self._temporary = os.path.join(folder, ".hutchbatch-" + os.urandom(8).hex())
        self._descriptor: Optional[int] = None
        self._parts = max(1, -(-remote.size // PART))
        self._ended = 0
        self._given_up = False
        self._executable = False
        # For a file in parts. CRC32s of parts combine; for another digest the file is read again in
        # order, as far as it is complete.
        self._check: Optional[Check] = None
        self._crcs: Dict[int, Tuple[int, int]] = {}
        self._come: Set[int] = set()
        self._checked = 0
        self._checking = threading.Lock()

    def tasks(self) -> List[Task]:
        if self._parts == 1:
            return [self._whole]
        return [
            lambda start=start: self._part(start)  # type: ignore[misc]
            for start in range(0, self._remote.size, PART)
        ]

    def _whole(self) -> List[Task]:
        """A file in one GET."""
        remote = self._remote

        def read(answer: Connection) -> None:
            self._executable = is_executable(answer.headers)
            check = checksum.of_object(answer.headers)
            descriptor = self._open()
            summed = self._summed()
            if remote.size <= CHUNK:
                data = answer.read()
                if len(data) != remote.size:
                    raise Truncated(f"{len(data)} of {remote.size} bytes came")
                self._write(descriptor, memoryview(data), 0)
                for each in (check, summed):
                    if each:
                        each.update(data)
            else:
                self._copy(answer, descriptor, 0, remote.size, check, summed)
            if check:
                check.verify()
            if summed:
                self._crcs[0] = summed.crc, remote.size

        return self._fetch({**checksum.ASK, **self._condition()}, read)

    def _part(self, start: int) -> List[Task]:
        """One part of a large file."""
        remote = self._remote
        length = min(PART, remote.size - start)
        headers = {"range": f"bytes={start}-{start + length - 1}", **self._condition()}

        def read(answer: Connection) -> None:
            if answer.status != 206:
                raise S3Error(answer.status, "NoRange", "ranges are not supported")
            with self._lock:
                self._executable = is_executable(answer.headers)
                # Checksums in an answer with a range would be those of the range.
                check = self._check = (
                    self._check
                    or checksum.of_object(remote.headers)
                    or checksum.of_etag(answer.headers)
                )
            joins = check is not None and check.kind == "crc32"
            part = Check("crc32", b"") if joins else self._summed()
            self._copy(answer, self._open(), start, length, part)
            if part:
                self._crcs[start] = part.crc, length
            if not joins:
                self._come.add(start)
                self._follow(wait=False)

        return [] if self._given_up else self._fetch(headers, read)

    def _summed(self) -> Optional[Check]:
        """What computes the CRC32, if somebody wants it."""
        return Check("crc32", b"") if self._finished else None

    def _condition(self) -> Dict[str, str]:
        return {"if-match": self._remote.etag} if self._remote.etag else {}

    def _fetch(self, headers: Dict[str, str], read: Callable[[Connection], None]) -> List[Task]:
        remote = self._remote
        try:
            self._s3.request("GET", remote.bucket, remote.key, headers=headers, read=read)
            with self._lock:
                self._ended += 1
                last = self._ended == self._parts and not self._given_up
            if last:
                self._follow(wait=True)
                self._finish()
        except Stopped:
            if not self._given_up:
                raise
        except (Damaged, S3Error, OSError) as error:
            if isinstance(error, Damaged) or (isinstance(error, S3Error) and error.status == 412):
                return self._again(error)
            raise with_address(remote.url, error) from error
        return []

    def _again(self, error: Exception) -> List[Task]:
        """Fetches the whole file again: the object has been replaced (412), or the bytes are not
        what S3 has. Other parts in progress stop."""
        with self._lock:
            if self._given_up:
                return []
            self._given_up = True
        remote = self._remote
        if self._tries <= 1:
            what = str(error) if isinstance(error, Damaged) else "it keeps changing"
            raise S3Error(0, "", f"{remote.url}: {what}")
        if not isinstance(error, Damaged):
            if self._finished:
                raise Replaced(remote.url) from error
            newer = head(self._s3, remote.bucket, remote.key)
            if newer is None:
                raise S3Error(0, "", f"{remote.url}: it has been deleted")
            remote = newer._replace(path=remote.path)
        if self._descriptor is not None:
            try:
                os.unlink(self._temporary)
                os.ftruncate(
                    self._descriptor, 0
                )  # others may still have it open; the space is needed
            except OSError as problem:
                raise LocalError(problem, remote.path) from problem
        return FileDownload(self._s3, remote, self._stop, self._tries - 1, self._finished).tasks()

    def _copy(
        self,
        answer: Connection,
        descriptor: int,
        start: int,
        length: int,
        *checks: Optional[Check],
    ) -> None:
        view = memoryview(bytearray(CHUNK))
        done = 0
        while True:
            count = answer.readinto(view)
            if self._stop.is_set() or self._given_up:
                raise Stopped
            if not count or done + count > length:
                break
            self._write(descriptor, view[:count], start + done)
            for check in checks:
                if check:
                    check.update(view[:count])
            done += count
        if done != length or count:
            raise Truncated(f"{done + count} of {length} bytes came")

    def _write(self, descriptor: int, data: memoryview, place: int) -> None:
        try:
            while data:
                count = os.pwrite(descriptor, data, place)
                data, place = data[count:], place + count
        except OSError as error:
            raise LocalError(error, self._remote.path) from error

    def _follow(self, wait: bool) -> None:
        """Checks the bytes up to the first gap, one thread at a time; only the last one must
        ``wait`` for its turn."""
        check, descriptor = self._check, self._descriptor
        if check is None or descriptor is None or not self._checking.acquire(wait):
            return
        try:
            if check.kind == "crc32":
                check.join(self._crcs[start] for start in sorted(self._crcs))
                check.verify()
                return
            view = memoryview(bytearray(CHUNK))
            while self._checked in self._come:
                place, end = self._checked, min(self._checked + PART, self._remote.size)
                while place < end and not self._stop.is_set():
                    count = os.preadv(descriptor, [view[: end - place]], place)
                    check.update(view[:count])
                    place += count or end
                self._checked += PART
            if self._checked >= self._remote.size:
                check.verify()
        finally:
            self._checking.release()

    def _open(self) -> int:
        with self._lock:
            if self._given_up:
                raise Stopped
            if self._descriptor is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                try:
                    self._descriptor = os.open(self._temporary, flags, 0o666)
                    if self._remote.size > PART:
                        _reserve(self._descriptor, self._remote.size)
                except OSError as error:
                    raise LocalError(error, self._remote.path) from error
            return self._descriptor

    def _finish(self) -> None:
        remote, descriptor = self._remote, self._descriptor
        try:
            if descriptor is None or os.fstat(descriptor).st_size != remote.size:
                raise S3Error(0, "WrongSize", f"{remote.url} did not arrive completely")
            # The object's time, for tools that compare times; never in the future, even if the
            # clocks differ.
            modified = min(remote.modified, time.time())
            os.utime(descriptor, (modified, modified))
            if self._executable:
                make_executable(descriptor)
            os.close(descriptor)
            os.replace(self._temporary, remote.path)
            if self._finished:
                crc = checksum.joined(self._crcs[start] for start in sorted(self._crcs))
                self._finished(crc, self._executable)
        except OSError as error:
            raise LocalError(error, remote.path) from error


def is_executable(headers: Mapping[str, str]) -> bool:
    """Whether an object's file was a program when it was stored."""
    return headers.get("x-amz-meta-" + EXECUTABLE) == "true"


def make_executable(file: Union[int, str]) -> None:
    """Whoever may read the file may run it. Raises ``OSError``."""
    mode = stat.S_IMODE(os.stat(file).st_mode)
    os.chmod(file, mode | (mode & 0o444) >> 2)


def _reserve(descriptor: int, size: int) -> None:
    """Reserves the space, so that a full disk is noticed before the transfer."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise  # musl does not emulate it if the file system lacks it
