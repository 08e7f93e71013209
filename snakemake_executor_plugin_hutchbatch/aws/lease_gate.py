"""Where Snakemake is a job itself, another one may have been started in its place. Only the one
that holds the lease (``controller/lease.py``) may change anything on AWS Batch or in S3.

The process that keeps the lease writes into a file until when it surely holds. Before each call
that changes something, and before each try to send it, the processes of that Snakemake look there:
a call waits while the lease is uncertain, which it is while S3 cannot be reached, and ends its
process once the lease is lost. An error would be taken for a failure of one job, and cleaned up
after. What has been sent cannot be called back, so the lease is uncertain some seconds before
anybody else may take it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from botocore import handlers
from botocore.exceptions import EndpointConnectionError

from .. import files
from ..supervisor import strict_json
from ..supervisor.typed_json import TaskSpecError, make

#: Names the file, for Snakemake and all processes that it starts.
VARIABLE = "HUTCHBATCH_LEASE"
#: Exit code of a controller that has lost its lease.
EXIT_LOST = 75
#: Seconds between two looks while the lease is uncertain.
LOOK_SECONDS = 0.2
#: Seconds after which a request that waited is signed again; AWS refuses signatures that are older
#: than 5 minutes.
STALE_SECONDS = 120.0
_GUARDED = ("batch", "s3")
_READING = ("Describe", "List", "Get", "Head", "Select")


def now() -> float:
    """Seconds since this machine was started, the same for all its processes. They go on while it
    is suspended, as a hibernated spot machine is, where the system has such a clock
    (clock_gettime(2))."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True)
class Hold:
    """What the keeper of a lease says. ``id``: of the detached run; ``fence``: the number of this
    controller, greater than those of all before it; ``until``: it surely holds (``now``);
    ``keeper``: the process that says so; ``begun``: when the run's first controller began, in
    seconds since 1970 by S3's clock; ``lost``: for good."""

    id: str
    fence: int
    until: float
    keeper: int
    begun: float = 0.0
    lost: bool = False


def write(path: Path, hold: Hold) -> None:
    """Raises ``OSError``."""
    files.write(path, json.dumps(asdict(hold)), files.PRIVATE_FILE)


def read(path: Path) -> Hold | None:
    """None where nothing can be read."""
    try:
        return make(Hold, strict_json.loads(path.read_bytes()), "lease")
    except (OSError, strict_json.StrictJsonError, TaskSpecError):
        return None


def own(environ: Mapping[str, str] = os.environ) -> Hold | None:
    """The lease under which this process works; None for one that needs none."""
    path = environ.get(VARIABLE)
    return read(Path(path)) if path else None


def is_change(event: str) -> bool:
    """Whether an event of botocore's (``before-call.batch.SubmitJob``) is about a call that must
    have the lease."""
    _, _, rest = event.partition(".")
    service, _, operation = rest.partition(".")
    return service in _GUARDED and not operation.startswith(_READING)


class Gate:
    """Handlers of botocore's events. ``leave`` ends the process at once."""

    def __init__(
        self,
        path: Path,
        leave: Callable[[int], object] = os._exit,
        clock: Callable[[], float] = now,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._path, self._leave, self._clock, self._sleep = path, leave, clock, sleep

    def before_call(self, event_name: str, **_: object) -> None:
        """Before a call is prepared."""
        if is_change(event_name):
            self._wait()

    def before_send(self, event_name: str, **_: object) -> None:
        """Before each try. An error counts as that of a try, which is repeated."""
        if is_change(event_name) and self._wait() > STALE_SECONDS:
            raise EndpointConnectionError(endpoint_url="AWS, since the lease was uncertain")

    def _wait(self) -> float:
        """Returns when the lease surely holds, and how many seconds that took."""
        began = self._clock()
        while True:
            hold = read(self._path)
            if hold is not None and not hold.lost and self._clock() < hold.until:
                return self._clock() - began
            if hold is not None and (hold.lost or not _lives(hold.keeper)):
                self._leave(EXIT_LOST)
            self._sleep(LOOK_SECONDS)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def install(environ: Mapping[str, str] = os.environ) -> None:
    """Guards all sessions of botocore that this process makes from now on: those of hutchbatch, of
    Snakemake's storage plugins, and of a workflow's own code."""
    if path := environ.get(VARIABLE):
        gate = Gate(Path(path))
        handlers.BUILTIN_HANDLERS += [
            ("before-call", gate.before_call),
            ("before-send", gate.before_send),
        ]
