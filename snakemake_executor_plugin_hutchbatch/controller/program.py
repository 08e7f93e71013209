"""The program of a detached run's job: runs Snakemake as if somebody had started it, once a lease
says that nobody else does, and keeps its state in S3.

AWS Batch starts it again where its host was lost, and when it ends with ``EXIT_AGAIN``; it then
continues. Nothing that is only in memory is needed for that: it may be killed at any moment. Three
threads: one waits for signals and for Snakemake, one renews the lease (``keeping.py``), one saves
(``saving.py``).
"""

from __future__ import annotations

import hashlib
import shlex
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..aws import lease_gate
from ..aws.clients import Clients
from ..aws.lease_gate import EXIT_LOST
from ..aws.retry import Retrier
from ..storage import small_objects
from ..storage.run_layout import WorkLayout
from ..supervisor import source_archive
from ..supervisor.taskspec import EXIT_TERMINATED, MOST_EXIT_CODE
from ..text import terminal
from . import ending
from .child import Child
from .document_store import DocumentStore
from .documents import DocumentError, Outcome, Request
from .keeping import Keeping
from .lease import LeaseKeeper, Step
from .saved_files import FOLDER
from .saving import FAILS, Saving, explained
from .state import Replaced, State

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

#: AWS Batch is to start it again. The supervisor ends with this code after SIGTERM, too.
EXIT_AGAIN = EXIT_TERMINATED
#: Where nothing can be run, and of a Snakemake that could not be asked.
EXIT_WRONG = 1
#: Seconds between two looks at a lease that another controller has, and at signals and processes.
WAIT_SECONDS, LOOK_SECONDS = 5.0, 0.2
#: Seconds that Snakemake has for stopping its jobs when somebody cancels the run.
CANCEL_SECONDS = 10 * 60.0
#: How often jobs are looked for that are to be stopped without it, while some are left.
MOST_ENDINGS = 5
#: Seconds that a save may still take after SIGTERM. The supervisor kills its command after ten.
HURRY_SECONDS = 4.0


