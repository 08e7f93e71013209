"""A small, faithful AWS Batch in one process, whose jobs really run on a given host.

It follows docs/design/aws.md and botocore's own service model. How to use it::

    service = BatchService(
        config: BatchConfig,                      # queues, compute environments, delays, rate limit
        host: Host,                               # ..hosts.Host: runs the containers
        log_sink: Callable[[str, str], None],     # (log stream name, one line of output)
        clock: Callable[[], float] = time.time,   # seconds since 1970; a ManualClock in unit tests
        say: Callable[[str], None] = print,       # a line for the person at the terminal
        machine: tuple[int, int] = (vcpus, memory_mib),  # bounds what runs at once
    )
    service.start()
    app = build_batch_app(service)                # starlette.applications.Starlette
    ...                                           # uvicorn serves app; or without HTTP:
    service.call("SubmitJob", {"jobName": …, "jobQueue": …, "jobDefinition": …})  # -> answer dict
    service.fault({"kind": "lose_host", "name": "align*", "after": 5})
    service.stop()                                # kills running jobs, waits for them, ends threads

- ``BatchConfig()`` is the Hutch's table of queues (docs/design/aws.md), region us-west-2, account
  000000000000. All classes of ``config`` are frozen dataclasses.
- ``service.call(operation, parameters)`` raises ``BatchError`` (``code``, ``message``, ``status``)
  where AWS answers with an error. It may be called from any thread and never waits for a job.
- ``log_sink`` gets the lines as the container writes them, from the host's threads. Streams are
  named ``definitionName/default/taskId`` (``awslogs-stream-prefix`` of the definition's log
  configuration replaces the first part); ``service.log_group(stream)`` is the group in the
  definition's ``awslogs-group``, by default ``/aws/batch/job``.
- ``Launch.environment`` has the variables of AWS Batch itself and of the job. The host adds
  endpoints, region and credentials.
- An ``Exit`` whose ``exit_code`` is None and has a reason is reported as ``Task failed to start``.
- ``services.service_faults.FaultMiddleware(app, service.service_faults, "batch", refuse)`` in front
  of an endpoint causes faults there: outages, cut connections, wrong clocks, expired keys.
- The control calls ``POST /_control/faults``, ``GET /_control/calls`` and ``POST /_control/reset``
  are on the same app: see ``fault_kinds.parse_fault`` for their JSON. They need no credentials.
- ``SimulatedHost(timers, seconds, exit_code)`` runs nothing and ends jobs by the clock.
  ``ManualClock()`` is a clock and timers in one: with it as the service's ``clock`` everything
  happens inside ``service.call`` and ``clock.advance(seconds)``, without threads. In real time
  (benchmarks) a ``SimulatedHost`` takes ``ThreadTimers(time.time)``.
"""

from .config import BatchConfig
from .errors import BatchError
from .fleet import ComputeEnvironment, Queue
from .http import build_batch_app
from .service import BatchService
from .simulated import SimulatedHost
from .timers import ManualClock, ThreadTimers

__all__ = [
    "BatchConfig",
    "BatchError",
    "BatchService",
    "ComputeEnvironment",
    "ManualClock",
    "Queue",
    "SimulatedHost",
    "ThreadTimers",
    "build_batch_app",
]
