"""A container's task and its status: the format that the container and the controller share.

The plugin writes a ``TaskSpec`` as JSON to S3; the supervisor reads it inside the container, and
writes a ``Status`` back. Standard library only, Python 3.8 and later: this module travels into the
container with the supervisor.

All paths of files are relative to the job's working directory unless they are absolute; all URLs
are ``s3://bucket/key`` with the key as it is (no percent escapes: ``#``, ``?`` and spaces belong to
the key).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Dict, Iterable, Mapping, Optional, Tuple, Union

from . import strict_json
from .problems import Facts, Holder, Wrong
from .scratch_disk import ScratchDisk
from .typed_json import TaskSpecError, list_of, make, texts_of

VERSION = 1
#: Most bytes of a status (real ones have less than 3,000).
STATUS_BYTES = 64 * 1024
#: How a status line in the job's log begins, if S3 did not accept the status.
STATUS_LINE = "hutchbatch-status "

#: Exit codes of the supervisor itself. A command's own exit code is always passed on unchanged; the
#: status object shows which of the two a number is.
EXIT_SPEC = 210  # the task could not be read or understood
EXIT_STAGE_IN = 211  # an input could not be fetched
EXIT_STAGE_OUT = 212  # an output could not be stored
EXIT_MISSING_OUTPUT = 213  # the command succeeded without creating all its outputs
EXIT_NO_PYTHON = 214  # no usable Python in the container (from the start-up script)
EXIT_NO_SHELL = 215  # the image has no bash (or not the shell the rule asks for)
EXIT_SCRATCH = 216  # no private directory could be created on the scratch disk
EXIT_NO_SNAKEMAKE = 217  # no Python of the image can run Snakemake
EXIT_SHARED = 218  # an input that the jobs of the host share was changed while the job ran
EXIT_CHANGED = 219  # an object in S3 is not what the job was submitted with: nothing was run
EXIT_NO_GLIBC = 220  # the image cannot start programs of conda environments
EXIT_NO_BUILDER = 221  # no Python of the image can build conda environments
EXIT_TERMINATED = 143  # SIGTERM, as every shell reports it
MOST_EXIT_CODE = 255  # wait(2): the part of an exit code that reaches the parent

#: Tells a job that is started again to have copies of its own of shared inputs.
SHARED_VARIABLE, COPIES = "HUTCHBATCH_SHARED", "copies"

#: What stands in a script for the job's temporary and working directories, for the number of a
#: benchmark's repeat, and in its command for the image's Python.
SCRIPT_TMPDIR = "/HUTCHBATCH-TMPDIR-9b2e4c7a1f60"
SCRIPT_WORKDIR = "/HUTCHBATCH-WORKDIR-9b2e4c7a1f60"
SCRIPT_BENCH = 904_117_300_552_861
SCRIPT_PYTHON = "HUTCHBATCH-PYTHON-9b2e4c7a1f60"
#: Where a Python script is given what came along with it: arguments of the shim's ``bring``.
SCRIPT_BROUGHT = "HUTCHBATCH-BROUGHT-9b2e4c7a1f60"


@dataclass(frozen=True)
class Input:
    """One file or directory to fetch. A key that does not exist but has keys below ``key/`` is a
    directory and is fetched whole. ``sha256``: of a file that controls the job, checked before it
    is used. ``shared``: fetched once a host, each job then has a copy or link of its own."""

    url: str
    path: str
    sha256: Optional[str] = None
    shared: bool = False


@dataclass(frozen=True)
class Output:
    """One file or directory that the command creates.

    ``url`` is None for a file that only later steps of the same task need. ``protected``: marked in
    S3 (``upload.PROTECTED``). ``update``: the command continues with the existing file.
    ``temporary``: removed once no job needs it.
    ``checksum`` is ``algorithm:hexdigest`` with an algorithm of ``hashlib``.
    """

    path: str
    url: Optional[str] = None
    directory: bool = False
    touch: bool = False
    non_empty: bool = False
    checksum: Optional[str] = None
    protected: bool = False
    update: bool = False
    temporary: bool = False


@dataclass(frozen=True)
class Log:
    """A log file of a rule: stored after success and failure. A missing one is stored empty after a
    success, as in Snakemake. ``url`` None: not stored."""

    path: str
    url: Optional[str] = None


@dataclass(frozen=True)
class Benchmark:
    """Snakemake's ``benchmark:`` file: one line for each of ``repeats`` runs of the command."""

    path: str
    url: Optional[str] = None
    repeats: int = 1


@dataclass(frozen=True)
class Packages:
    """An archive (``.tar.gz``) of Python packages to be put on the path of Snakemake: of itself and
    what it requires, or of what the Snakefile imports beside; or on that of a script. ``size``:
    bytes when it is unpacked. ``suffix``: that of compiled modules of the Pythons that can use it;
    ``glibc``: the least version that they need."""

    url: str
    sha256: str
    size: int
    suffix: str
    glibc: str


