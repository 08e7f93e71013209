"""The settings, whose help texts are their documentation, and the per-rule resource names.

Every setting is an option ``--hutchbatch-<name>``, a profile key ``hutchbatch-<name>`` and an
environment variable ``SNAKEMAKE_HUTCHBATCH_<NAME>``. Those in ``PER_JOB`` are also a resource
``hutchbatch_<name>`` that wins over the setting.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Optional

from snakemake_interface_common.exceptions import ApiError
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

from ..text.printable import printable
from .parsers import (
    DEFAULT_ARRAY,
    DEFAULT_AWS_CLI_PATH,
    DEFAULT_LOG_GROUP,
    DEFAULT_SCRATCH,
    PARSERS,
    SettingError,
)

#: Settings that are also a resource ``hutchbatch_<name>``; ``image`` is a resource only.
PER_JOB = (
    "queue",
    "job_role",
    "image",
    "mode",
    "scratch",
    "aws_cli_path",
    "log_group",
    "tags",
    "scheduling_priority",
    "share_identifier",
    "shm_mb",
    "volumes",
    "secrets",
    "policy",
    "starve_minutes",
    "spot_attempts",
    "host_attempts",
    "oom_memory_factor",
)

#: The spellings of snakemake-executor-plugin-aws-batch, so that its Snakefiles run unchanged.
ALIASES = {
    "batch_queue": "queue",
    "aws_batch_job_queue": "queue",
    "aws_batch_job_role": "job_role",
    "aws_batch_container_image": "image",
    "shared_memory_size_mb": "shm_mb",
}


def _setting(help_text: str, metavar: str, **metadata: Any) -> Any:
    return field(
        default=None,
        metadata={"help": help_text, "env_var": True, "metavar": metavar, **metadata},
    )


def _as_list(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, (list, tuple)) else [str(value)]


def _listed(help_text: str, metavar: str) -> Any:
    # Snakemake hands a nargs list to parse_func whole; without one it would take str() of the list.
    return _setting(help_text, metavar, nargs="+", parse_func=_as_list, unparse_func=" ".join)


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """What a user can set. Values stay as typed; ``resolve`` reads them.

    Raises ``ApiError`` on creation, one sentence for each value that cannot be used.
    """

    region: Optional[str] = _setting(
        "AWS region of the Batch queues. Default: the region of your AWS configuration "
        "(AWS_REGION, ~/.aws/config), else us-west-2, where the Hutch's queues are.",
        "REGION",
    )
    queue: Optional[str] = _setting(
        "Batch queue for jobs: auto, or a name or ARN, or several names with commas between: a job "
        "that loses its machines or waits too long moves to the next one. "
        "Default auto: jobs that ask for GPUs go to the GPU queue, others to a spot queue by the "
        "policy, or to mixed or default where there is no spot queue. "
        "A rule can have its own: resources: hutchbatch_queue='cpu-spot-30,cpu-spot-50'.",
        "QUEUE",
    )
    policy: Optional[str] = _setting(
        "Which spot queue a job starts on with queue auto. availability: the one with the highest "
        "bid, there around the clock. capacity: the one with the lowest bid and the most room, at "
        "best on nights and weekends, moving up when it waits. balanced: between the two. "
        "Default availability.",
        "POLICY",
    )
    queue_catalog: Optional[str] = _setting(
        "File with your site's queues (YAML, see the documentation), used for what AWS itself does "
        "not tell. Default: the Hutch's five queues.",
        "FILE",
    )
    spot_attempts: Optional[str] = _setting(
        "How often a job may be started on one queue when AWS takes its spot machine back, 1 to "
        "10; then it moves to the next queue. Snakemake's retries are not touched. Default 5.",
        "NUMBER",
    )
    host_attempts: Optional[str] = _setting(
        "How often a job may be started when its machine fails to start or keep the container, 1 "
        "to 10. Snakemake's retries are not touched. Default 3.",
        "NUMBER",
    )
    starve_minutes: Optional[str] = _setting(
        "Minutes that a job may wait in a queue that is not moving before it goes to the next one, "
        "0 for never. Default 20.",
        "MINUTES",
    )
    oom_memory_factor: Optional[str] = _setting(
        "A job killed for memory is started again with so many times the memory (for example 1.5), "
        "up to the largest machine of its queue; 0 for never. Default 0.",
        "FACTOR",
    )
    tail_lines: Optional[str] = _setting(
        "Lines of a failed job's output to show, 0 to 1000. Default 30.", "NUMBER"
    )
    array_size: Optional[str] = _setting(
        "How many equal jobs are sent to AWS Batch together, as one array job, 1 to 10000; "
        f"1: each by itself. Default {DEFAULT_ARRAY}.",
        "NUMBER",
    )
    report: Optional[list[str]] = _listed(
        "Files that tell of the run, written at its end: report.html, one picture of all that ran "
        "(needs the extra report), or trace.tsv, a table of every job and attempt. The command "
        "hutchbatch report writes them at any time. Default: none.",
        "FILE",
    )
    job_role: Optional[str] = _setting(
        "ARN of the IAM role that jobs use to read and write your bucket, for example "
        "arn:aws:iam::123456789012:role/fh-pi-lastname-f-batchtask; SciComp tells you yours. "
        "'none' if the machines' own role may do it. No default.",
        "ARN",
    )
    user: Optional[str] = _setting(
        "Your HutchNet ID: the names of your jobs begin with it. Default: your login name.",
        "HUTCHNET_ID",
    )
    mode: Optional[str] = _setting(
        "How commands run in their container. direct: the rule's command alone, in any image. "
        "snakemake: by Snakemake, which the image must contain (needed for script:, run:, "
        "notebook:, wrapper:). Default auto: direct for every rule that can, else snakemake.",
        "auto|direct|snakemake",
    )
    scratch: Optional[str] = _setting(
        "The big disk of Batch's machines and where containers see it, as HOST:CONTAINER; jobs "
        f"work there. Default {DEFAULT_SCRATCH}; some lab accounts have /var/lib/docker:/tmp.",
        "HOST:CONTAINER",
    )
    aws_cli_path: Optional[str] = _setting(
        "Folder of the AWS command line on Batch's machines; it is shown to containers read-only, "
        "so that images need no Python of their own. 'none' if there is none: then images need "
        f"a python3, 3.8 or newer. Default {DEFAULT_AWS_CLI_PATH}.",
        "FOLDER",
    )
    work_prefix: Optional[str] = _setting(
        "Place in S3 for small control files (task descriptions, statuses, a copy of the "
        "workflow's code), best one whose contents are deleted by themselves, for example "
        "s3://fh-pi-lastname-f-eco/delete10/. "
        "Default: .hutchbatch/ below the default storage prefix.",
        "S3_URL",
    )
    log_group: Optional[str] = _setting(
        f"CloudWatch log group of the jobs' output. Default {DEFAULT_LOG_GROUP}.", "NAME"
    )
    tags: Optional[list[str]] = _listed(
        "Tags for all jobs, for example project=tcr lab=doe; they appear in AWS's bills. "
        "Default: none besides hutchbatch's own (run, rule, user).",
        "KEY=VALUE",
    )
    scheduling_priority: Optional[str] = _setting(
        "Priority of jobs within a queue that has a fair-share policy, 0 to 9999, higher first. "
        "Default: the queue's own order.",
        "NUMBER",
    )
    share_identifier: Optional[str] = _setting(
        "Share identifier for a queue that has a fair-share policy. Default: none.", "NAME"
    )
    shm_mb: Optional[str] = _setting(
        "Size of /dev/shm in the container, in MB; some tools (PyTorch's loaders, Chrome) need "
        "more than Docker's 64. Default: Docker's.",
        "MB",
    )
    volumes: Optional[list[str]] = _listed(
        "More folders of Batch's machines to show in containers, as HOST:CONTAINER or "
        "HOST:CONTAINER:ro. Default: none.",
        "HOST:CONTAINER",
    )
    secrets: Optional[list[str]] = _listed(
        "Secrets for jobs as environment variables, as NAME=ARN of AWS Secrets Manager or of a "
        "Systems Manager parameter; the value itself is never sent by hutchbatch. Default: none.",
        "NAME=ARN",
    )

    def __post_init__(self) -> None:
        problems = [
            f"{option_name(f.name)} {_shown(getattr(self, f.name))}: {problem}."
            for f in fields(self)
            if (problem := _problem(f.name, getattr(self, f.name)))
        ]
        if problems:
            # Of Snakemake's errors the one that is shown as it is, without lines of code.
            raise ApiError("\n".join(map(printable, problems)))

    def value(self, name: str) -> Any:
        """The parsed value of one setting; None where the user set nothing."""
        raw = getattr(self, name, None)
        return None if raw is None else PARSERS[name](raw)


def option_name(name: str) -> str:
    """``shm_mb`` → ``--hutchbatch-shm-mb``."""
    return "--hutchbatch-" + name.replace("_", "-")


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else repr(str(value))


def _problem(name: str, raw: Any) -> str | None:
    if raw is None:
        return None
    try:
        PARSERS[name](raw)
    except SettingError as error:
        return str(error)
    return None


def job_values(resources: Mapping[str, Any]) -> dict[str, Any]:
    """The per-job settings among a job's resources, parsed, by setting name.

    Raises ``SettingError`` naming the resource that cannot be used, also for an unknown
    ``hutchbatch_…`` name (a typing error would otherwise pass unseen).
    """
    values: dict[str, Any] = {}
    for resource, raw in resources.items():
        name = ALIASES.get(resource)
        if resource.startswith("hutchbatch_"):
            name = resource.removeprefix("hutchbatch_")
            if name not in PER_JOB:
                known = ", ".join("hutchbatch_" + n for n in PER_JOB)
                raise SettingError(f"there is no resource {resource}; there are {known}")
        elif name is None or name in values or f"hutchbatch_{name}" in resources:
            continue
        try:
            values[name] = PARSERS[name](raw)
        except SettingError as error:
            raise SettingError(f"resource {resource}={raw!r}: {error}") from None
    return values
