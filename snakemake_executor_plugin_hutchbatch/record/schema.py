"""What the journal holds: one frozen dataclass a table, for writing and for reading.

Times are seconds since 1970, by the controller's clock or AWS's. Memory that a job asks for is in
MiB, measured memory in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: ``Run.outcome`` of a run that is known only from its mark in S3. Of its jobs, the record has
#: those that a later run took up.
FROM_MARK = "from its mark"
#: ``Note.kind``: the run waits for credentials; it goes on.
WAITS, GOES_ON = "credentials", "renewed"
#: ``Placement.child`` of a job that is no array's child.
SINGLE = -1


@dataclass(frozen=True)
class Run:
    """One start of Snakemake. ``outcome``: ``done``, ``failed`` or ``cancelled``; None while it
    goes on, or when its controller was killed. ``process_started`` distinguishes a process
    from a later one with the same ``pid``, ``machine`` its machine from others with the same name
    (see ``controllers``, as for ``lease``); ``beat`` is the last sign of life; ``wanted``: jobs to
    be done, as Snakemake counts them; ``done_here`` and ``failed_here``: those of them that ended
    on Snakemake's own machine; ``git_commit``: the workflow's, with ``-dirty`` if its files differ
    from it; ``endpoint``: AWS Batch's, where that is not AWS's own."""

    run_id: str
    started: float
    user: str = ""
    region: str = ""
    host: str = ""
    pid: int = 0
    process_started: float = 0.0
    machine: str = ""
    beat: float = 0.0
    ended: float | None = None
    outcome: str | None = None
    command: str = ""
    folder: str = ""
    snakefile: str = ""
    git_commit: str = ""
    endpoint: str = ""
    storage_prefix: str = ""
    work_prefix: str = ""
    log_group: str = ""
    wanted: int | None = None
    done_here: int = 0
    failed_here: int = 0
    lease: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A Snakemake job at one of its attempts (``retries:``). ``number`` counts within its run.

    ``identity``: digest of all that makes its result, see ``recovery/decide.py``; ``state``:
    ``prepared``, ``sent``, ``done``, ``failed`` or ``withdrawn`` (not done, since its run had
    reached a limit); ``cause`` and ``sentence``: of its failure. ``outputs`` and ``logs``: S3
    URLs, one a line. ``log_end``: the last lines of a failed job's output, as the terminal
    showed them. ``command``: what its rule runs, for people; ``environment``: its conda
    environments as the user calls them, one a line; ``members``: labels of a group's jobs, one a
    line; ``memory_given``, ``retries``, ``rule_code`` and ``input_bytes``: see
    ``planning/memory_request.py``.
    """

    run_id: str
    number: int
    rule: str
    label: str
    attempt: int
    prepared: float
    wildcards: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""
    mode: str = ""
    image: str = ""
    vcpus: int = 0
    memory: int = 0
    gpus: int = 0
    timeout: int | None = None
    outputs: str = ""
    logs: str = ""
    state: str = "prepared"
    ended: float | None = None
    cause: str | None = None
    sentence: str | None = None
    exit_code: int | None = None
    log_end: str | None = None
    command: str = ""
    environment: str = ""
    members: str = ""

    @property
    def size(self) -> int:
        """How many jobs that is for Snakemake: a group's members count each."""
        return len(self.members.splitlines()) or 1

    memory_given: str = ""
    retries: int = 0
    rule_code: str = ""
    input_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """One SubmitJob: a job, or an array of ``size`` jobs. Written before it is sent, so that a call
    whose answer is lost, even to a killed controller, can be found by its ``name``.

    ``task_url``, ``task_sha256``, ``task_size`` and ``task_index``: where its jobs' descriptions
    are, as ``planning.work.TaskLocation`` has it (the digest empty where it is not known).
    ``batch_id`` None: no answer yet; ``refused``: AWS's words.
    """

    name: str
    run_id: str
    queue: str
    size: int
    prepared: float
    definition: str = ""
    task_url: str = ""
    submitted: float | None = None
    batch_id: str | None = None
    refused: str | None = None
    task_sha256: str = ""
    task_size: int = 0
    task_index: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """One job in one submission. ``child``: its index in an array, else ``SINGLE``.

    ``state`` is Batch's, or ``LOST``; ``runnable`` to ``running``: when that state was first seen,
    or AWS's time. ``memory``: what this submission asked for, which may be more than the job's.
    ``why``: why there was another submission after this one.
    """

    submission: str
    child: int
    run_id: str
    number: int
    memory: int = 0
    state: str = "SUBMITTED"
    batch_id: str | None = None
    runnable: float | None = None
    starting: float | None = None
    running: float | None = None
    ended: float | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One container of a placement; ``attempt`` counts from 1.

    ``seconds`` by the supervisor's phases; bytes and files of staging; ``peak_memory`` (with cached
    files) and ``used_memory`` (the highest seen without them) in bytes and ``cpu_seconds`` from the
    container's cgroup; ``capacity``: ``spot`` or ``on-demand``, as EC2
    reports to the container. What is not known is None.
    """

    batch_id: str
    attempt: int
    run_id: str
    started: float | None = None
    stopped: float | None = None
    exit_code: int | None = None
    reason: str | None = None
    cause: str | None = None
    log_stream: str | None = None
    instance_id: str | None = None
    instance_type: str | None = None
    capacity: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    bytes_in: int | None = None
    files_in: int | None = None
    bytes_out: int | None = None
    files_out: int | None = None
    peak_memory: int | None = None
    used_memory: int | None = None
    cpu_seconds: float | None = None


@dataclass(frozen=True)
class Note:
    """Something that was said about a run. ``kind``: ``waiting`` (why a job waits), ``moved``,
    ``again`` (a lost machine), ``warning``."""

    run_id: str
    at: float
    kind: str
    text: str
    number: int | None = None


@dataclass(frozen=True)
class Environment:
    """A conda environment that a run's jobs need. ``digest``: of what describes it; ``key``: of its
    lock; ``stage``: ``locking``, ``waiting``, ``building``, ``ready`` or ``failed``; ``batch_id``:
    the job that builds it; ``ours``: 1 if this run submitted that; ``held``: jobs that wait for it;
    ``size`` in bytes; ``sentence``: in words how it stands, or why it failed."""

    run_id: str
    digest: str
    name: str
    stage: str = ""
    key: str = ""
    packages: int = 0
    size: int = 0
    queue: str = ""
    batch_id: str = ""
    ours: int = 0
    held: int = 0
    began: float = 0.0
    ended: float | None = None
    sentence: str = ""


@dataclass(frozen=True)
class KnownQueue:
    """A queue as it was when a run began, for what its machines cost. ``spot``: 1 or 0, None where
    it has both kinds or is not known; ``bid`` in percent of the on-demand price;
    ``instance_types``: names of AWS Batch, one a line."""

    run_id: str
    name: str
    spot: int | None = None
    bid: int | None = None
    instance_types: str = ""


@dataclass(frozen=True)
class SpotPrice:
    """The lowest and the highest spot price of an instance type during a run, in all availability
    zones of its region, USD an hour."""

    run_id: str
    instance_type: str
    low: float = 0.0
    high: float = 0.0


Row = Run | Job | Submission | Placement | Attempt | Note | Environment | KnownQueue | SpotPrice

#: Each table and the columns of its key.
TABLES: Mapping[type, tuple[str, ...]] = {
    Run: ("run_id",),
    Job: ("run_id", "number"),
    Submission: ("name",),
    Placement: ("submission", "child"),
    Attempt: ("batch_id", "attempt"),
    Note: (),
    Environment: ("run_id", "digest"),
    KnownQueue: ("run_id", "name"),
    SpotPrice: ("run_id", "instance_type"),
}
#: Tables that files of earlier versions may lack.
LATER: tuple[type, ...] = (Environment, KnownQueue, SpotPrice)
#: Columns by which rows are searched.
INDEXES: tuple[tuple[type, str], ...] = (
    (Job, "identity"),
    (Submission, "run_id"),
    (Submission, "batch_id"),
    (Placement, "run_id, number"),
    (Placement, "batch_id"),
    (Attempt, "run_id"),
    (Note, "run_id"),
)
