"""The service: the state machine behind one lock, and its threads, timers and hosts."""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from ..hosts.host import Host, Launch
from ..services.service_fault_kinds import ServiceFault
from ..services.service_faults import ServiceFaults
from . import model, rules
from .config import BatchConfig
from .errors import refused, server_failed, too_many
from .fault_kinds import ForeignHead, Starve, parse_fault
from .faults import Faults
from .foreign import foreign_submission
from .jobs import Attempt, Job
from .launches import launch_of
from .lifecycle import Lifecycle
from .operations import Operations
from .placement import Placement
from .throttle import TokenBucket
from .timers import ManualClock, ThreadTimers
from .world import Action, RealWorld

DEFAULT_LOG_GROUP = "/aws/batch/job"


class BatchService:
    """AWS Batch in this process. See the package's docstring for its use.

    ``clock`` counts seconds since 1970, ``machine`` is (vCPUs, memory in MiB),
    ``has_group`` says whether a log group exists.
    """

    def __init__(
        self,
        config: BatchConfig,
        host: Host,
        log_sink: Callable[[str, str], None],
        clock: Callable[[], float] = time.time,
        say: Callable[[str], None] = lambda _: None,
        machine: tuple[int, int] = (2, 4096),
        has_group: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.config = config
        self.service_faults = ServiceFaults(clock)
        self._clock = clock
        self._say = say
        self._timers = clock if isinstance(clock, ManualClock) else ThreadTimers(clock)
        self.lock = threading.RLock()
        self._idle = threading.Condition(self.lock)
        self._outside: deque[Action] = deque()
        self._draining = False
        self._faults = Faults()
        self._buckets: dict[str, TokenBucket] = {}
        self._calls: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._groups: dict[str, str] = {}
        placement = Placement(config, machine, say)
        world = RealWorld(self, host, log_sink, has_group)
        self._lifecycle = Lifecycle(config, placement, self._faults, world)
        self._operations = Operations(
            config,
            placement,
            self._lifecycle,
            lambda name: self._faults.forgotten(name, self._clock()),
            self._faults.not_ended,
        )
        #: The base URL of the hosts' metadata services, one for each attempt (``..metadata``).
        self.metadata_url: str | None = None
        #: Variables by which jobs with a job role get its credentials.
        self.role_variables: Mapping[str, str] = {}

    # -- from start to stop

    def start(self) -> None:
        """Makes the service ready. Nothing runs in the background until a job is submitted."""

    def stop(self, patience: float = 10.0) -> None:
        """Kills running jobs and waits for their end, at most ``patience`` seconds of real time."""
        self.post(self._lifecycle.stop)
        if isinstance(self._timers, ManualClock):
            self._timers.advance(0)
            return
        with self._idle:
            self._idle.wait_for(lambda: not self._lifecycle.alive, patience)
        self._timers.stop()

    # -- calls

    def call(
        self,
        operation: str,
        parameters: Mapping[str, object],
        size: int | None = None,
        by_job: bool = False,
    ) -> dict[str, object]:
        """Performs an operation of AWS Batch. ``size``: bytes of the request body (by default
        computed); ``by_job``: the caller is a job. Raises BatchError."""
        with self.lock:
            self._calls[operation] += 1
        try:
            return self._call(operation, parameters, size, by_job)
        except Exception:
            with self.lock:
                self._errors[operation] += 1
            raise

    def _call(
        self, operation: str, parameters: Mapping[str, object], size: int | None, by_job: bool
    ) -> dict[str, object]:
        if operation not in model.OPERATIONS:
            raise refused(f"{operation} is not supported")
        with self.lock:
            refusal = self._faults.refusal(operation)
            if refusal == "throttle" or not self._bucket(operation):
                raise too_many()
        if refusal == "error":
            raise server_failed()
        parameters = json.loads(json.dumps(parameters))
        _check_payload(operation, parameters, size)
        model.check_request(operation, parameters)
        with self.lock:
            answer = self._operations.perform(operation, _without_nulls(parameters), by_job)
            self._lifecycle.settle()
        self._drain()
        if refusal == "lost":
            raise server_failed("the answer was lost (fault)")
        if self.config.check_answers:
            model.check_answer(operation, answer)
        return answer

    def _bucket(self, operation: str) -> bool:
        rate = self.config.calls_per_second
        if rate is None:
            return True
        bucket = self._buckets.setdefault(operation, TokenBucket(rate, self._clock))
        return bucket.take()

    def log_group(self, stream: str) -> str:
        """The log group a stream belongs to."""
        with self.lock:
            return self._groups.get(stream, DEFAULT_LOG_GROUP)

    # -- control

    def fault(self, form: Mapping[str, object]) -> None:
        """Activates a fault; see ``fault_kinds.parse_fault`` for its form. Raises ValueError."""
        fault = parse_fault(form)
        if isinstance(fault, ServiceFault):
            self.service_faults.add(fault)
            return
        if isinstance(fault, ForeignHead):
            self.post(lambda: self._block(fault))
            return
        with self.lock:
            self._faults.add(fault, self._clock())
        if isinstance(fault, Starve) and fault.seconds is not None:
            self.later(fault.seconds, lambda: None)

    def reset(self) -> None:
        """Ends all faults and resets the counts of calls."""
        self.service_faults.clear()
        with self.lock:
            self._faults.clear()
            self._calls.clear()
            self._errors.clear()
        self.post(self._lifecycle.end_foreign)

    def _block(self, fault: ForeignHead) -> None:
        for queue in self.config.queues:
            if fnmatchcase(queue.name, fault.queue):
                submission = foreign_submission(self.config, queue)
                job = self._lifecycle.admit_foreign(submission, fault.reason, fault.seconds)
                self._operations.show(job)

    def calls(self) -> dict[str, dict[str, int]]:
        """Counts by operation: ``calls`` (all), ``errors`` (those answered with an error)."""
        with self.lock:
            return {"calls": dict(self._calls), "errors": dict(self._errors)}

    def struck(self) -> Counter[str]:
        """How often each kind of fault struck since the start."""
        with self.lock:
            return self._faults.struck + self.service_faults.struck

    def delay(self, operation: str) -> float:
        """Seconds by which the transport should delay this call."""
        with self.lock:
            return self._faults.delay(operation)

    def attempt(self, task_id: str) -> Attempt | None:
        """The attempt, if it is running."""
        with self.lock:
            found = self._lifecycle.alive.get(task_id)
            return None if found is None else found[1]

    def watch(self, changed: Callable[[Job, str], None] | None) -> None:
        """Calls ``changed`` for every new state of every job, under the lock; for tests and
        benchmarks."""
        with self.lock:
            self._lifecycle.states.changed = changed

    # -- for ``RealWorld``

    def post(self, action: Action) -> None:
        """Carries out ``action`` under the lock, and all that follows from it."""
        with self.lock:
            action()
            self._lifecycle.settle()
            self._idle.notify_all()
        self._drain()

    def later(self, seconds: float, action: Action) -> None:
        self._timers.at(self._clock() + seconds, lambda: self.post(action))

    def defer(self, action: Action) -> None:
        """Postpones ``action`` until the lock is free."""
        self._outside.append(action)

    def remember_group(self, stream: str, group: str | None) -> None:
        if group is not None:
            self._groups[stream] = group

    def launch(self, job: Job, attempt: Attempt) -> Launch:
        with self.lock:
            missing = self._faults.no_scratch(job.submission.name)
        launch = launch_of(
            job, attempt, self.config.secrets, self.metadata_url, self.role_variables
        )
        return replace(launch, missing=missing) if missing else launch

    def now(self) -> float:
        return self._clock()

    @property
    def lifecycle(self) -> Lifecycle:
        return self._lifecycle

    def _drain(self) -> None:
        """Carries out deferred actions, in order and without the lock; one thread at a time."""
        while True:
            with self.lock:
                if self._draining or not self._outside:
                    return
                self._draining = True
                action = self._outside.popleft()
            try:
                action()
            except Exception as error:
                # An error of a host must not stop the caller, which may be another job's timer.
                self._say(f"Batch endpoint: {error!r}\n{traceback.format_exc()}")
            finally:
                with self.lock:
                    self._draining = False


def _check_payload(operation: str, parameters: Mapping[str, object], size: int | None) -> None:
    limits = {
        "SubmitJob": ("Job", rules.SUBMIT_KIB),
        "RegisterJobDefinition": ("Job definition", rules.REGISTER_KIB),
    }
    if operation in limits:
        kind, most = limits[operation]
        rules.check_size(kind, len(json.dumps(parameters)) if size is None else size, most)


def _without_nulls(parameters: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in parameters.items() if value is not None}
