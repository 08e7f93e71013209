"""What this package uses of Snakemake's objects, whose own classes carry few types.

Protocols only: Snakemake's objects match them by their attributes, without knowing of them.
``tests/unit/test_snakemake_types.py`` compares them with the objects of a real run. Attributes
whose names begin with ``hutchbatch_`` or ``_hutchbatch_`` are what this package itself keeps there.
"""

from __future__ import annotations

from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    Sequence,
)
from pathlib import Path
from threading import Lock, Semaphore
from types import FunctionType
from typing import IO, TYPE_CHECKING, Protocol, Union

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from typing_extensions import TypeIs

# Files


class ObjectSummary(Protocol):
    """boto3's, of a listing."""

    key: str


class Objects(Protocol):
    """boto3's, of a bucket."""

    def filter(self, *, Prefix: str) -> Iterable[ObjectSummary]: ...


class Bucket(Protocol):
    """boto3's."""

    objects: Objects


class S3Meta(Protocol):
    """Of boto3's ``ServiceResource.meta``."""

    client: S3Client


class S3Resource(Protocol):
    """boto3's S3 resource, which Snakemake's S3 storage works with."""

    meta: S3Meta


class ProviderSettings(Protocol):
    """The settings of an S3 storage provider."""

    endpoint_url: str | None
    access_key: str | None
    secret_key: str | None
    token: str | None
    signature_version: str | None


class StorageProvider(Protocol):
    """A storage provider of the S3 plugin."""

    is_default: bool
    keep_local: bool
    settings: ProviderSettings
    s3c: S3Resource
    #: What objects under the default storage prefix begin with (``supervisor/file_names.py``).
    hutchbatch_prefix: str
    _hutchbatch_inventory: object
    _hutchbatch_boto: object


class StorageObject(Protocol):
    """An object in S3 as Snakemake's storage plugin knows it. ``retrieve``: whether it is fetched
    before a job."""

    query: str
    bucket: str
    key: str
    provider: StorageProvider
    retrieve: bool
    keep_local: bool
    hutchbatch_protected: bool
    hutchbatch_temporary: bool
    _is_dir: bool | None
    _local_suffix: str
    _overwrite_local_path: Path | None

    def exists(self) -> bool: ...
    def is_dir(self) -> bool: ...
    def local_path(self) -> Path: ...
    def set_local_path(self, path: Path) -> None: ...
    def retrieve_object(self) -> None: ...
    def get_subkeys(self) -> Iterable[ObjectSummary]: ...
    def s3bucket(self) -> Bucket: ...
    def managed_mtime(self) -> Awaitable[float]: ...
    def managed_remove(self) -> Awaitable[None]: ...
    def _local_suffix_from_key(self, key: str) -> str: ...
    #: The path that the plugin itself would take.
    def hutchbatch_plain_path(self) -> Path: ...
    def hutchbatch_is_made(self) -> bool: ...


Flags = MutableMapping[str, object]


class Flagged(Protocol):
    """A text with flags, as ``temp("a.txt")`` in a Snakefile makes it."""

    flags: Flags


class File(Protocol):
    """An input, output, log or benchmark of a job. ``str()`` is its path, ``_file`` what the
    Snakefile says."""

    flags: Flags
    is_storage: bool
    is_directory: bool
    should_not_be_retrieved_from_storage: bool
    _file: object

    @property
    def storage_object(self) -> StorageObject: ...
    def exists(self) -> Awaitable[bool]: ...
    def exists_in_storage(self) -> Awaitable[bool]: ...


class Files(Collection[File], Protocol):
    """A job's inputs, outputs or logs. ``keys``: the names that a rule gives some of them."""

    def keys(self) -> Collection[str]: ...
    def get(self, key: str) -> Iterable[File]: ...
    def _plainstrings(self) -> object: ...


# Rules and jobs


class Resources(Protocol):
    """A job's resources. A value is ``<TBD>`` where Snakemake cannot know it yet."""

    def items(self) -> Iterable[tuple[str, object]]: ...
    def get(self, name: str) -> object: ...


class GivenResource(Protocol):
    """A resource as the rule gives it."""

    raw: object


class SourceFile(Protocol):
    """A file of a workflow's code, here or in another repository."""

    def get_path_or_uri(self, secret_free: bool) -> str: ...
    def replace_suffix(self, suffix: list[str], replacement: str) -> SourceFile | None: ...


class Rule(Protocol):
    """A rule. ``shellcmd``: its ``shell:`` text; ``run_func``: the function that Snakemake's parser
    makes of its command; ``params``: as the rule gives them; ``basedir``: the folder of its
    Snakefile."""

    name: str
    resources: Mapping[str, GivenResource]
    shellcmd: str | None
    run_func: FunctionType
    params: Iterable[object]
    basedir: SourceFile
    wrapper: str | None
    script: object
    notebook: object
    conda_env: object
    group: object
    norun: bool
    is_containerized: bool
    env_modules: object
    cache: object
    is_handover: bool
    wildcard_names: set[str]

    def expand_resources(
        self, wildcards: Mapping[str, str], input: Files, attempt: int
    ) -> Mapping[str, object]: ...
    def expand_output(self, wildcards: Mapping[str, str]) -> Sequence[Sequence[File]]: ...


