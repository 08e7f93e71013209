"""Changes to other people's code in the process that leads a run: what, by what, and why.

``apply.py`` makes them, each once, in a Snakemake whose executor is hutchbatch; ``speed_table.py``
has those that only save time, and ``shared_table.py`` those that Snakemake in a container needs,
too.

Not here, because they are no patches: handlers of botocore's events (``aws/client_hooks.py``) and
components of its sessions (``aws/credentials.py``), both official interfaces, and handlers that are
added to those with which its sessions begin (``aws/lease_gate.py``); and data that is kept on
Snakemake's objects, such as the prefix of a storage provider. Neither are
Python's own functions: ``os.stat`` notes what Snakefiles ask about while they are parsed
(``planning/opened_files.py``), and in a job the functions that open and list files find for
Snakefiles what the controller has (``supervisor/listed_files.py``).
"""

from __future__ import annotations

from .patch import S3, Patch
from .speed_table import SPEED

_INVENTORY = "answered from one listing of the bucket instead of questions for each file"

#: Applied in this order: later patches wrap earlier ones of the same attribute.
RUN = (
    # Snakemake's S3 storage
    Patch(
        S3,
        "StorageProvider.__post_init__",
        "s3_storage:check_credentials",
        "missing credentials are reported in one sentence; the run waits for expired ones",
    ),
    Patch(
        "snakemake.storage",
        "StorageRegistry.__init__",
        "storage_prefix:registry_init",
        "a storage prefix that is no place in S3 is reported before the Snakefile is read",
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
        "protected() has no effect on S3: objects get a mark",
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
        "the user may have a file of the same name",
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
        "what is here exists for Snakefiles, too",
    ),
    # Files in the launch folder: the run's or the user's
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
        "ignores the time of the user's own file",
    ),
    Patch(
        "snakemake.io",
        "_IOFile.open",
        "local_files:open_",
        "fetches the file from S3 instead of reading the user's own",
    ),
    Patch(
        "snakemake.io",
        "_IOFile.retrieve_from_storage",
        "local_files:retrieve_from_storage",
        "never replaces a newer file of the user",
    ),
    Patch(
        "snakemake.io",
        "remove",
        "local_files:remove",
        "only removes local files that this run has put here",
    ),
    Patch(
        "snakemake.executors.local",
        "Executor.run_single_job",
        "local_files:run_single_job",
        "moves the user's files away from the names of outputs",
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
        "--keep-storage-local-copies waits for local copies that were never created",
    ),
    # Jobs
    Patch(
        "snakemake.jobs",
        "Job.postprocess",
        "failed_outputs:postprocess",
        "a failed job that never ran loses its earlier outputs",
    ),
    Patch(
        "snakemake.jobs",
        "Job.restart_times",
        "retries:restart_times",
        "retries: count for every failure, also for one after which another try is in vain",
    ),
    Patch(
        "snakemake.scheduling.job_scheduler",
        "JobScheduler.__init__",
        "temporary_files:init",
        "temp() files whose consumers ended while no Snakemake watched stay for ever",
    ),
    Patch(
        "snakemake.checkpoints",
        "Checkpoint.get",
        "local_inputs:checkpoint_get",
        "functions open and glob a checkpoint's output, which is in S3",
    ),
    Patch(
        "snakemake.common",
        "get_function_params",
        "signatures:get_function_params",
        "looks up the parameters of each resource's function again for each job",
    ),
    Patch(
        "snakemake.rules",
        "Rule.expand_resources",
        "local_inputs:expand_resources",
        "threads and resources read inputs, which are in S3",
    ),
    Patch(
        "snakemake.workflow",
        "Workflow.conda_base_path",
        "conda_base:conda_base_path",
        "without conda here, --sdm conda ends the run at the first local rule, of any kind",
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
        "snakemake.dag",
        "DAG.init",
        "before_graph:init",
        "what detached runs knew of their files must be here before it is asked for",
    ),
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
        "a full disk on the controller ends a run whose jobs keep running",
    ),
    Patch(
        "snakemake.persistence",
        "PersistenceBase._software_stack_hash",
        "software_stack:software_stack_hash",
        "a changed environment of jobs on Batch, which Snakemake does not make, changes nothing",
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
        "the log file does not accept names that are not UTF-8",
        may_lack=True,
    ),
    # The memory of workflows with many jobs
    Patch(
        "snakemake.iocontainers",
        "AttributeGuard.__new__",
        "small_objects:one_guard",
        "each job has a dozen equal ones",
        is_new=True,
    ),
    Patch(
        "snakemake.io",
        "AnnotatedString.__new__",
        "small_objects:slotted",
        "each file of a job has two, with a dictionary each",
        is_new=True,
    ),
    *SPEED,
    # botocore
    Patch(
        "botocore.auth",
        "get_current_datetime",
        "signing_clock:get_current_datetime",
        "signs with this machine's clock even if it is wrong; no event precedes it",
        may_lack=True,
    ),
)
