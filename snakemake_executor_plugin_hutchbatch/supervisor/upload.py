"""Outputs and logs from the working directory to S3: in parallel, each body's SHA-256 signed."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import (
    Any,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from .download import Totals
from .errors import Failure, LocalError, Stopped, of_s3, say
from .listing import THREADS, head, list_keys
from .pool import Task, run_all
from .problems import OUTPUTS, Cause, Facts, Problem
from .s3 import ERRORS, S3, Answer, S3Error, with_address
from .seed import field, split_url
from .taskspec import EXIT_STAGE_OUT, Output
from .wire import Connection

#: Larger files go in parts. S3 takes parts of 5 MiB to 5 GiB, 10,000 at most.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MULTIPART = 64 * 1024 * 1024
PART = 16 * 1024 * 1024
MOST_PARTS = 10_000
#: What Snakemake itself puts into directories: here the only sign that an empty one can leave in
#: S3 (not every S3-alike takes the usual key that ends in a slash).
TIMESTAMP = ".snakemake_timestamp"
#: The mark of a protected() output, as ``storage_plugin.py`` reads it.
PROTECTED = {"x-amz-meta-snakemake-protected": "true"}
#: Bytes read from the file at once, for each thread.
CHUNK = 256 * 1024


class Local(NamedTuple):
    """One file and the address it goes to."""

    path: str
    url: str
    headers: Mapping[str, str] = {}


class Body:
    """A stretch of a file as the body of a request: read anew for the digest and for each try, so
    memory stays small whatever the size. A small one is kept."""

    def __init__(self, path: str, start: int, size: int, stop: threading.Event) -> None:
        self._path, self._start, self.size, self._stop = path, start, size, stop
        self._digest = ""
        self._kept: List[bytes] = []

    @property
    def sha256(self) -> str:
        if not self._digest:
            digest = hashlib.sha256()
            for chunk in self:
                digest.update(chunk)
                if self.size <= CHUNK:
                    self._kept.append(chunk)
            self._digest = digest.hexdigest()
        return self._digest

    def __iter__(self) -> Iterator[bytes]:
        return iter(list(self._kept)) if self._kept else self._chunks()

    def _chunks(self) -> Iterator[bytes]:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                place, end = self._start, self._start + self.size
                while place < end:
                    chunk = os.pread(descriptor, min(CHUNK, end - place), place)
                    if not chunk:
                        raise OSError(0, "it became shorter while it was stored", self._path)
                    if self._stop.is_set():
                        raise Stopped
                    yield chunk
                    place += len(chunk)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise LocalError(error, self._path) from error


def stage_out(s3: S3, outputs: Sequence[Output], work: str, stop: threading.Event) -> Totals:
    """Stores all outputs that have an address. They were checked before."""
    try:
        files: List[Local] = []
        stale: List[Task] = []
        for output in outputs:
            if output.url is None:
                continue
            path = os.path.join(work, output.path)
            headers = PROTECTED if output.protected else {}
            if not output.directory:
                files.append(Local(path, output.url, headers))
                continue
            below = [
                item._replace(headers=headers) for item in _walk(path, output.url.rstrip("/"), work)
            ]
            if not below:
                s3.put(output.url.rstrip("/") + "/" + TIMESTAMP, b"")
            files += below
            new = {item.url for item in below} or {output.url.rstrip("/") + "/" + TIMESTAMP}
            stale += _stale(s3, output.url, new)
        totals = put_files(s3, files, stop)
        run_all(stale, THREADS, stop)
        return totals
    except LocalError as error:
        facts = Facts(file=error.path, words=error.reason)
        raise Failure(EXIT_STAGE_OUT, Cause.STAGE_OUT, Problem.UNREADABLE, facts) from error
    except (*ERRORS, ValueError) as error:
        raise of_s3(error, EXIT_STAGE_OUT, Cause.STAGE_OUT, OUTPUTS) from error


def put_files(s3: S3, files: Sequence[Local], stop: threading.Event) -> Totals:
    """Stores files as they are named. Raises what S3 or the disk raised, with the address."""
    sized = []
    for item in files:
        try:
            sized.append((os.stat(item.path).st_size, item))
        except OSError as error:
            raise LocalError(error, item.path) from error
    tasks: List[Task] = []
    begun: List[_Multipart] = []
    for size, item in sorted(sized, key=lambda pair: -pair[0]):
        if size > MULTIPART:
            begun.append(_Multipart(s3, item, size, stop))
            tasks += begun[-1].tasks()
        else:
            tasks.append(lambda item=item, size=size: _put(s3, item, size, stop))  # type: ignore[misc]
    try:
        run_all(tasks, THREADS, stop)
    except BaseException:
        for multipart in begun:
            multipart.abort()
        raise
    return Totals(len(sized), sum(size for size, _ in sized))


def _put(s3: S3, item: Local, size: int, stop: threading.Event) -> None:
    bucket, key = split_url(item.url)
    try:
        s3.request("PUT", bucket, key, headers=item.headers, body=Body(item.path, 0, size, stop))
    except (S3Error, OSError) as error:
        raise with_address(item.url, error) from error


class _Multipart:
    """One large file on its way."""

    def __init__(self, s3: S3, item: Local, size: int, stop: threading.Event) -> None:
        self._s3, self._item, self._size, self._stop = s3, item, size, stop
        self._bucket, self._key = split_url(item.url)
        self._lock = threading.Lock()
        self._id = ""
        self._done = False
        self._etags: Dict[int, str] = {}
        # Whole pieces of CHUNK, at most MOST_PARTS of them.
        self._part = max(PART, -(-size // (MOST_PARTS * CHUNK)) * CHUNK)
        self._count = -(-size // self._part)

    def tasks(self) -> List[Task]:
        return [
            lambda number=number: self._send(number)  # type: ignore[misc]
            for number in range(1, self._count + 1)
        ]

    def abort(self) -> None:
        if self._id and not self._done:
            try:
                self._request("DELETE", [("uploadId", self._id)])
            except ERRORS:
                pass  # the bucket's life-cycle rule, if any, removes the parts

    def _request(
        self,
        method: str,
        query: Sequence[Tuple[str, str]],
        body: Any = b"",
        headers: Optional[Mapping[str, str]] = None,
    ) -> Answer:
        return self._s3.request(
            method, self._bucket, self._key, query=query, headers=headers, body=body
        )

    def _begin(self) -> str:
        with self._lock:
            if not self._id:
                begun = self._request("POST", [("uploads", "")], headers=self._item.headers)
                self._id = field(begun.value, "UploadId")
            return self._id

    def _send(self, number: int) -> None:
        try:
            start = (number - 1) * self._part
            body = Body(self._item.path, start, min(self._part, self._size - start), self._stop)
            query = [("partNumber", str(number)), ("uploadId", self._begin())]
            etag = self._request("PUT", query, body).headers.get("etag", "")
            with self._lock:
                self._etags[number] = etag
                last = len(self._etags) == self._count
            if last:
                self._complete()
        except (S3Error, OSError) as error:
            raise with_address(self._item.url, error) from error

    def _complete(self) -> None:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            for number, etag in sorted(self._etags.items())
        )
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        text = f'<CompleteMultipartUpload xmlns="{space}">{parts}</CompleteMultipartUpload>'

        def read(answer: Connection) -> None:
            # S3 says 200 before it has tried, and the error in the body.
            data = answer.read()
            if b"<Error>" in data:
                raise ConnectionError(field(data, "Code"))

        try:
            self._s3.request(
                "POST",
                self._bucket,
                self._key,
                query=[("uploadId", self._id)],
                body=text.encode(),
                read=read,
            )
        except S3Error as error:
            # After a lost answer the upload is gone because it is complete: the size tells.
            if error.status != 404:
                raise
        stored = head(self._s3, self._bucket, self._key)
        if stored is None or stored.size != self._size:
            raise S3Error(0, "WrongSize", "it did not arrive whole")
        self._done = True


def _walk(folder: str, url: str, work: str) -> Iterator[Local]:
    """Files of a directory output, recursively. Links to folders are followed inside the working
    directory only, links to files always: it is the content that counts."""
    root = os.path.realpath(work) + os.sep
    seen: Set[str] = set()

    def walk(path: str, prefix: str) -> Iterator[Local]:
        real = os.path.realpath(path)
        if real in seen or not (real + os.sep).startswith(root):
            return
        seen.add(real)
        for name in sorted(os.listdir(path)):
            inner = os.path.join(path, name)
            if os.path.isdir(inner):
                yield from walk(inner, prefix + name + "/")
            else:
                yield Local(inner, url + "/" + prefix + name)

    try:
        yield from walk(folder, "")
    except OSError as error:
        raise LocalError(error, error.filename or folder) from error


def _stale(s3: S3, url: str, new: Set[str]) -> List[Task]:
    """Removals of what an earlier directory at ``url`` had and the new one has not."""
    bucket, key = split_url(url.rstrip("/") + "/")
    try:
        there = list(list_keys(s3, bucket, key))
    except S3Error as error:
        if error.status != 403:
            raise
        say(f"files of an earlier {url} may be left there: the job role may not list {bucket}.")
        return []
    return [
        lambda old=old: _delete(s3, old.bucket, old.key)  # type: ignore[misc]
        for old in there
        if old.url not in new and not old.key.endswith("/")
    ]


def _delete(s3: S3, bucket: str, key: str) -> None:
    s3.request("DELETE", bucket, key)
