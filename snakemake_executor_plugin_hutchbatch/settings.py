"""The settings, whose help texts are their documentation, and the per-rule resource names.

Every setting is an option ``--hutchbatch-<name>``, a profile key ``hutchbatch-<name>`` and an
environment variable ``SNAKEMAKE_HUTCHBATCH_<NAME>``. Those in ``PER_JOB`` are also a resource
``hutchbatch_<name>`` that wins over the setting.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Optional, cast

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

Mode = Literal["auto", "direct", "snakemake"]

#: FACTS.md section 1: where the Hutch's instances keep their AWS CLI, and their scratch.
DEFAULT_AWS_CLI_PATH = "/home/ec2-user/miniconda"
DEFAULT_SCRATCH = "/docker_scratch:/tmp"
DEFAULT_LOG_GROUP = "/aws/batch/job"

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
)

#: The spellings of snakemake-executor-plugin-aws-batch, so that its Snakefiles run unchanged.
ALIASES = {
    "batch_queue": "queue",
    "aws_batch_job_queue": "queue",
    "aws_batch_job_role": "job_role",
    "aws_batch_container_image": "image",
    "shared_memory_size_mb": "shm_mb",
}


class SettingError(ValueError):
    """A value that cannot be used; the message says what is wrong and what to type instead."""


@dataclass(frozen=True)
class Mount:
    """A host folder made visible in the container at ``path``."""

    source: str
    path: str
    read_only: bool = False


def _text(value: Any) -> str:
    text = str(value).strip()
    if not text:
        raise SettingError("it is empty")
    return text


def parse_queue(value: Any) -> str:
    """A queue's name or ARN."""
    text = _text(value)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}|arn:[\w-]+:batch:[^\s]+", text):
        raise SettingError("a queue is a name like mixed or cpu-spot-50, or a queue's ARN")
    return text