@dataclass(frozen=True)
class Script:
    """The file that a step's command runs, written to ``path`` before.

    ``url`` and ``sha256``: the object that holds its text, which other jobs share
    (``supervisor/scripts.py``). ``values``: what stands in this job's. ``interpreter``: the program
    that the image must have. ``identity``: a digest of all that makes its result. ``private``: the
    values hold a secret of the command line. ``imports``: modules of packages that it imports;
    ``packages``: archives with those that can come along, one for each kind of Python.
    """

    url: str
    sha256: str
    path: str
    interpreter: str
    identity: str
    values: Tuple[str, ...] = ()
    private: bool = False
    imports: Tuple[str, ...] = ()
    packages: Tuple[Packages, ...] = ()


@dataclass(frozen=True)
class Step:
    """One command.

    ``command`` is the whole text for the shell (including strict mode and ``shell.prefix``).
    ``shell`` is a name (``bash``) or a path; a path that the image lacks is looked up by its name.
    ``environment`` is added to the container's own. ``level``: steps of one level may run at once,
    as far as the sum of their ``threads`` fits ``TaskSpec.cpus``; a level starts when the one
    before it is done. A level with ``pipes`` or ``serves`` runs at once, whatever its threads.
    ``pipes``: FIFOs that it writes or reads. ``serves``: files that it creates when its service is
    ready; it is ended when the others of its level are done. ``awaits``: such files of others.
    ``drops``: temporary files that are not needed after its level. ``script``: what the
    command runs. ``conda``: key of the environment in which it runs; ``conda_spec``: a digest of
    what describes that, which is part of the job's identity.
    """

    name: str
    command: str
    shell: str = "bash"
    threads: int = 1
    level: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    outputs: Tuple[Output, ...] = ()
    logs: Tuple[Log, ...] = ()
    benchmark: Optional[Benchmark] = None
    pipes: Tuple[str, ...] = ()
    serves: Tuple[str, ...] = ()
    awaits: Tuple[str, ...] = ()
    drops: Tuple[str, ...] = ()
    script: Optional[Script] = None
    conda: Optional[str] = None
    conda_spec: Optional[str] = None


@dataclass(frozen=True)
class Sources:
    """The workflow's source archive (a ``.tar.xz`` of relative paths)."""

    url: str
    sha256: str


@dataclass(frozen=True)
class SnakemakeNeeds:
    """What it takes to run Snakemake. ``version``: the controller's; ``modules``: its plugins that
    the workflow needs; ``python``: the minor version that can use the ``packages``, which serve
    where the image has no Snakemake that will do: all that have the same ``suffix``."""

    version: str
    python: str
    modules: Tuple[str, ...] = ()
    packages: Tuple[Packages, ...] = ()


@dataclass(frozen=True)
class CondaEnvironment:
    """A conda environment of the task, unpacked once a host.

    ``key``: of its lock, which also names its folder; ``name``: what the user calls it, for
    messages; ``manifest`` and ``sha256``: the object that says what it consists of; ``size``: bytes
    when it is unpacked.
    """

    key: str
    name: str
    manifest: str
    sha256: str
    size: int = 0


@dataclass(frozen=True)
class TaskSpec:
    """Everything one container does.

    ``status``: URL prefix; the status of an attempt is stored where
    ``status_names.url(...)`` says.
    ``tmpdir_token``: a text in commands (and environment values) that stands for the job's
    temporary directory, whose path only the container knows; ``workdir_token`` for its working
    directory, ``tree_token`` for the root of its tree, in which ``sources`` are unpacked.
    ``directory``: the working directory, relative to that root; None where it is the root.
    ``names``: what the author called files and folders outside of the working directory, and their
    paths in it (``supervisor/written_names.py``).
    ``scratch``: the container path on which the host's scratch disk is mounted.
    ``disk_mb``: the rule's request, in MB of 10^6 bytes, for the message about a full disk.
    ``identity`` and ``makes`` are for a later controller that has lost its record: a digest of all
    that determines the result, and the URLs of the results. The container does not need them.
    ``snakemake``: the command is Snakemake, whose S3 storage is patched; ``needs``: what it needs
    of the image, or brings along. ``environments``: those of its steps; ``conda_files``: their
    keys by what their files say (``patched_conda.digest``), for Snakemake. ``tools``: what the
    command itself uses (``supervisor/tools.py``). ``environment``: variables of all steps for which
    the job's request has no space. ``probes``: places where the role's permissions are tried.
    ``store_below``: of a job that is run again to be looked into, the URL below which Snakemake
    stores what it makes, in place of where it belongs; empty for nowhere. ``listed``: who reads
    the statuses may list them, so they may be in names (``status_names``).
    """

    name: str
    status: str
    steps: Tuple[Step, ...]
    scratch: str = "/tmp"  # noqa: S108  where the Hutch mounts its scratch
    cpus: int = 1
    inputs: Tuple[Input, ...] = ()
    sources: Optional[Sources] = None
    tmpdir_token: Optional[str] = None
    workdir_token: Optional[str] = None
    tree_token: Optional[str] = None
    directory: Optional[str] = None
    names: Mapping[str, str] = field(default_factory=dict)
    disk_mb: Optional[int] = None
    identity: Optional[str] = None
    makes: Tuple[str, ...] = ()
    snakemake: bool = False
    needs: Optional[SnakemakeNeeds] = None
    environments: Tuple[CondaEnvironment, ...] = ()
    conda_files: Mapping[str, str] = field(default_factory=dict)
    tools: Optional[Packages] = None
    environment: Mapping[str, str] = field(default_factory=dict)
    probes: Tuple[str, ...] = ()
    store_below: Optional[str] = None
    listed: bool = False
    version: int = VERSION


