"""Outputs and logs from the working directory to S3: in parallel, each body's SHA-256 signed, and
never over what a later attempt has stored."""

from __future__ import annotations

import os
import stat
import threading
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from . import checksum, fence, tree
from .body import Body
from .download import EXECUTABLE, Totals
from .errors import Failure, LocalError, of_s3, say, words
from .fence import Stamp
from .input_lookup import list_keys
from .problems import OUTPUTS, Cause, Facts, Problem
from .s3 import ERRORS, S3, S3Error, with_address
from .s3_address import split_url
from .s3_terms import Terms
from .store import Store, Superseded
from .taskspec import EXIT_STAGE_OUT, Output
from .thread_pool import Task, run_all
from .tree import TIMESTAMP, Unstorable

#: Larger files go in parts.
MULTIPART = 64 * 1024 * 1024
#: Metadata of an output that its rule declares protected().
PROTECTED = "snakemake-protected"


class Local(NamedTuple):
    """A file and its URL; its size in bytes if that is known."""

    path: str
    url: str
    headers: Mapping[str, str] = {}
    size: Optional[int] = None


class _Directory(NamedTuple):
    """A directory output: ``url`` ends in a slash."""

    url: str
    files: List[Local]


def stage_out(
    s3: S3,
    outputs: Sequence[Output],
    work: str,
    stop: threading.Event,
    own: Stamp = Stamp(),  # noqa: B008  immutable
) -> Totals:
    """Stores all outputs that have a URL; they have been checked before. ``own``: this attempt's
    stamp. Raises ``Failure``."""
    store = Store(s3, own)
    try:
        files, directories = _wanted(outputs, work, s3.terms)
        stored = Stored(store)
        try:
            run_all([lambda d=d: _first_look(store, d) for d in directories], s3.threads, stop)  # type: ignore[misc]
            below = [file for directory in directories for file in directory.files]
            totals = put_files(s3, [*files, *below], stop, stored=stored)
            for directory in directories:
                _settle(stored, directory, stop)
        except Superseded:
            # Files in a later attempt's directory that are not its own.
            _withdraw(stored, directories)
            raise
    except Superseded as error:
        facts = Facts(file=error.url, words=words(str(error)))
        raise Failure(EXIT_STAGE_OUT, Cause.STAGE_OUT, Problem.SUPERSEDED, facts) from error
    except Unstorable as error:
        facts = Facts(activity=OUTPUTS, words=words(str(error)))
        raise Failure(EXIT_STAGE_OUT, Cause.STAGE_OUT, Problem.UNSTORABLE, facts) from error
    except LocalError as error:
        facts = Facts(file=error.path, words=words(error.reason))
        raise Failure(EXIT_STAGE_OUT, Cause.STAGE_OUT, Problem.UNREADABLE, facts) from error
    except (*ERRORS, ValueError) as error:
        raise of_s3(error, EXIT_STAGE_OUT, Cause.STAGE_OUT, OUTPUTS) from error
    return totals


