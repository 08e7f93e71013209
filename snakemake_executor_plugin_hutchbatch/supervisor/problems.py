"""Why a job failed: the causes and problems that the container and the controller share.

The supervisor reports a cause, a problem and facts in its ``Status``, never a sentence; the
controller writes the sentences (``settlement/sentences.py``). Standard library only, Python 3.8 and
later.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import List, Optional, Tuple


class Cause(Enum):
    """Why a job failed, as users and the record see it."""

    SPOT = "SPOT"
    HOST = "HOST"
    CAPACITY = "CAPACITY"
    IMAGE = "IMAGE"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIMEOUT = "TIMEOUT"
    STAGE_IN = "STAGE_IN"
    STAGE_OUT = "STAGE_OUT"
    CHANGED = "CHANGED"
    COMMAND = "COMMAND"
    MISSING_OUTPUT = "MISSING_OUTPUT"
    DENIED = "DENIED"
    TERMINATED = "TERMINATED"
    LOST = "LOST"
    REJECTED = "REJECTED"
    ENVIRONMENT = "ENVIRONMENT"


class Problem(Enum):
    """What exactly went wrong; the comments name the facts that go with each."""

    # Known in the container.
    EXITED = "exited"  # step
    OUT_OF_MEMORY = "out_of_memory"  # step
    SCRATCH_FULL = "scratch_full"  # step, free, disk_mb: the command failed on a full scratch
    NOT_STARTED = "not_started"  # step, words
    TMPDIR = "tmpdir"  # step, file, words: the folder that the rule names cannot be created
    SERVICE_ENDED = "service_ended"  # step
    SERVICE_MISSING = "service_missing"  # step, files, seconds
    OUTPUTS = "outputs"  # step, outputs, count
    NO_SHELL = "no_shell"  # file
    NO_INTERPRETER = "no_interpreter"  # step, file: what its script needs; words: its environment
    NO_GLIBC = "no_glibc"  # file: the environment whose programs need it
    ENVIRONMENT = "environment"  # file, words: a conda environment cannot be unpacked, or be there
    CONDA_PYTHON = "conda_python"  # words: no Python of the image can build environments
    CONDA_SOLVE = "conda_solve"  # words: a sentence, why the environment cannot be solved
    CONDA_DOWNLOAD = "conda_download"  # file (URL of a package), http_status, words
    CONDA_CONTENT = "conda_content"  # file (URL of a package), words: not what the lock names
    CONDA_INSTALL = "conda_install"  # words: py-rattler's
    CONDA_LINK = "conda_link"  # file (a package), code (how its script ended), words
    CONDA_PIP = "conda_pip"  # words: pip's; code: how it ended
    CONDA_DEPLOY = "conda_deploy"  # words: the post-deploy script's; code: how it ended
    NO_SNAKEMAKE = "no_snakemake"  # words: what the image has; wanted: a Python; count: of packs
    DISK_FULL = "disk_full"  # activity, file, needed, free, disk_mb
    DISK = "disk"  # activity, file, words
    UNREADABLE = "unreadable"  # file, words: an output that cannot be read
    S3 = "s3"  # activity, file, http_status, code, words
    SETUP = "setup"  # activity, words: a certificate that is not trusted
    CREDENTIALS = "credentials"  # activity, code: a ``NoCredentials``
    PERMISSIONS = "permissions"  # files (actions with places), count, role
    ABSENT = "absent"  # files, count
    TASK = "task"  # file, words: not a description of a task
    CHANGED = "changed"  # activity, file: not what the job was submitted with
    SHARED_CHANGED = "shared_changed"  # files, count: inputs shared by a host's jobs
    SUPERSEDED = "superseded"  # file, words: a later attempt has stored it
    UNSTORABLE = "unstorable"  # words: a name that S3 does not accept
    TORN = "torn"  # step, file (a program), files, words (a signal): killed while it wrote them
    SOURCES_DAMAGED = "sources_damaged"  # file, words
    SCRATCH = "scratch"  # file, words: no private directory can be created there
    STOPPED = "stopped"  # taken_back: SIGTERM arrived
    SUPERVISOR = "supervisor"  # words: a bug in hutchbatch
    # Known on the controller, from AWS Batch's description of the job.
    SPOT_LOST = "spot_lost"
    TIMED_OUT = "timed_out"
    NO_CAPACITY = "no_capacity"
    MISFIT = "misfit"
    PULL_LATER = "pull_later"
    PULL_REFUSED = "pull_refused"
    ROLE = "role"
    LOG_GROUP = "log_group"
    SECRET = "secret"  # noqa: S105  not one
    NO_PROGRAM = "no_program"
    PROCESSOR = "processor"
    NO_PYTHON = "no_python"
    NOT_ENTERED = "not_entered"
    OVERRIDES = "overrides"
    ENDED = "ended"
    HOST = "host"
    FORGOTTEN = "forgotten"
    UNKNOWN = "unknown"


#: Values of ``Facts.activity``: what was being done.
(
    SUPERVISOR,
    TASK,
    SOURCES,
    SCRIPTS,
    INPUTS,
    COMMAND,
    OUTPUTS,
    LOGS,
    PACKAGES,
    ENVIRONMENTS,
    TOOLS,
    CONDA,
    START,
    PROBES,
) = (
    "supervisor",
    "task",
    "sources",
    "scripts",
    "inputs",
    "command",
    "outputs",
    "logs",
    "packages",
    "environments",
    "tools",
    "conda",
    "start",
    "probes",
)


class NoCredentials(Enum):
    """Why a container without a job role has no credentials of its machine's role either."""

    HOP_LIMIT = "hop_limit"  # the answer with the metadata service's token does not arrive
    UNREACHABLE = "unreachable"  # there is no such service, or containers may not ask it
    NO_ROLE = "no_role"  # the machine has none
    DISABLED = "disabled"  # by AWS_EC2_METADATA_DISABLED