class Program:
    """One start. ``quick``: a client that repeats nothing; ``sha256``: of the request, as AWS Batch
    has it, so that nobody can put another in its place; ``folder``: empty, and its own."""

    def __init__(
        self,
        aws: Clients,
        quick: S3Client,
        work: WorkLayout,
        detached_id: str,
        sha256: str,
        folder: Path,
        environ: Mapping[str, str],
    ) -> None:
        self._aws, self._work, self._id, self._folder = aws, work, detached_id, folder
        self._environ, self._sha256 = environ, sha256
        self._layout = work.detached(detached_id)
        self._documents = DocumentStore(aws.s3, self._layout, detached_id)
        job = environ.get("AWS_BATCH_JOB_ID", "")
        self._keeper = LeaseKeeper(quick, self._layout.lease, detached_id, uuid.uuid4().hex, job)
        self._keeping = Keeping(self._keeper, self._documents, detached_id, folder / "lease.json")
        self._stopped = threading.Event()  # by a signal
        self._retrier = Retrier(terminal.note, sleep=self._stopped.wait, stopped=self._is_over)

    def stop(self, number: int = 0, frame: object = None) -> None:
        """A signal: the host is going away, or the time is over."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether there was a signal."""
        return self._stopped.is_set()

    def _is_over(self) -> bool:
        return self._stopped.is_set() or self._keeping.lost.is_set()

    def run(self) -> int:
        """The exit code. Raises ``DocumentError``, ``StateError``, ``Failure``, ``OSError``, and
        botocore's errors that do not pass."""
        read = partial(self._documents.request, self._sha256)
        request = self._call("reading what was submitted", read)
        if request is None:
            raise DocumentError(f"there is no {self._layout.request}")
        if (ended := self._taken()) is not None:
            return ended
        terminal.note(f"This is controller {self._keeper.fence} of run {self._id}.")
        self._keeping.start()
        try:
            return self._lead(request)
        except Replaced:
            return self._gone()
        finally:
            self._keeping.end()

    def _call(self, what: str, call: Callable[[], T]) -> T:
        return self._retrier.call(what, call)

    # The lease

    def _taken(self) -> int | None:
        """Waits for the lease. None once this controller has it; an exit code if there is nothing
        to do any more."""
        said = False
        while not self._stopped.is_set():
            step = self._call("taking the lease", self._keeper.take)
            # Only now: before that, another controller may be writing it.
            if outcome := self._call("asking how the run ended", self._documents.outcome):
                if step is Step.HOLD:
                    self._keeper.release()
                terminal.note(f"Run {self._id} has ended before.")
                return outcome.exit_code
            if step is Step.HOLD:
                return None
            if not said:
                terminal.note("Another controller has this run. This one waits until it ends.")
                said = True
            self._stopped.wait(WAIT_SECONDS)
        return EXIT_AGAIN

    def _gone(self) -> int:
        self._keeping.lost.set()
        self._keeping.write()
        terminal.note("Another controller has taken this run over. This one ends.")
        return EXIT_LOST

    # Snakemake

    def _lead(self, request: Request) -> int:
        """Raises as ``run`` does, and ``Replaced``."""
        tree = self._folder / "workflow"
        self._unpack(request, tree)
        workdir = tree / (request.workdir or request.directory)
        state = State(self._aws.s3, self._layout, self._id, workdir / FOLDER, self._keeper.fence)
        self._keeping.begun = self._call("restoring the state of the run", state.begin)
        self._keeping.write()
        self._keeping.look_for_cancel()
        environment = {**self._environ, **request.variables}
        environment[lease_gate.VARIABLE] = str(self._keeping.file)
        if self._keeping.cancel is not None:
            return self._cancelled_before(request, state)
        terminal.note(f"Starting snakemake {shlex.join(request.arguments)}")
        child = Child(["snakemake", *request.arguments], tree / request.directory, environment)
        saving = Saving(state, self._keeping.lost)
        saving.start()
        try:
            code = self._followed(child)
        finally:
            child.kill()  # also what Snakemake left behind
            saving.stop()
        if self._keeping.lost.is_set():
            return self._gone()
        if not saving.has_ended(HURRY_SECONDS if self._stopped.is_set() else None):
            return EXIT_AGAIN  # a save that is cut leaves the one before it
        return self._over(request, state, code)

    def _unpack(self, request: Request, tree: Path) -> None:
        url = self._work.sources(request.code)
        content = self._call(
            "fetching the workflow",
            lambda: small_objects.read(self._aws.s3, url, source_archive.LARGEST),
        )
        if hashlib.sha256(content).hexdigest() != request.code:
            raise DocumentError(f"{url} has changed since the run was submitted")
        tree.mkdir(parents=True)
        source_archive.unpack(content, str(tree))
        (tree / request.directory).mkdir(parents=True, exist_ok=True)

    def _followed(self, child: Child) -> int | None:
        """Snakemake's exit code, or the negative number of the signal that killed it; None if it
        was not waited for."""
        until = None
        while True:
            if self._is_over():
                return None
            if (code := child.poll()) is not None:
                return code
            if self._keeping.cancel is not None:
                if until is None:
                    terminal.note(f"{self._keeping.cancel.user} cancels this run.")
                    until = time.monotonic() + CANCEL_SECONDS
                    child.interrupt()
                elif time.monotonic() > until:
                    child.kill()
                    return self._end_jobs()
            self._stopped.wait(LOOK_SECONDS)

    def _end_jobs(self) -> int | None:
        """Stops the run's jobs without Snakemake; None if that was interrupted."""
        who = self._keeping.cancel.user if self._keeping.cancel else ""
        call = partial(ending.end_jobs, self._aws, self._work, self._id, f"cancelled by {who}")
        for left in range(MOST_ENDINGS):
            if left and self._stopped.wait(WAIT_SECONDS):
                break
            while not self._keeping.is_sure() and not self._is_over():
                self._stopped.wait(LOOK_SECONDS)
            if self._is_over():
                break
            if call(self._retrier, terminal.note):
                return EXIT_WRONG
        return None if self._is_over() else EXIT_WRONG

    def _cancelled_before(self, request: Request, state: State) -> int:
        """The run was cancelled while it had no controller."""
        code = self._end_jobs()
        if self._keeping.lost.is_set():
            return self._gone()
        return EXIT_AGAIN if code is None else self._over(request, state, code)

    # The state and the end

    def _over(self, request: Request, state: State, code: int | None) -> int:
        """Snakemake has ended, or was ended by us (``code`` None). Raises ``Replaced``."""
        sentence = ""
        try:
            if self._stopped.is_set():
                state.save(last=True)
            else:
                self._call("saving the state of the run", lambda: state.save(last=True))
        except FAILS as error:
            sentence = explained(error, "saving the state of the run")
            terminal.note(sentence)
        if self._stopped.is_set() and (code is None or code < 0):
            terminal.note("This host is going away: AWS Batch starts the controller again.")
            return EXIT_AGAIN
        if code is None or code < 0:
            number = -(code or 0)
            sentence = f"Snakemake was killed by signal {number}; is its memory too small?"
            terminal.note(sentence)
            if self._keeping.cancel is None and self._may_come_again(request):
                return EXIT_AGAIN
            code = min(128 + number, MOST_EXIT_CODE)
        outcome = Outcome(
            self._id,
            code,
            time.time(),
            self._keeper.fence,
            self._keeping.cancel.user if self._keeping.cancel else "",
            sentence,
        )
        while not self._keeping.is_sure():
            if self._keeping.lost.is_set():
                raise Replaced
            if self._stopped.wait(LOOK_SECONDS):
                return EXIT_AGAIN
        return self._call(
            "storing how the run ended", lambda: self._documents.put_outcome(outcome)
        ).exit_code

    def _may_come_again(self, request: Request) -> bool:
        attempt = self._environ.get("AWS_BATCH_JOB_ATTEMPT", "")
        return not attempt.isdecimal() or int(attempt) < request.attempts
