"""The packages of a lock, each from S3 where it is kept by its content, else from its channel; new
ones are stored there, so that each is downloaded once for all environments."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from ....supervisor.body import Body
from ....supervisor.connection import Connection
from ....supervisor.errors import LocalError, Stopped, amount, of_s3, say
from ....supervisor.problems import CONDA, Cause
from ....supervisor.s3 import ERRORS, S3, S3Error
from ....supervisor.s3_bootstrap import split_url
from ....supervisor.taskspec import EXIT_STAGE_OUT
from ..lock import LockedPackage
from ..solve import Measured
from .fetch import CHUNK, Channels, Digests, Wrong, name_in_store, verify

#: Packages that are fetched at once.
THREADS = 12
#: Statuses of a condition that does not hold, or that another writer was quicker at.
THERE_ALREADY = (409, 412)


@dataclass(frozen=True)
class Counts:
    """How many packages came from S3 and from channels, and their bytes."""

    stored: int
    downloaded: int
    size: int


class Packages:
    """``prefix``: the URL below which packages are kept; ``folder``: where they are put, by their
    file names."""

    def __init__(
        self, s3: S3, prefix: str, channels: Channels, folder: Path, stop: threading.Event
    ) -> None:
        self._s3, self._prefix, self._channels, self._stop = s3, prefix, channels, stop
        self._folder = folder

    def get(self, packages: Sequence[LockedPackage]) -> Counts:
        """Gets all packages. Raises ``BuildFailure``, and
        ``OSError`` of the disk."""
        pool = ThreadPoolExecutor(THREADS)
        try:
            found = list(pool.map(self._get, packages))
        except BaseException:
            self._stop.set()  # the others' failures would say the same
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        size = sum((self._folder / package.filename).stat().st_size for package in packages)
        return Counts(sum(found), len(found) - sum(found), size)

    def measure(self, url: str) -> Measured:
        """Downloads a package of which only the address is known, and says what it is. Raises as
        ``get``."""
        name = unquote(url.rsplit("/", 1)[1])
        path = self._folder / name
        with path.open("w+b") as file:
            digests = self._channels.download(url, file)
        found = Measured(digests.sha256, digests.md5, digests.size)
        self._store(f"{self._prefix}{found.sha256}-{name}", path, replace=False)
        return found

    def _get(self, package: LockedPackage) -> bool:
        """Whether it was in S3."""
        if self._stop.is_set():
            raise Stopped
        path, url = self._folder / package.filename, self._prefix + name_in_store(package)
        if path.exists():  # it has been measured
            verify(path, package)
            return False
        damaged = False
        with path.open("w+b") as file:
            try:
                if self._from_store(package, url, file):
                    return True
            except Wrong as wrong:
                say(f"{url} is damaged ({wrong}) and is stored again.")
                damaged = True
            self._channels.download(package.url, file, package)
        self._store(url, path, replace=damaged)
        return False

    def _store(self, url: str, path: Path, replace: bool) -> None:
        try:
            put(self._s3, url, path, self._stop, replace)
        except ERRORS as error:
            raise of_s3(error, EXIT_STAGE_OUT, Cause.STAGE_OUT, CONDA, url) from error

    def _from_store(self, package: LockedPackage, url: str, file: BinaryIO) -> bool:
        """Whether it is there. Raises ``Wrong``."""
        bucket, key = split_url(url)
        digests = Digests()

        def read(answer: Connection) -> None:
            nonlocal digests
            digests = Digests()
            _locally(url, lambda: (file.seek(0), file.truncate()))
            buffer = memoryview(bytearray(CHUNK))
            while count := answer.readinto(buffer):
                if self._stop.is_set():
                    raise Stopped
                digests.update(bytes(buffer[:count]))
                _locally(url, lambda count=count: file.write(buffer[:count]))  # type: ignore[misc]

        try:
            self._s3.request("GET", bucket, key, read=read)
        except S3Error as error:
            # 403: not there, for a role that may not list the bucket.
            if error.status in (403, 404):
                return False
            raise of_s3(error, EXIT_STAGE_OUT, Cause.STAGE_IN, CONDA, url) from error
        except ERRORS as error:
            raise of_s3(error, EXIT_STAGE_OUT, Cause.STAGE_IN, CONDA, url) from error
        file.flush()
        digests.check(package)
        return True


def _locally(url: str, step: Callable[[], object]) -> None:
    """A step that the disk can fail; as an ``OSError`` it would be the network's."""
    try:
        step()
    except OSError as error:
        raise LocalError(error, url) from error


def put(s3: S3, url: str, path: Path, stop: threading.Event, replace: bool = True) -> None:
    """Stores a file by its content; without ``replace`` only where nothing is there. Raises one of
    ``s3.ERRORS``."""
    bucket, key = split_url(url)
    body = Body(str(path), 0, path.stat().st_size, stop)
    condition = {} if replace else {"if-none-match": "*"}
    try:
        s3.request("PUT", bucket, key, headers=condition, body=body)
    except S3Error as error:
        if condition and error.status in THERE_ALREADY:
            return
        if condition and error.status == 501:  # another S3 than AWS's, without conditions
            s3.request("PUT", bucket, key, body=body)
            return
        raise


def described(counts: Counts) -> str:
    """For the job's log."""
    return (
        f"{counts.stored + counts.downloaded:,} packages ({amount(counts.size)}): "
        f"{counts.downloaded:,} downloaded from their channels, {counts.stored:,} from S3."
    )