class Defect(Enum):
    """How an output differs from its rule's declaration."""

    MISSING = "missing"
    DANGLING = "dangling"  # a broken link
    A_FILE = "a_file"  # where a directory is declared
    A_DIRECTORY = "a_directory"  # where a file is
    SPECIAL = "special"  # neither
    EMPTY = "empty"
    CHECKSUM = "checksum"  # kind, got, wanted
    CHECKSUM_KIND = "checksum_kind"  # kind: unknown to Python


@dataclass(frozen=True)
class Wrong:
    """An output that is not as its rule declares it; ``defect``: a ``Defect``'s value."""

    path: str
    defect: str
    kind: str = ""
    got: str = ""
    wanted: str = ""


@dataclass(frozen=True)
class Holder:
    """An entry of a full scratch disk that is not hutchbatch's: its name, its bytes, its owner's
    number. ``more``: it is larger; so much had been counted when time was up."""

    name: str
    size: int
    owner: int = 0
    more: bool = False


@dataclass(frozen=True)
class Facts:
    """The facts of a failure. ``file``: a path or URL; ``files`` and ``outputs``: the first of
    ``count``; ``words``: the system's or S3's message, unchanged; ``code``: S3's error code, or a
    ``NoCredentials``; ``role``: an ARN, or the name of the machine's;
    ``needed`` and ``free`` in bytes, ``disk_mb`` as the rule requested (MB); ``taken_back``: EC2
    had announced that it takes back the machine; ``wanted``: a version; ``holders``: what fills
    the scratch disk. Facts that do not apply are None."""

    activity: Optional[str] = None
    file: Optional[str] = None
    files: Tuple[str, ...] = ()
    outputs: Tuple[Wrong, ...] = ()
    count: int = 0
    words: Optional[str] = None
    http_status: Optional[int] = None
    code: Optional[str] = None
    role: Optional[str] = None
    needed: Optional[int] = None
    free: Optional[int] = None
    disk_mb: Optional[int] = None
    seconds: Optional[float] = None
    taken_back: bool = False
    wanted: Optional[str] = None
    holders: Tuple[Holder, ...] = ()

    def __str__(self) -> str:
        """For a line of the job's log: ``file=s3://b/k; http_status=403``."""
        parts: List[str] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value == field.default:
                continue
            if field.name == "files":
                value = ", ".join(value)
            elif field.name == "outputs":
                value = ", ".join(f"{wrong.path} ({wrong.defect})" for wrong in value)
            elif field.name == "holders":
                value = ", ".join(f"{holder.name} ({holder.size})" for holder in value)
            parts.append(f"{field.name}={value}")
        return "; ".join(parts)