@dataclass(frozen=True)
class Status:
    """How one attempt ended.

    ``phase`` is the last phase reached: ``start``, ``stage_in``, ``run``, ``stage_out``, ``done``.
    ``cause`` and ``problem`` are None after a success, else values of ``problems.Cause`` and
    ``problems.Problem``, with the ``facts``; ``step`` is the rule whose command failed.
    ``seconds`` by phase; ``bytes_in``/``bytes_out`` what was transferred; memory in bytes and CPU
    in seconds of the whole container from its cgroup (None where that cannot be read):
    ``peak_memory`` with cached files, ``used_memory`` the highest seen without them.
    The machine's ``instance_id``, ``instance_type`` and ``capacity`` (``spot`` or ``on-demand``)
    are from EC2, None if the container cannot ask it. ``scratch``: the disk, when it began.
    """

    job_id: str
    attempt: int
    phase: str
    exit_code: int
    cause: Optional[str] = None
    problem: Optional[str] = None
    facts: Optional[Facts] = None
    step: Optional[str] = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    bytes_in: int = 0
    files_in: int = 0
    bytes_out: int = 0
    files_out: int = 0
    peak_memory: Optional[int] = None
    used_memory: Optional[int] = None
    cpu_seconds: Optional[float] = None
    instance_id: Optional[str] = None
    instance_type: Optional[str] = None
    capacity: Optional[str] = None
    scratch: Optional[ScratchDisk] = None
    version: int = VERSION


def status_url(prefix: str, job_id: str, attempt: int) -> str:
    """The URL of the status of an attempt of a single job; an array child's ``id:index``, where its
    status is not listed (``status_names``), becomes ``id-index``."""
    return "{}{}.{}.json".format(prefix, job_id.replace(":", "-"), attempt)


def dumps(value: Union[TaskSpec, Status]) -> str:
    """A ``TaskSpec`` or ``Status`` as compact JSON, without absent values."""
    return json.dumps(_pruned(value), separators=(",", ":"), ensure_ascii=False)


def _pruned(value: object) -> object:
    """Plain data without absent values. Not ``asdict``, which copies all first: the controller
    writes one for each job."""
    if is_dataclass(value):
        value = {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, dict):
        return {k: _pruned(v) for k, v in value.items() if not _at_default(v)}
    if isinstance(value, (list, tuple)):
        return [_pruned(v) for v in value]
    return value


def load_taskspec(text: str) -> TaskSpec:
    """Reads a task specification.

    Raises ``TaskSpecError`` for anything that is not one of this version.
    """
    raw = json_object(text)
    _check_version(raw)
    steps = tuple(_step(item, f"steps[{i}]") for i, item in enumerate(list_of(raw, "steps")))
    if not steps:
        raise TaskSpecError("steps: at least one is needed")
    inputs = tuple(make(Input, item, "inputs") for item in list_of(raw, "inputs"))
    sources = make(Sources, raw["sources"], "sources") if raw.get("sources") else None
    makes, probes = texts_of(raw, "makes", "task"), texts_of(raw, "probes", "task")
    needs = _needs(raw["needs"]) if raw.get("needs") else None
    environments = tuple(
        make(CondaEnvironment, item, "environments") for item in list_of(raw, "environments")
    )
    tools = make(Packages, raw["tools"], "tools") if raw.get("tools") else None
    parts = {
        **{"steps": steps, "inputs": inputs, "sources": sources, "makes": makes, "needs": needs},
        **{"environments": environments, "tools": tools, "probes": probes},
    }
    task = make(TaskSpec, {**raw, **parts}, "task")
    directory = task.directory or ""
    if directory.startswith("/") or ".." in directory.split("/"):
        raise TaskSpecError("directory: not below the root of the job's tree")
    return task