class Stored:
    """The uploads of one attempt, so that they can be recognised and withdrawn."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.stamps: Dict[str, Stamp] = {}  # by URL


def put_files(
    s3: S3,
    files: Sequence[Local],
    stop: threading.Event,
    own: Stamp = Stamp(),  # noqa: B008
    stored: Optional[Stored] = None,
) -> Totals:
    """Stores files under their URLs. Raises ``Superseded``, ``Unstorable``, or an error of S3 or
    the disk, with the URL."""
    stored = stored or Stored(Store(s3, own))
    sized = []
    for item in files:
        _check_key(item.url)
        try:
            state = os.stat(item.path)
        except OSError as error:
            raise LocalError(error, item.path) from error
        size = state.st_size if item.size is None else item.size
        sized.append((size, _as_program(item) if _is_program(state.st_mode) else item))
    tasks: List[Task] = []
    begun: List[Multipart] = []
    for size, item in sorted(sized, key=lambda pair: -pair[0]):
        if size > MULTIPART:
            from .multipart import Multipart  # most jobs have none

            large = Multipart(stored.store, item.path, item.url, item.headers, size, stop)
            begun.append(large)
            tasks += large.tasks()
        else:
            tasks.append(lambda item=item, size=size: _put(stored, item, size, stop))  # type: ignore[misc]
    try:
        run_all(tasks, s3.threads, stop)
    except BaseException:
        for multipart in begun:
            multipart.abort()
        raise
    finally:
        stored.stamps.update({large.url: large.stamp for large in begun if large.done})
    return Totals(len(sized), sum(size for size, _ in sized))


def _is_program(mode: int) -> bool:
    return stat.S_ISREG(mode) and bool(mode & stat.S_IXUSR)


def _as_program(item: Local) -> Local:
    return item._replace(headers={**item.headers, "x-amz-meta-" + EXECUTABLE: "true"})


def _wanted(
    outputs: Sequence[Output], work: str, terms: Terms
) -> Tuple[List[Local], List[_Directory]]:
    """The files of outputs, and the directories with theirs."""
    files: List[Local] = []
    directories: List[_Directory] = []
    for output in outputs:
        if output.url is None:
            continue
        path = os.path.join(work, output.path)
        headers = {} if output.temporary else terms.of_result()
        if output.protected:
            headers["x-amz-meta-" + PROTECTED] = "true"
        if not output.directory:
            files.append(Local(path, output.url, headers))
            continue
        url = output.url.rstrip("/") + "/"
        try:
            found = tree.walk(path)
        except Unstorable as error:
            raise Unstorable(f"in {output.path}, {error}") from None
        except OSError as error:
            raise LocalError(error, error.filename or path) from error
        if found.left_out:
            say(tree.left_out_line(output.path, found.left_out))
        below = [Local(file.path, url + file.name, headers, file.size) for file in found.files]
        for name in found.empty:
            sign = f"{name}/{TIMESTAMP}" if name else TIMESTAMP
            below.append(Local(os.devnull, url + sign, headers, 0))
        directories.append(_Directory(url, below))
    return files, directories


def _check_key(url: str) -> None:
    """Raises ``Unstorable`` for a name that S3 does not accept."""
    try:
        key = split_url(url)[1].encode("utf-8")
    except UnicodeEncodeError:
        raise Unstorable(
            f"the name {tree.shown(url)} is not UTF-8, as names in S3 must be"
        ) from None
    if len(key) > tree.LONGEST_KEY:
        raise Unstorable(
            f"the name {tree.shown(url)} has {len(key):,} bytes and S3 accepts {tree.LONGEST_KEY:,}"
        )


def _put(stored: Stored, item: Local, size: int, stop: threading.Event) -> None:
    bucket, key = split_url(item.url)
    store, stamp = stored.store, stored.store.stamp()
    body = Body(item.path, 0, size, stop)

    def send(condition: Mapping[str, str]) -> None:
        headers = {
            **item.headers,
            **condition,
            fence.HEADER: stamp.text(),
            checksum.CRC32: checksum.encoded(body.crc32),
        }
        store.s3.request("PUT", bucket, key, headers=headers, body=body)

    try:
        seen = store.first_look(bucket, key, size, stamp)
        store.write(bucket, key, stamp, send, lambda: body.crc32, seen)
    except (S3Error, OSError) as error:
        raise with_address(item.url, error) from error
    stored.stamps[item.url] = stamp


def _first_look(store: Store, directory: _Directory) -> None:
    """Raises ``Superseded`` if a later attempt has begun to store the directory: its files may have
    other names than this attempt's."""
    bucket, key = split_url(directory.url)
    try:
        there = next(list_keys(store.s3, bucket, key, most=1), None)
    except S3Error as error:
        if error.status != 403:
            raise
        return
    if there is not None:
        store.judge(bucket, there.key, store.look(bucket, there.key), store.own)


def _settle(stored: Stored, directory: _Directory, stop: threading.Event) -> None:
    """Cleans up the directory after all files of this attempt are stored: removes other files, and
    stores files again that an earlier attempt has removed."""
    store = stored.store
    bucket, prefix = split_url(directory.url)
    try:
        there = {old.key: old.url for old in list_keys(store.s3, bucket, prefix)}
    except S3Error as error:
        if error.status != 403:
            raise
        say(
            f"files of an earlier {directory.url} may be left there: the jobs' role has no "
            f"permission to list {bucket}."
        )
        return
    new: Set[str] = {file.url for file in directory.files}
    run_all(
        [
            lambda key=key: store.remove(bucket, key)  # type: ignore[misc]
            for key, url in there.items()
            if url not in new and not key.endswith("/")
        ],
        store.s3.threads,
        stop,
    )
    known = set(there.values())
    lost = [file for file in directory.files if file.url not in known]
    if lost:
        put_files(store.s3, lost, stop, stored=stored)


def _withdraw(stored: Stored, directories: Sequence[_Directory]) -> None:
    below = [file.url for directory in directories for file in directory.files]
    tasks: List[Task] = [
        lambda url=url: stored.store.withdraw(*split_url(url), stored.stamps[url])  # type: ignore[misc]
        for url in below
        if url in stored.stamps
    ]
    try:
        run_all(tasks, stored.store.s3.threads, threading.Event())
    except ERRORS as error:
        say(f"the files that this attempt has stored could not be removed again ({error}).")