def parse_job_role(value: Any) -> str:
    """An IAM role's ARN, or ``none``."""
    text = _text(value)
    if text != "none" and not re.fullmatch(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+", text):
        raise SettingError(
            "a job role is an ARN like arn:aws:iam::123456789012:role/fh-pi-lastname-f-batchtask"
        )
    return text


def parse_user(value: Any) -> str:
    """The HutchNet ID that begins every job's name."""
    text = _text(value)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", text):
        raise SettingError("a user is a HutchNet ID like jdoe (letters and digits first)")
    return text


def parse_image(value: Any) -> str:
    """A Docker image's name; ``docker://`` in front is taken off.

    Raises ``SettingError`` for what only Apptainer can run (``.sif`` files, ``shub://`` …).
    """
    text = _text(value).removeprefix("docker://")
    if "://" in text or text.endswith(".sif") or text.startswith((".", "/")):
        raise SettingError(
            "AWS Batch runs Docker images from a registry, like quay.io/biocontainers/samtools:1.21"
        )
    if re.search(r"[\s\x00-\x1f]", text):
        raise SettingError("an image's name has no spaces")
    return text


def parse_mode(value: Any) -> Mode:
    text = _text(value)
    if text not in ("auto", "direct", "snakemake"):
        raise SettingError("the mode is auto, direct or snakemake")
    return cast(Mode, text)


def parse_mount(value: Any) -> Mount:
    """``/host/path:/container/path`` with an optional ``:ro``."""
    parts = _text(value).split(":")
    read_only = len(parts) == 3 and parts[2] == "ro"
    if len(parts) == 3 and parts[2] in ("ro", "rw"):
        parts = parts[:2]
    if len(parts) == 1:
        parts *= 2
    if len(parts) != 2 or not all(re.fullmatch(r"/[^\s:]*", p) for p in parts) or parts[1] == "/":
        raise SettingError("a mount is /path/on/host:/path/in/container, with :ro for read-only")
    return Mount(parts[0], parts[1].rstrip("/"), read_only)


def parse_scratch(value: Any) -> Mount:
    mount = parse_mount(value)
    if mount.read_only:
        raise SettingError("the scratch is where jobs write: it cannot be read-only")
    return mount


def parse_aws_cli_path(value: Any) -> str | None:
    """The prefix of the hosts' AWS CLI; its ``…/bin/aws`` (Nextflow's cliPath) means the same.

    ``none``: nothing is mounted, images bring their own Python with botocore.
    """
    text = _text(value)
    if text == "none":
        return None
    text = text.rstrip("/").removesuffix("/bin/aws")
    if not re.fullmatch(r"(/[^\s:/]+)+", text):
        raise SettingError(f"it is a folder on Batch's hosts, like {DEFAULT_AWS_CLI_PATH}, or none")
    return text


def parse_work_prefix(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?", text):
        raise SettingError(
            "a work prefix is a place in S3, like s3://fh-pi-doe-j-eco/delete10/work"
        )
    return text.rstrip("/") + "/"


def parse_region(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", text):
        raise SettingError("a region looks like us-west-2")
    return text


def parse_log_group(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"[\w./#-]{1,512}", text):  # CloudWatch Logs: CreateLogGroup's rule
        raise SettingError(f"a log group is a name like {DEFAULT_LOG_GROUP}")
    return text


def _pairs(value: Any) -> list[tuple[str, str]]:
    """``a=b c=d`` or ``a=b,c=d`` or a list of them; values may hold spaces."""
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    if isinstance(value, Mapping):
        items = [f"{k}={v}" for k, v in value.items()]
    pairs = []
    for item in items:
        for part in re.split(r"\s*,\s*|\s+(?=[^\s=,]+=)", str(item).strip()):
            key, equals, text = part.partition("=")
            if not equals or not key.strip():
                raise SettingError(f"write key=value, not {part!r}")
            pairs.append((key.strip(), text.strip()))
    return pairs


def parse_tags(value: Any) -> dict[str, str]:
    """The user's own tags. AWS's rules are FACTS.md section 2's: 128 and 256 characters of letters,
    digits, space and ``_.:/=+@-``; keys do not begin with ``aws:``."""
    tags = dict(_pairs(value))
    for key, text in tags.items():
        if not re.fullmatch(r"[\w .:/=+@-]{1,128}", key) or key.lower().startswith("aws:"):
            raise SettingError(
                f"the key {key!r} is not one AWS takes (128 letters, digits and _.:/=+@- at most, "
                "not beginning with aws:)"
            )
        if not re.fullmatch(r"[\w .:/=+@-]{0,256}", text):
            raise SettingError(
                f"the value of {key} is not one AWS takes (256 letters, digits, _.:/=+@- at most)"
            )
    # AWS allows 50 in all; hutchbatch adds its own five.
    if len(tags) > 45:
        raise SettingError(f"{len(tags)} tags are too many: AWS Batch takes 45 besides our own")
    return tags


def parse_secrets(value: Any) -> dict[str, str]:
    """``NAME=ARN`` of Secrets Manager secrets or Systems Manager parameters."""
    secrets = dict(_pairs(value))
    for name, source in secrets.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name.startswith("AWS_BATCH"):
            raise SettingError(f"{name!r} is not a name for an environment variable")
        if not re.fullmatch(r"arn:[\w-]+:(secretsmanager|ssm):[^\s]+", source):
            raise SettingError(
                f"the secret {name} is named by its ARN "
                "(arn:aws:secretsmanager:… or arn:aws:ssm:…), its value is never sent"
            )
    return secrets


def parse_volumes(value: Any) -> tuple[Mount, ...]:
    items: Iterable[Any] = value if isinstance(value, (list, tuple)) else [value]
    return tuple(
        parse_mount(part)
        for item in items
        for part in re.split(r"[\s,]+", str(item).strip())
        if part
    )


def _whole_number(low: int, high: int, what: str) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        try:
            number = int(str(value))
        except ValueError:
            raise SettingError(f"{what} is a whole number from {low:,} to {high:,}") from None
        if not low <= number <= high:
            raise SettingError(f"{what} is a whole number from {low:,} to {high:,}")
        return number

    return parse


parse_shm_mb = _whole_number(1, 1_000_000, "shared memory in MB")
# botocore: SubmitJob.schedulingPriorityOverride, 0 to 9999
parse_scheduling_priority = _whole_number(0, 9999, "a scheduling priority")


def parse_share_identifier(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"[A-Za-z0-9]{1,255}\*?", text):
        raise SettingError("a share identifier is up to 255 letters and digits")
    return text


#: How each setting and resource is read; the one table behind both.
PARSERS: dict[str, Callable[[Any], Any]] = {
    "region": parse_region,
    "queue": parse_queue,
    "job_role": parse_job_role,
    "user": parse_user,
    "image": parse_image,
    "mode": parse_mode,
    "scratch": parse_scratch,
    "aws_cli_path": parse_aws_cli_path,
    "work_prefix": parse_work_prefix,
    "log_group": parse_log_group,
    "tags": parse_tags,
    "scheduling_priority": parse_scheduling_priority,
    "share_identifier": parse_share_identifier,
    "shm_mb": parse_shm_mb,
    "volumes": parse_volumes,
    "secrets": parse_secrets,
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

    Raises ``WorkflowError`` on creation, one sentence for each value that cannot be used.
    """

    region: Optional[str] = _setting(
        "AWS region of the Batch queues. Default: the region of your AWS configuration "
        "(AWS_REGION, ~/.aws/config), else us-west-2, where the Hutch's queues are.",
        "REGION",
    )
    queue: Optional[str] = _setting(
        "Batch queue for jobs, by name or ARN, for example cpu-spot-50. "
        "Default: mixed if the account has it, else the account's only queue. "
        "A rule can have its own: resources: hutchbatch_queue='gpu-spot-50'.",
        "QUEUE",
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
        "so that images need no AWS tools of their own. 'none' if there is none: then images need "
        f"a python3 with botocore. Default {DEFAULT_AWS_CLI_PATH}.",
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
            raise WorkflowError("\n".join(problems))

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