class CheckpointJob(Protocol):
    """What a checkpoint that has run answers."""

    output: Sequence[File]


class Checkpoint(Protocol):
    """Of ``checkpoints.…`` in a Snakefile."""

    rule: Rule


class Target(Protocol):
    """A rule and its wildcards, as a command line names them."""

    rulename: str
    wildcards_dict: Mapping[str, str]


class _EitherJob(Protocol):
    """What a job and a group of jobs have in common."""

    name: str
    jobid: int | str
    attempt: int
    restart_times: int
    threads: int
    priority: int
    resources: Resources
    scheduler_resources: Mapping[str, object]
    dag: Dag
    input: Collection[File]
    output: Collection[File]
    log: Collection[File]
    is_local: bool
    rules: Iterable[str]

    def is_group(self) -> bool: ...
    def get_target_spec(self) -> Sequence[Target]: ...
    def log_error(
        self, msg: str | None = None, *, aux_logs: list[str] | None = None, **more: object
    ) -> None: ...
    def __len__(self) -> int: ...


class Job(_EitherJob, Protocol):
    """One job of one rule."""

    rule: Rule
    wildcards: object
    wildcards_dict: Mapping[str, str]
    params: object
    input: Files
    output: Files
    log: Files
    benchmark: File | None
    benchmark_repeats: int | None
    temp_output: Collection[File]
    touch_output: Collection[File]
    pipe_or_service_output: Collection[File]
    pipe_group: object
    container_img_url: str | None
    conda_env_spec: object
    shadow_dir: str | None
    is_checkpoint: bool
    is_norun: bool
    is_shell: bool
    is_script: bool
    is_notebook: bool
    is_wrapper: bool
    is_cwl: bool
    is_template_engine: bool
    is_run: bool
    _resources: Resources | None

    def shadowed_path(self, file: File) -> object: ...
    def get_log_error_info(self, msg: str | None, **more: object) -> Mapping[str, object]: ...
    def cleanup(self, skip_outputs: Sequence[File]) -> Awaitable[None]: ...


class GroupJob(_EitherJob, Protocol):
    """Jobs that run together. ``toposorted``: in levels, each of which needs those before it."""

    groupid: str
    jobs: Collection[Job]
    toposorted: Sequence[Sequence[Job]]
    _resources: Resources | None


# Not `|`, which Protocols take at runtime from Python 3.14 on only.
AnyJob = Union[Job, GroupJob]  # noqa: UP007


def is_group(job: AnyJob) -> TypeIs[GroupJob]:
    """``job.is_group()``, from which a type checker learns what ``job`` is."""
    return job.is_group()


class PathModifier(Protocol):
    """Turns what a rule names into files, with their storage."""

    workflow: Workflow

    def apply_default_storage(self, path: object) -> Flagged: ...


class LocalExecutor(Protocol):
    """Snakemake's executor for jobs on this machine."""

    workflow: Workflow


# Runs


class Dag(Protocol):
    """The graph of a run's jobs."""

    workflow: Workflow
    dependencies: Mapping[Job, Mapping[Job, Collection[File]]]
    jobs: Iterable[Job]
    ignore_incomplete: bool
    checkpoint_jobs: Iterable[Job]
    _deferred_temp_jobs: list[Job]
    forcefiles: set[File]

    def needrun_jobs(self) -> Iterable[Job]: ...
    def needrun(self, job: Job) -> bool: ...
    def finished(self, job: Job) -> bool: ...
    def handle_temp(self, job: AnyJob) -> Awaitable[None]: ...
    def get_unneeded_temp_files(self, job: AnyJob) -> Iterable[str]: ...
    def get_sources(self) -> Iterable[str]: ...
    def incomplete_files(self) -> Awaitable[Iterable[File]]: ...
    def __len__(self) -> int: ...


class Persistence(Protocol):
    """Snakemake's own records: what made which file, locks, files that are incomplete."""

    _lockdir: Path
    path: Path
    dag: Dag

    def unlock(self) -> None: ...
    def cleanup(self, job: Job) -> None: ...
    def metadata(self, target: File) -> object: ...
    def _get_key(self, file: File) -> str: ...
    def _filter_incomplete_keys(self, keys: Iterable[str]) -> Iterable[str]: ...
    def _unmark_incomplete(self, key: str) -> None: ...
    def _record_path(self, subject: str, id: str) -> str: ...
    def _clear_cache(self) -> None: ...


