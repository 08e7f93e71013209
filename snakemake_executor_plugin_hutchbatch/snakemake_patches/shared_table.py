"""Changes that every Snakemake process of a run needs, also one in a container.

The supervisor's own modules make them, since a container has nothing else of this package;
``apply.py`` calls them on the controller.
"""

from __future__ import annotations

from .patch import S3, Patch

_STORAGE = "patched_s3_storage:patch_storage"
_NAMES = "file_names:keep_names"
_FETCHED = "fetched_inputs:answer_by_what_is_here"
_SHIPPED = "shipped_code:use"
_CONDA = "patched_conda:use"

#: In the process that leads a run, in Snakemake processes that it starts for jobs of its own
#: machine, and in Snakemake in a container.
SHARED = (
    Patch(
        "botocore.utils",
        "ContainerMetadataFetcher.RETRY_ATTEMPTS",
        "patched_s3_storage:wait_for_credentials",
        "has no credentials where many containers of a machine ask for theirs at once",
        in_job_only=True,
    ),
    Patch(
        S3,
        "StorageObject.__post_init__",
        _STORAGE,
        'the plugin\'s URL parser ends names at "#" and "?"',
    ),
    Patch(S3, "StorageObject.bucket_exists", _STORAGE, "the plugin creates buckets"),
    Patch(S3, "StorageObject.is_dir", _STORAGE, "caches that something is no directory"),
    Patch(S3, "StorageObject.remove", _STORAGE, "removes the bucket with its last object"),
    Patch(S3, "StorageObject.size", _STORAGE, "asks S3 for files that are not stored yet"),
    Patch(S3, "StorageObject.mtime", _STORAGE, "asks S3 for files that are not stored yet"),
    Patch(
        S3,
        "StorageObject.store_object",
        _STORAGE,
        "stores unchecked, and over a later attempt's output",
    ),
    Patch(S3, "StorageObject.retrieve_object", _STORAGE, "fetches unchecked"),
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
    Patch(
        S3,
        "StorageObject.exists",
        _FETCHED,
        "asks S3 about inputs that the supervisor has fetched",
        in_job_only=True,
    ),
    Patch(
        S3,
        "StorageObject.inventory",
        _FETCHED,
        "lists folders of inputs that the supervisor has fetched",
        in_job_only=True,
    ),
    Patch(
        S3, "StorageObject._hutchbatch_patched", _STORAGE, "patched once, not twice", is_new=True
    ),
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
        "snakemake.dag",
        "DAG.cleanup_storage_objects",
        "results_apart:keep_local_copies",
        "removes what somebody wants to look at where a job is run again",
        in_job_only=True,
    ),
    Patch(
        "snakemake.dag",
        "DAG.handle_ensure",
        "unfinished:wait_for_writers",
        "stores outputs that a process still writes",
    ),
    Patch(
        "snakemake.io",
        "_IOFile.store_in_storage",
        "patched_s3_storage:_mark_flagged",
        "protected() has no effect on objects in S3",
    ),
    Patch(
        "snakemake.path_modifier",
        "PathModifier.apply_default_storage",
        _NAMES,
        "the prefix is known here, and the rule's own pathvars: apply",
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
    Patch("snakemake.rules", "Rule.apply_path_modifier", _NAMES, "the rule is known here"),
    Patch("snakemake.rules", "RuleProxy._to_iofile", _NAMES, "refuses flagged values"),
    Patch("snakemake.io", "expand", _NAMES, "refuses flagged values", everywhere=True),
    Patch(
        "snakemake.io",
        "AnnotatedStringFormatMixin.format",
        _NAMES,
        "loses the flag",
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
    Patch(
        "snakemake.deployment.conda",
        "Env.address",
        _CONDA,
        "the environment came with the job",
        in_job_only=True,
    ),
    Patch(
        "snakemake.deployment.conda",
        "Env.create",
        _CONDA,
        "the environment came with the job",
        in_job_only=True,
    ),
    Patch(
        "snakemake.deployment.conda",
        "Env._hutchbatch",
        _CONDA,
        "patched once, not twice",
        is_new=True,
        in_job_only=True,
    ),
    Patch(
        "snakemake.deployment.conda",
        "Conda.__init__",
        _CONDA,
        "starts conda, which the image need not have",
        in_job_only=True,
    ),
    Patch(
        "snakemake.deployment.conda",
        "Conda.shellcmd",
        _CONDA,
        "activates with conda, which the image need not have",
        in_job_only=True,
    ),
)
