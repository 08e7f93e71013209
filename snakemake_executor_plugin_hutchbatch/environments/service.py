"""The environments of one run: each is locked, looked for, built once, and then given to those who
wait for it.

Threads of a pool lock, look and submit; one more asks Batch about all builds at once. Whatever goes
wrong with one environment is said once, and fails only what needs it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import errors
from ..planning.conda_specs import CondaSpec
from ..planning.requirements import PlanError
from ..settlement.failure_cause import Failure
from ..settlement.retry_policy import Resubmit
from ..submission.submit_job import SubmissionError
from ..supervisor.taskspec import TaskSpec
from ..text import tracebacks
from ..tracking.news import Ended
from . import claims, messages
from .build_job import Build
from .claims import Claim, HeldClaim, Step
from .entries import Entries, Entry
from .found import EnvironmentFailed, Stage
from .protocols import Builder, Follower, Record, Shelf

#: Seconds between two looks at a claim whose job does not show yet.
AGAIN_SECONDS = 5.0
#: Builds of other runs that may fail before this run builds by itself, and its own submissions
#: that may end without the environment: more would be for ever.
MOST_BUILDS = 3
#: Environments that are locked, looked for or submitted at once.
THREADS = 4


class Environments:
    """Thread-safe. ``say`` and ``warn`` take a line for the person at the terminal."""

    def __init__(
        self,
        shelf: Shelf,
        claims_: claims.Claims,
        builder: Builder,
        follower: Follower,
        record: Record,
        say: Callable[[str], None],
        warn: Callable[[Sequence[str]], None],
        *,
        me: tuple[str, str],
        seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``me``: this run's user and id; ``seconds`` between two questions about builds."""
        self._shelf = shelf
        self._claims = claims_
        self._builder = builder
        self._follower = follower
        self._say = say
        self._warn = warn
        self._me = me
        self._seconds = seconds
        self._clock = clock
        self._tasks: dict[str, TaskSpec] = {}
        self._following: dict[str, tuple[Build, list[Entry]]] = {}
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self.entries = Entries(record, self._stopped.is_set)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hutchbatch-conda")
        self._thread: threading.Thread | None = None

    def want(self, wanted: Iterable[CondaSpec]) -> None:
        """Sees that these will be there."""
        fresh = self.entries.begun(wanted, self._clock())
        for entry in fresh:
            self._submit(entry)
        if fresh:
            self._start()

    def stop(self) -> None:
        """Ctrl-C: nothing more is built, and this run's own builds are ended."""
        self._stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if own := self.own_builds():
            self._follower.cancel(own)

    def own_builds(self) -> list[str]:
        """Ids of the jobs of this run that build, as far as is known."""
        with self._lock:
            return [job_id for job_id, (build, _) in self._following.items() if build.ours]

    def close(self) -> None:
        """Returns when nothing is under way any more here. Builds go on, for later runs."""
        self._stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()

    # One environment, in threads of the pool

    def _look(self, entry: Entry) -> None:
        """Whether it is there; else who builds it, or that this run does."""
        key = self._key(entry)
        if self._found(entry, key):
            return
        url = self._shelf.claim(entry.spec, key)
        held = self._claims.read(url)
        job = self._follower.job(held.claim) if held and held.claim else None
        step = claims.decide(held, job)
        if step is Step.FOLLOW and held and held.claim and job:
            self._follow(entry, held.claim, url, job["jobId"])
        elif step is Step.CLAIM and entry.builds < MOST_BUILDS:
            # Its job may have ended just now, with the environment.
            if not (held and self._found(entry, self._key(entry))):
                self._build(entry, url, held)
        elif step is Step.CLAIM:
            raise EnvironmentFailed("the jobs that build it ended well, but it is not there")
        else:
            self.entries.set(entry, stage=Stage.WAITING)
            self._look_later(entry)

    def _key(self, entry: Entry) -> str | None:
        """The key of its lock, which the job that built it may have made."""
        locked = entry.locked
        if locked is None or locked.key is None:
            locked = entry.locked = self._shelf.lock(entry.spec)
        if entry.state.key != (locked.key or ""):
            self.entries.set(entry, key=locked.key, packages=locked.packages, size=locked.size)
        return locked.key

    def _found(self, entry: Entry, key: str | None) -> bool:
        built = self._shelf.find(key) if key else None
        if built is None:
            return False
        before = self.entries.found(entry, built, self._clock())
        self._say(messages.ready(before, entry.state))
        self.entries.release(entry)
        return True

    def _build(self, entry: Entry, url: str, held: HeldClaim | None) -> None:
        key = entry.locked.key if entry.locked else None
        build, task = self._builder.prepare(entry.spec, key, url)
        claim = Claim(*self._me, build.plan.queue, build.name)
        etag = self._claims.write(url, claim, held.etag if held else None)
        if etag is None:
            self._look_later(entry, 0.0)  # somebody else was faster
            return
        if key and self._found(entry, key):
            return
        self._send([entry], build, task, claim, etag)

    def _send(
        self, entries: list[Entry], build: Build, task: TaskSpec, claim: Claim, etag: str
    ) -> None:
        if self._stopped.is_set():
            return
        sent, job_id = self._builder.submit(build, task)
        with self._lock:
            self._tasks[build.url] = task
            self._following[job_id] = (sent, list(entries))
        self._claims.write(build.url, replace(claim, job_id=job_id), etag)
        for entry in entries:
            self._building(entry, sent.plan.queue, job_id, ours=True)
            self._say(messages.building(entry.state))
        self._follower.add(job_id, sent)

    def _follow(self, entry: Entry, claim: Claim, url: str, job_id: str) -> None:
        build = self._builder.of_other(entry.spec, claim, url)
        with self._lock:
            known = self._following.get(job_id)
            if known:
                known[1].append(entry)
            else:
                self._following[job_id] = (build, [entry])
        ours = bool(known and known[0].ours)
        self._building(entry, claim.queue, job_id, ours)
        self._say(messages.followed(entry.state, claim.user))
        if not known:
            self._follower.add(job_id, build)

    def _building(self, entry: Entry, queue: str, job_id: str, ours: bool) -> None:
        now = self._clock()
        self.entries.set(
            entry, stage=Stage.BUILDING, began=now, queue=queue, job_id=job_id, ours=ours
        )

    # All builds, in one thread

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="hutchbatch-builds", daemon=True
                )
                self._thread.start()

    def _watch(self) -> None:
        while not self._stopped.wait(self._seconds):
            with tracebacks.logged("Builds of environments could not be asked about."):
                self.entries.count_waiting()
                for ended in self._follower.poll().ended:
                    if self._stopped.is_set():
                        return
                    self._pool.submit(_logged, self._ended, ended)

    def _ended(self, ended: Ended[Build]) -> None:
        with self._lock:
            build, entries = self._following.pop(ended.job_id)
        for entry in entries:
            entry.builds += 1
        if self._stopped.is_set():
            return
        outcome = None
        try:
            outcome = self._follower.end(ended) if build.ours else None
            if isinstance(outcome, Resubmit):
                self._say(outcome.line)
                self._send_again(entries, build, outcome)
                return
        except Exception as error:
            tracebacks.log(f"What follows the end of a build could not be done: {error!r}")
        if isinstance(outcome, Failure):
            self._fail_all(entries, ended, outcome)
            return
        for entry in entries:
            self._look_guarded(entry)

    def _send_again(self, entries: list[Entry], build: Build, step: Resubmit) -> None:
        again = self._builder.again(build, step)
        held = self._claims.read(build.url)
        claim = Claim(*self._me, again.plan.queue, again.name)
        etag = None
        if held is None or held.claim is None or held.claim.job_name == build.name:
            etag = self._claims.write(build.url, claim, held.etag if held else None)
        if etag is None:  # another run has taken over since the job ended
            for entry in entries:
                self._look_guarded(entry)
            return
        self._send(entries, again, self._tasks[build.url], claim, etag)

    def _fail_all(self, entries: list[Entry], ended: Ended[Build], failure: Failure) -> None:
        lines = messages.failed(entries[0].state, failure, self._follower.tail(ended))
        self._warn(lines)
        for entry in entries:
            self._fail(entry, failure.sentence, say=False)

    # Ends

    def _look_guarded(self, entry: Entry) -> None:
        """``_look``, whose failures are the environment's."""
        try:
            self._look(entry)
        except (EnvironmentFailed, SubmissionError, PlanError) as error:
            self._fail(entry, str(error))
        except (ClientError, BotoCoreError) as error:
            self._fail(entry, errors.explain(error, "looking for it").rstrip("."))
        except Exception as error:
            tracebacks.log(f"An error with environment {entry.spec.name}.")
            self._fail(entry, f"an error of hutchbatch: {error!r}")

    def _fail(self, entry: Entry, sentence: str, say: bool = True) -> None:
        if self._stopped.is_set():
            return
        self.entries.set(entry, stage=Stage.FAILED, ended=self._clock(), sentence=sentence)
        if say:
            self._warn([messages.cannot(entry.state)])
        self.entries.release(entry)

    def _submit(self, entry: Entry) -> None:
        if not self._stopped.is_set():
            self._pool.submit(_logged, self._look_guarded, entry)

    def _look_later(self, entry: Entry, seconds: float = AGAIN_SECONDS) -> None:
        def later() -> None:
            if not self._stopped.wait(seconds):
                self._look_guarded(entry)

        threading.Thread(target=later, name="hutchbatch-conda-later", daemon=True).start()


def _logged(function: Callable[..., None], *arguments: object) -> None:
    """Runs ``function`` in a thread of the pool, where exceptions would otherwise be lost."""
    with tracebacks.logged("A thread that prepares environments failed."):
        function(*arguments)