class Scheduler(Protocol):
    """Decides which jobs start, and counts those that ended."""

    failed: Collection[Job]
    running: Collection[AnyJob]
    remaining_jobs: Collection[Job]
    finished_jobs: int
    _executor_error: bool
    _user_kill: str | None
    _input_sizes: Mapping[File, int | None]
    workflow: Workflow
    resources: Mapping[str, object]
    job_rate_limiter: JobRateLimiter | None
    dryrun: bool
    touch: bool
    _scheduler: object
    _tofinish: Collection[AnyJob]
    _toerror: Collection[AnyJob]
    _lock: Lock
    _open_jobs: Semaphore

    def error_callback(self, job: AnyJob) -> None: ...
    def validate_job(self, job: AnyJob) -> None: ...
    def update_input_sizes(self, jobs: Iterable[AnyJob]) -> Awaitable[None]: ...
    def update_available_resources(self, selected_jobs: Collection[AnyJob]) -> None: ...


class JobRateLimiter(Protocol):
    """Keeps ``--max-jobs-per-timespan``."""

    def get_free_jobs(self) -> int: ...
    def register_jobs(self, n_jobs: int) -> None: ...


class StorageSettings(Protocol):
    """``--default-storage-provider`` and its relatives."""

    default_storage_provider: str | None
    default_storage_prefix: str | None


class OwnStorageSettings(StorageSettings, Protocol):
    """Those of a run, which also say where local copies lie."""

    local_storage_prefix: Path
    keep_storage_local: bool


class PreemptibleRules(Protocol):
    """``--preemptible-rules``."""

    all: bool
    rules: Collection[str]


class RemoteExecutionSettings(Protocol):
    """Of ``--container-image``, ``--envvars`` and ``--preemptible-…``."""

    container_image: str
    envvars: Collection[str]
    preemptible_rules: PreemptibleRules
    preemptible_retries: int | None
    seconds_between_status_checks: float


class DeploymentMethod(Protocol):
    """One of ``--software-deployment-method``."""

    name: str


class DeploymentSettings(Protocol):
    """``--software-deployment-method``, ``--conda-base-path``."""

    deployment_method: Collection[DeploymentMethod]
    conda_base_path: str | None


class ConfigSettings(Protocol):
    """``--config`` and ``--configfile``; ``overwrite_config``: what both of them say."""

    overwrite_config: Mapping[str, object]
    configfiles: Sequence[Path]
    config_args: object
    replace_workflow_config: bool


class WorkflowSettings(Protocol):
    """``--wrapper-prefix`` and ``--cache``."""

    wrapper_prefix: str | None
    cache: object


class JobLimit(Protocol):
    """``--max-jobs-per-timespan``."""

    max_jobs: int


class SchedulingSettings(Protocol):
    """How jobs are started."""

    max_jobs_per_timespan: JobLimit | None


class ExecutionSettings(Protocol):
    """How jobs are run."""

    keep_incomplete: bool
    keep_metadata: bool


class DagSettings(Protocol):
    """How the graph of jobs is made."""

    force_incomplete: bool


class StorageRegistry(Protocol):
    """The storage providers of a run, by the names of their plugins."""

    default_storage_provider: StorageProvider
    _storages: Collection[str]


class SourceCache(Protocol):
    """Where Snakemake keeps copies of a workflow's remote sources."""

    cache_path: Path
    runtime_cache_path: object

    def open(self, source_file: object, mode: str = "r") -> IO[str]: ...
    def exists(self, source_file: SourceFile) -> bool: ...


class ExecMode(Protocol):
    """Whether this Snakemake leads a run or runs one job."""

    name: str


class Workflow(Protocol):
    """A workflow, as Snakemake runs it. ``included``: its Snakefiles; ``workdir_init``: the folder
    in which they were read."""

    dag: Dag
    rules: Iterable[Rule]
    included: Collection[object]
    main_snakefile: object
    configfiles: Iterable[object]
    config: MutableMapping[str, object]
    overwrite_workdir: str | Path | None
    workdir_init: str
    envvars: Collection[str]
    globals: MutableMapping[str, object]
    persistence: Persistence
    scheduler: Scheduler | None
    output_file_cache: object
    remote_exec: bool
    local_exec: bool
    _localrules: Collection[str]
    exec_mode: ExecMode
    sourcecache: SourceCache
    storage_registry: StorageRegistry
    storage_provider_settings: Mapping[str, Mapping[str | None, object]] | None
    config_settings: ConfigSettings
    dag_settings: DagSettings
    deployment_settings: DeploymentSettings
    execution_settings: ExecutionSettings
    remote_execution_settings: RemoteExecutionSettings
    scheduling_settings: SchedulingSettings
    storage_settings: OwnStorageSettings
    workflow_settings: WorkflowSettings

    def async_run(self, coro: Awaitable[object]) -> object: ...


#: A function of other people's code that is replaced, or what takes its place.
Method = Callable[..., object]
AsyncMethod = Callable[..., Awaitable[object]]
#: Snakemake's command line for a job that Snakemake itself runs in a container.
Command = Callable[[AnyJob], str]