def load_status(text: str) -> Status:
    """Reads a status. Raises ``TaskSpecError`` for anything that is not one of this version, or has
    impossible values: negative numbers, an invalid exit code."""
    if len(text) > STATUS_BYTES:
        raise TaskSpecError(f"longer than {STATUS_BYTES} bytes")
    return make_status(json_object(text))


def make_status(raw: Dict[str, object]) -> Status:
    """A status from parsed JSON. Raises ``TaskSpecError``, as ``load_status``."""
    _check_version(raw)
    raw.pop("message", None)  # from older versions, which had no facts
    facts = facts_of(raw["facts"]) if raw.get("facts") is not None else None
    disk = raw.get("scratch")
    scratch = make(ScratchDisk, disk, "scratch") if disk is not None else None
    status = make(Status, {**raw, "facts": facts, "scratch": scratch}, "status")
    numbers = [v for v in raw.values() if isinstance(v, (int, float))]
    numbers += [scratch.size, scratch.free] if scratch else []
    numbers += [holder.size for holder in facts.holders] if facts else []
    if min([*numbers, *status.seconds.values()]) < 0 or status.exit_code > MOST_EXIT_CODE:
        raise TaskSpecError("status: a number that is out of range")
    return status


def _needs(raw: object) -> SnakemakeNeeds:
    if not isinstance(raw, dict):
        raise TaskSpecError("needs: not an object")
    packages = tuple(make(Packages, item, "needs.packages") for item in list_of(raw, "packages"))
    parts = {"modules": texts_of(raw, "modules", "needs"), "packages": packages}
    return make(SnakemakeNeeds, {**raw, **parts}, "needs")


def facts_of(raw: object) -> Facts:
    """Facts from parsed JSON. Raises ``TaskSpecError``."""
    if not isinstance(raw, dict):
        raise TaskSpecError("facts: not an object")
    outputs = tuple(make(Wrong, item, "facts.outputs") for item in list_of(raw, "outputs"))
    holders = tuple(make(Holder, item, "facts.holders") for item in list_of(raw, "holders"))
    parts = {"files": texts_of(raw, "files", "facts"), "outputs": outputs, "holders": holders}
    return make(Facts, {**raw, **parts}, "facts")


def status_line(status: Status) -> str:
    """A status as a line of the job's log, in ASCII."""
    return STATUS_LINE + json.dumps(_pruned(status), separators=(",", ":"))


def status_in(lines: Iterable[str], job_id: str, attempt: int) -> Optional[Status]:
    """The status of this attempt in the lines of its log; None if there is none. As in S3, it is
    only as trustworthy as the job, which can write anything there."""
    found = None
    for line in lines:
        if line.startswith(STATUS_LINE):
            try:
                status = load_status(line[len(STATUS_LINE) :])
            except ValueError:
                continue
            if (status.job_id, status.attempt) == (job_id, attempt):
                found = status
    return found


def _step(raw: object, where: str) -> Step:
    if not isinstance(raw, dict):
        raise TaskSpecError(f"{where}: not an object")
    outputs = tuple(make(Output, item, where + ".outputs") for item in list_of(raw, "outputs"))
    logs = tuple(make(Log, item, where + ".logs") for item in list_of(raw, "logs"))
    benchmark = raw.get("benchmark")
    script = raw.get("script")
    return make(
        Step,
        {
            **raw,
            "outputs": outputs,
            "logs": logs,
            "benchmark": make(Benchmark, benchmark, where + ".benchmark") if benchmark else None,
            "script": _script(script, where + ".script") if script else None,
            **{name: texts_of(raw, name, where) for name in ("pipes", "serves", "awaits", "drops")},
        },
        where,
    )


def _script(raw: object, where: str) -> Script:
    if not isinstance(raw, dict):
        raise TaskSpecError(f"{where}: not an object")
    packages = tuple(make(Packages, item, where + ".packages") for item in list_of(raw, "packages"))
    texts = {name: texts_of(raw, name, where) for name in ("values", "imports")}
    return make(Script, {**raw, **texts, "packages": packages}, where)


def json_object(text: Union[str, bytes]) -> Dict[str, object]:
    """Raises ``TaskSpecError`` for anything else."""
    try:
        raw = strict_json.loads(text)
    except strict_json.StrictJsonError as error:
        raise TaskSpecError(str(error)) from error
    if not isinstance(raw, dict):
        raise TaskSpecError("not a JSON object")
    return raw


def _check_version(raw: Mapping[str, object]) -> None:
    if raw.get("version") != VERSION:
        raise TaskSpecError(f"version {raw.get('version')!r}, expected {VERSION}")


def _at_default(value: object) -> bool:
    return value is None or value is False or (isinstance(value, (list, tuple, dict)) and not value)
