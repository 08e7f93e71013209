"""Inputs that the jobs of one host share: one of them fetches each, all have a file of their own.

Before each use the job's own role asks S3, so that nobody gets what they may not read, and nobody
what has been replaced. A thing in the cache stands for exactly that: its key is a digest of what
S3 says of the objects.

Where jobs have links, a job that writes to its input changes it for all. Each looks for that when
its commands have ended, before it stores anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from .cache_folder import Unshared, folder_of
from .download import FileDownload, Replaced, Totals
from .errors import Failure, LocalError, of_s3, say
from .host_cache import Entry, HostCache
from .input_lookup import Remote, find
from .private_copy import Kept, Way, give, is_as_kept
from .problems import INPUTS, Cause, Facts, Problem
from .s3 import ERRORS, S3, S3Error, with_address
from .shared_damage import Link, damaged
from .taskspec import EXIT_SHARED, EXIT_STAGE_IN, Input, TaskSpec
from .thread_pool import Task, run_all

#: Most things that a job uses at once: each takes a descriptor. The largest are shared.
MOST = 128
#: How many are got ready at once.
AT_ONCE = 8
#: How often an object that changes meanwhile is looked up.
TRIES = 3
#: In the cache, beside the files, which are called by their number.
LISTING = "facts.json"
#: Behind the key of a thing that a job has written to: its name in the cache, for later jobs.
WRITTEN = ".written"


@dataclass
class _Wanted:
    """An input, and what S3 says of it: its files in the order of their keys, and its folders."""

    item: Input
    files: List[Remote]
    folders: List[str]
    may_decrypt: bool = True
    #: The place of each file in the job.
    paths: List[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.files.sort(key=lambda file: file.key)
        self.paths = [file.path for file in self.files]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def is_known(self) -> bool:
        """Whether S3 has answered this job for each file, and says which version that is."""
        known = bool(self.files) and self.may_decrypt
        return known and all(file.headers and file.etag for file in self.files)


@dataclass
class _Had:
    """A thing in use. ``links``: what leads into the cache; ``stays``: whether it takes space that
    nobody wins by removing it from the cache."""

    key: str
    entry: Entry
    links: List[Link] = field(default_factory=list)
    stays: bool = False


class SharedInputs:
    """Those of one job. ``stop`` ends all waiting."""

    def __init__(self, s3: S3, task: TaskSpec, copies: bool, stop: threading.Event) -> None:
        self._s3, self._task, self._copies, self._stop = s3, task, copies, stop
        self._folder = folder_of(task.scratch)
        self._cache = HostCache(self._folder, stop)
        self._had: List[_Had] = []
        self._lock = threading.Lock()
        self._files = self._fetched = 0

    @property
    def totals(self) -> Totals:
        """Files that were handed out, and the bytes that this job itself has fetched."""
        return Totals(self._files, self._fetched)

    def hand_out(self, inputs: Sequence[Input], work: str) -> List[Input]:
        """Puts the inputs into ``work``; those that cannot be shared are left, and returned.

        Raises ``Failure`` and ``Stopped``.
        """
        left: List[Input] = []
        alone: Dict[str, List[str]] = {}
        try:
            wanted = self._look_up(inputs, work)
            wanted.sort(key=lambda each: -each.size)
            chosen = [each for each in wanted if each.is_known][:MOST]
            threads = max(1, self._s3.threads // max(1, min(AT_ONCE, len(chosen))))

            def task(each: _Wanted) -> None:
                try:
                    self._hand_out(each, work, threads)
                except Unshared as why:
                    with self._lock:
                        left.append(each.item)
                        alone.setdefault(str(why), []).append(each.item.path)

            tasks: List[Task] = [lambda each=each: task(each) for each in chosen]  # type: ignore[misc]
            run_all(tasks, AT_ONCE, self._stop)
        except LocalError as error:
            facts = Facts(activity=INPUTS, disk_mb=self._task.disk_mb)
            raise error.failure(EXIT_STAGE_IN, Cause.STAGE_IN, facts) from error
        except (*ERRORS, ValueError) as error:
            raise of_s3(error, EXIT_STAGE_IN, Cause.STAGE_IN, INPUTS) from error
        for why, names in alone.items():
            say(f"{_some(names)} cannot be shared and is fetched for this job alone: {why}.")
        used = {id(each.item) for each in chosen}
        return left + [item for item in inputs if id(item) not in used]

    def changed(self) -> Optional[Failure]:
        """What to end with if somebody has written to what this job has links to."""
        names: List[str] = []
        for had in self._had:
            bad = damaged(had.links)
            names += bad
            if bad:
                self._remember(had.key)
        if not names:
            return None
        facts = Facts(files=tuple(sorted(names)[:3]), count=len(names))
        return Failure(EXIT_SHARED, Cause.HOST, Problem.SHARED_CHANGED, facts)

    def release(self) -> None:
        for had in self._had:
            had.entry.release()
        self._had.clear()

    def _look_up(self, inputs: Sequence[Input], work: str) -> List[_Wanted]:
        """Asks S3 about each object, with the job's own role."""
        found: List[_Wanted] = []

        def look(item: Input) -> None:
            # Files of more than -1 bytes are asked for by name: a listing proves no permission.
            got = find(self._s3, [item], work, self._stop, large=-1)
            found.append(_Wanted(item, got.files, got.folders, self._may_decrypt(got.files)))

        tasks: List[Task] = [lambda item=item: look(item) for item in inputs]  # type: ignore[misc]
        run_all(tasks, AT_ONCE, self._stop)
        return found

    def _may_decrypt(self, files: Sequence[Remote]) -> bool:
        """HEAD needs no permission to decrypt: one byte does. False where an object has changed
        since. Raises ``S3Error``."""
        replaced: List[Remote] = []

        def prove(file: Remote) -> None:
            headers = {"range": "bytes=0-0", "if-match": file.etag}
            try:
                self._s3.request("GET", file.bucket, file.key, headers=headers)
            except (S3Error, OSError) as error:
                if not (isinstance(error, S3Error) and error.status == 412):
                    raise with_address(file.url, error) from error
                replaced.append(file)

        secret = [
            file
            for file in files
            if file.size
            and file.headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
        ]
        tasks: List[Task] = [lambda file=file: prove(file) for file in secret]  # type: ignore[misc]
        run_all(tasks, self._s3.threads, self._stop)
        return not replaced

    def _hand_out(self, wanted: _Wanted, work: str, threads: int) -> None:
        """Raises ``Unshared``, ``LocalError``, ``Stopped`` and errors of S3."""
        for _ in range(TRIES):
            key = key_of(self._s3.endpoint or "", wanted.files)
            try:
                entry = self._entry(key, wanted, threads)
            except Replaced:
                wanted = self._look_up([wanted.item], work)[0]
                if not wanted.is_known:
                    raise Unshared("it is being replaced in S3") from None
                continue
            break
        else:
            raise Unshared("it keeps changing in S3")
        had = _Had(key, entry)
        try:
            self._give(wanted, had)
        except BaseException as error:
            entry.release()
            if isinstance(error, LocalError) and error.full:
                raise Unshared("there is no room for a copy beside the one for all") from error
            raise
        if had.stays:
            with self._lock:
                self._had.append(had)
        else:
            entry.release()

    def _entry(self, key: str, wanted: _Wanted, threads: int) -> Entry:
        def make(folder: str) -> None:
            try:
                facts = self._fetch(wanted.files, folder, threads)
                with open(os.path.join(folder, LISTING), "w", encoding="ascii") as file:
                    json.dump(facts, file)
            except OSError as error:
                raise LocalError(error, folder) from error

        try:
            return self._cache.entry(key, make, wanted.size, wanted.item.url)
        except LocalError as error:
            if not error.full:
                raise
            raise Unshared(f"there is no room for it beside what is in use ({error})") from error

    def _fetch(self, files: Sequence[Remote], folder: str, threads: int) -> List[Kept]:
        """Downloads into a folder of the cache, with all checks. Raises ``Replaced`` for another
        version than was looked up."""
        got: Dict[int, Tuple[int, bool]] = {}
        tasks: List[Task] = []
        for number in sorted(range(len(files)), key=lambda number: -files[number].size):

            def finished(crc: int, executable: bool, number: int = number) -> None:
                got[number] = crc, executable

            remote = files[number]._replace(path=os.path.join(folder, str(number)))
            tasks += FileDownload(self._s3, remote, self._stop, finished=finished).tasks()
        run_all(tasks, threads, self._stop)
        kept = []
        for number, file in enumerate(files):
            place = os.path.join(folder, str(number))
            crc, executable = got[number]
            each = Kept(file.size, _state(place).st_mtime_ns, crc, executable)
            os.chmod(place, each.mode)
            kept.append(each)
        with self._lock:
            self._fetched += sum(file.size for file in files)
        return kept

    def _give(self, wanted: _Wanted, had: _Had) -> None:
        """Raises ``Unshared`` if what was copied has been written to."""
        kept = _facts(had.entry.path)
        if len(kept) != len(wanted.files):
            raise Unshared("its copy on this machine is damaged")
        for folder in {*wanted.folders, *map(os.path.dirname, wanted.paths)}:
            try:
                os.makedirs(folder, exist_ok=True)
            except OSError as error:
                raise LocalError(error, folder) from error
        private = self._copies or self._is_written(had.key)
        for number, (path, each) in enumerate(zip(wanted.paths, kept)):
            source = os.path.join(had.entry.path, str(number))
            way = give(source, path, each, private, self._stop)
            state = _state(source)
            had.stays = had.stays or way is not Way.COPY
            if way is Way.LINK:
                had.links.append(Link(source, path, state.st_ino, each, wanted.item.path))
            elif not is_as_kept(state, each):
                raise Unshared("another job has just written to it")
        with self._lock:
            self._files += len(wanted.files)

    def _is_written(self, key: str) -> bool:
        return os.path.isdir(os.path.join(self._folder, key + WRITTEN))

    def _remember(self, key: str) -> None:
        """Later jobs of this host get copies of what jobs write to."""
        nothing: Callable[[str], None] = lambda folder: None  # noqa: E731
        try:
            self._cache.entry(key + WRITTEN, nothing).release()
        except (Unshared, LocalError):
            pass


def key_of(endpoint: str, files: Sequence[Remote]) -> str:
    """What stands for the content of these objects, in this order. Pure."""
    said = [
        (each.bucket, each.key, each.etag, each.headers.get("x-amz-version-id", ""), each.size)
        for each in files
    ]
    return hashlib.sha256(json.dumps([endpoint, said]).encode()).hexdigest()[:32]


def _state(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError as error:
        raise LocalError(error, path) from error


def _facts(content: str) -> List[Kept]:
    """Raises ``Unshared``."""
    try:
        with open(os.path.join(content, LISTING), encoding="ascii") as file:
            return [Kept(*each) for each in json.load(file)]
    except (OSError, ValueError, TypeError) as error:
        raise Unshared("its copy on this machine is damaged") from error


def _some(names: Sequence[str]) -> str:
    more = len(names) - 3
    return ", ".join(sorted(names)[:3]) + (f" and {more:,} more" if more > 0 else "")
