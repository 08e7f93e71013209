"""Every change to other people's code: what is replaced, by what, and why.

``apply.py`` makes those of ``RUN`` in a Snakemake whose executor is hutchbatch, each once. Those of
``MENDED`` are made by the supervisor's own modules, since Snakemake in a container needs them too
and has nothing else of this package; ``apply.py`` calls them at the controller.

No patches, and so not here: handlers of botocore's events (``aws/client_hooks.py``) and components
of its sessions (``aws/credentials.py``), both official interfaces; and data that is kept on objects
of Snakemake's, such as the prefix of a storage provider. In a job, Python's own functions that open
and list files find for Snakefiles what the controller has (``supervisor/shipped_code.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

#: The versions that the patches were tried with, by the first part of a module's name.
TRIED = {
    "snakemake": ("9.27.1",),
    "snakemake_interface_executor_plugins": ("9.4.0",),
    "snakemake_storage_plugin_s3": ("0.3.6",),
    "botocore": ("1.44.8",),
}


@dataclass(frozen=True)
class Patch:
    """One attribute of other people's code.

    ``replacement``: "module:function". In ``RUN`` a module of this package, whose function takes
    what was there and returns what takes its place; in ``MENDED`` a module of the supervisor, whose
    function does it all.
    """

    module: str
    attribute: str  # with dots where it is a class's
    replacement: str
    reason: str
    is_new: bool = False  # ours alone, or a method that the class could have and has not
    may_lack: bool = False  # other versions have no such thing, and need no patch
    everywhere: bool = False  # in all modules of Snakemake that imported it by name
    in_job_only: bool = False

    @property
    def versions(self) -> tuple[str, ...]:
        return TRIED[self.module.partition(".")[0]]

    @property
    def target(self) -> str:
        return f"{self.module}.{self.attribute}"


S3 = "snakemake_storage_plugin_s3"
_INVENTORY = "answered from one listing of the bucket instead of questions for each file"

#: In the process that leads a run. In this order: the first stand beneath the others.
RUN = (
    # Snakemake's S3 storage
    Patch(
        S3,
        "StorageProvider.__post_init__",
        "s3_storage:check_credentials",
        "missing credentials are reported in one sentence; ended ones are waited for",
    ),
    Patch(
        S3,
        "StorageObject.__post_init__",
        "s3_storage:check_buckets",
        "an unusable bucket is reported, not taken for missing input files",
    ),
    Patch(
        S3,
        "StorageObject.hutchbatch_protected",
        "s3_storage:not_protected",
        "protected() has no effect on S3: here objects know of it",
        is_new=True,
    ),
    Patch(
        S3,
        "StorageObject.inventory",
        "s3_storage:no_inventory",
        "lists without bounds, and only the first folder",
    ),
    Patch(
        S3,
        "StorageObject.get_inventory_parent",
        "s3_storage:no_parent",
        "the plugin's own inventory is off",
    ),
    Patch(S3, "StorageObject.exists", "s3_storage:exists", _INVENTORY),
    Patch(S3, "StorageObject.is_dir", "s3_storage:is_dir", _INVENTORY),
    Patch(S3, "StorageObject.size", "s3_storage:size", _INVENTORY),
    Patch(S3, "StorageObject.mtime", "s3_storage:mtime", _INVENTORY),
    Patch(
        S3,
        "StorageObject.store_object",
        "s3_storage:forget_after",
        "the inventory forgets what it knew",
    ),
    Patch(
        S3, "StorageObject.remove", "s3_storage:forget_after", "the inventory forgets what it knew"
    ),
    Patch(
        S3,
        "StorageObject.touch",
        "s3_storage:touch",
        "the plugin has none, and --touch needs it",
        is_new=True,
    ),
    Patch(
        S3,
        "StorageObject.managed_touch",
        "s3_storage:managed_touch",
        "Snakemake's own way to call touch",
        is_new=True,
    ),
    Patch(
        S3,
        "StorageObject.hutchbatch_is_made",
        "local_files:is_made",
        "the author's name may be a file of the person's own",
        is_new=True,
    ),
    # Inputs that lie here and are uploaded
    Patch(
        "snakemake.dag",
        "DAG.collect_potential_dependencies",
        "source_files:collect_potential_dependencies",
        "inputs without a rule may lie here",
    ),
    Patch(
        "snakemake.dag",
        "DAG.update",
        "source_files:update",
        "inputs whose rules cannot be used may lie here",
    ),
    Patch(
        "snakemake.ioutils",
        "exists",
        "source_files:exists",
        "what lies here exists for Snakefiles, too",
    ),
    # Files in the launch folder: the run's or the person's
    Patch(
        "snakemake.io",
        "_IOFile.exists_local",
        "local_files:exists_local",
        "of stored files only those count that this run has put here",
    ),
    Patch(
        "snakemake.io",
        "_IOFile.mtime_uncached",
        "local_files:mtime_uncached",
        "the time of the person's own file is none of the run's",
    ),
    Patch(
        "snakemake.io",
        "_IOFile.open",
        "local_files:open_",
        "fetches what is in S3 instead of reading the person's own file",
    ),
    Patch(
        "snakemake.io",
        "_IOFile.retrieve_from_storage",
        "local_files:retrieve_from_storage",
        "never over a newer file of the person's",
    ),
    Patch(
        "snakemake.io",
        "remove",
        "local_files:remove",
        "removes here only what this run has put here",
    ),
    Patch(
        "snakemake.executors.local",
        "Executor.run_single_job",
        "local_files:run_single_job",
        "what lies at the names of outputs makes way",
    ),
    Patch(
        "snakemake.executors.local",
        "Executor.get_job_exec_prefix",
        "local_files:get_job_exec_prefix",
        "Snakemake's own child processes use the author's names too",
    ),
    Patch(
        "snakemake.io",
        "_IOFile.protected",
        "s3_storage:protected",
        "sees the mark of objects in S3, before the first job is submitted",
    ),
    Patch(
        "snakemake.jobs",
        "wait_for_files",
        "s3_storage:wait_in_storage",
        "--keep-storage-local-copies waits for local copies that nobody made",
    ),
    # Jobs
    Patch(
        "snakemake.jobs",
        "Job.postprocess",
        "failed_outputs:postprocess",
        "a failed job that never ran loses its earlier outputs",
    ),
    Patch(
        "snakemake.checkpoints",
        "Checkpoint.get",
        "local_inputs:checkpoint_get",
        "functions open and glob a checkpoint's output, which is in S3",
    ),
    Patch(
        "snakemake.rules",
        "Rule.expand_resources",
        "local_inputs:expand_resources",
        "threads and resources read inputs, which are in S3",
    ),
    Patch(
        "snakemake_interface_executor_plugins.utils",
        "format_cli_pos_arg",
        "shell_quoting:format_cli_pos_arg",
        "quotes with Python's repr, within which a shell expands",
    ),
    # The workflow's code
    Patch(
        "snakemake.sourcecache",
        "SourceCache._cache",
        "source_cache:cache",
        "files of other repositories travel with the workflow's code: jobs clone nothing",
    ),
    Patch(
        "snakemake.sourcecache",
        "SourceCache.get_path",
        "source_cache:get_path",
        "commands name files of the cache (workflow.source_path)",
    ),
    # What Snakemake keeps of a run
    Patch(
        "snakemake.persistence.file",
        "FilePersistence.lock",
        "locks:lock",
        "a lock of a dead process asks for --unlock",
    ),
    Patch(
        "snakemake.persistence.file",
        "FilePersistence._write_locks",
        "locks:write_locks",
        "locks do not name their owner",
    ),
    Patch(
        "snakemake.persistence.file",
        "FilePersistence.finished",
        "locks:finished",
        "a full disk at the controller ends a run whose jobs go on",
    ),
    Patch(
        "snakemake.dag",
        "DAG.check_incomplete",
        "locks:check_incomplete",
        "incomplete outputs end the run, although their jobs may still be on AWS Batch",
    ),
    Patch(
        "snakemake.logging",
        "LoggerManager._default_filehandler",
        "log_names:default_filehandler",
        "the log file takes no names that are not UTF-8",
        may_lack=True,
    ),
    # botocore
    Patch(
        "botocore.auth",
        "get_current_datetime",
        "signing_clock:get_current_datetime",
        "signs by this machine's clock however wrong it is; no event comes before that",
        may_lack=True,
    ),
)

_STORAGE = "patched_s3_storage:mend"
_NAMES = "file_names:keep_names"
_SHIPPED = "shipped_code:use"

#: In the process that leads a run, in Snakemake processes that it starts for jobs of its own
#: machine, and in Snakemake in a container.
MENDED = (
    Patch(
        S3,
        "StorageObject.__post_init__",
        _STORAGE,
        'to the plugin\'s URL parser "#" and "?" end a name',
    ),
    Patch(S3, "StorageObject.bucket_exists", _STORAGE, "the plugin creates buckets"),
    Patch(S3, "StorageObject.is_dir", _STORAGE, "remembers that something is no directory"),
    Patch(S3, "StorageObject.remove", _STORAGE, "removes the bucket with its last object"),
    Patch(S3, "StorageObject.size", _STORAGE, "asks S3 for what is not stored yet"),
    Patch(S3, "StorageObject.mtime", _STORAGE, "asks S3 for what is not stored yet"),
    Patch(
        S3,
        "StorageObject.store_object",
        _STORAGE,
        "unchecked, and over a later attempt's output",
    ),
    Patch(S3, "StorageObject.retrieve_object", _STORAGE, "unchecked"),
    Patch(
        S3,
        "StorageObject.list_candidate_matches",
        _STORAGE,
        "compares a URL with a bucket's name, and never finds it",
    ),
    Patch(
        S3,
        "StorageObject.hutchbatch_is_made",
        _STORAGE,
        "whether the local file is the job's",
        is_new=True,
    ),
    Patch(S3, "StorageObject._hutchbatch_mended", _STORAGE, "patched once, not twice", is_new=True),
    Patch(
        S3,
        "StorageProvider.__post_init__",
        _STORAGE,
        "Snakemake imports the plugin while it is not complete: the rest follows here",
    ),
    Patch(
        S3, "StorageObject.local_path", "file_names:name_objects", "the author's name of the file"
    ),
    Patch(
        S3,
        "StorageObject.hutchbatch_plain_path",
        "file_names:name_objects",
        "the plugin's own local path",
        is_new=True,
    ),
    Patch(
        S3,
        "StorageObject.print_query",
        "file_names:name_objects",
        "messages show the author's name",
        is_new=True,
    ),
    Patch(
        "snakemake.dag",
        "DAG.check_and_touch_output",
        "refused_outputs:report_to_supervisor",
        "the supervisor reports which outputs are wrong, and how",
        in_job_only=True,
    ),
    Patch(
        "snakemake.jobs",
        "Job.postprocess",
        "unfinished:wait_for_writers",
        "stores outputs that a process still writes",
    ),
    Patch(
        "snakemake.io",
        "_IOFile.store_in_storage",
        "patched_s3_storage:_mark_protected",
        "objects in S3 do not know of protected()",
    ),
    Patch(
        "snakemake.path_modifier",
        "PathModifier.apply_default_storage",
        _NAMES,
        "here the prefix is known, and the rule's own pathvars: count",
    ),
    Patch(
        "snakemake.path_modifier",
        "PathModifier.modify",
        _NAMES,
        "drops the flag of a file whose name has not changed",
    ),
    Patch(
        "snakemake.path_modifier",
        "PathModifier._hutchbatch",
        _NAMES,
        "patched once, not twice",
        is_new=True,
    ),
    Patch("snakemake.rules", "Rule.apply_path_modifier", _NAMES, "here the rule is known"),
    Patch("snakemake.rules", "RuleProxy._to_iofile", _NAMES, "refuses what is flagged"),
    Patch("snakemake.io", "expand", _NAMES, "refuses what is flagged", everywhere=True),
    Patch(
        "snakemake.io",
        "AnnotatedStringFormatMixin.format",
        _NAMES,
        "loses what is flagged",
        may_lack=True,
    ),
    Patch(
        "snakemake.io.fmt",
        "fmt_iofile",
        _NAMES,
        'adds "(send to storage)" to names',
        may_lack=True,
        everywhere=True,
    ),
    Patch(
        "snakemake.workflow",
        "Workflow.configfile",
        _NAMES,
        "the launch folder has another name in a container",
        in_job_only=True,
    ),
    Patch(
        "snakemake.workflow",
        "Workflow.include",
        _NAMES,
        "the launch folder has another name in a container",
        in_job_only=True,
    ),
    Patch(
        "snakemake.workflow",
        "Workflow.workdir",
        _SHIPPED,
        "the job's working directory stands for it already",
        in_job_only=True,
    ),
    Patch(
        "snakemake.sourcecache",
        "SourceCache._cache",
        _SHIPPED,
        "clones and downloads what came with the workflow's code",
        in_job_only=True,
    ),
    Patch(
        "snakemake.sourcecache",
        "split_git_path",
        _SHIPPED,
        "asks a repository that the job does not have",
        in_job_only=True,
    ),
    Patch(
        "snakemake.sourcecache",
        "SourceCache._hutchbatch",
        _SHIPPED,
        "patched once, not twice",
        is_new=True,
        in_job_only=True,
    ),
    Patch(
        "snakemake.jobs",
        "Job.remove_existing_output",
        _NAMES,
        "takes a file that came with the workflow's code for an output",
        in_job_only=True,
    ),
)
