"""How the values of settings and resources are read: one parser for each name, used for both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast

Mode = Literal["auto", "direct", "snakemake"]

#: Where the Hutch's instances keep their AWS CLI, and their scratch (docs/design/aws.md).
DEFAULT_AWS_CLI_PATH = "/home/ec2-user/miniconda"
DEFAULT_SCRATCH = "/docker_scratch:/tmp"
DEFAULT_LOG_GROUP = "/aws/batch/job"
#: Larger arrays save nothing: their SubmitJob is one call in a thousand as it is, and their
#: children are listed by pages of a thousand (ListJobs).
DEFAULT_ARRAY = 1_000


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


def parse_queue(value: Any) -> tuple[str, ...]:
    """``auto`` (an empty tuple), a queue's name or ARN, or several, the first to try first."""
    names = tuple(part for part in re.split(r"[\s,]+", _text(value)) if part)
    if names == ("auto",):
        return ()
    for name in names:
        if name == "auto" or not re.fullmatch(
            r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}|arn:[\w-]+:batch:[^\s]+", name
        ):
            raise SettingError(
                "write auto, a queue's name like cpu-spot-50 or its ARN, or several with commas "
                "between, the first to try first"
            )
    return names


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
                raise SettingError(f"write key=value, like project=tcr, not {part!r}")
            pairs.append((key.strip(), text.strip()))
    return pairs


def parse_tags(value: Any) -> dict[str, str]:
    """The user's own tags. AWS's rules: keys of 128 and values of 256 characters of letters,
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


def parse_policy(value: Any) -> str:
    text = _text(value)
    if text not in ("availability", "balanced", "capacity"):
        raise SettingError("the policy is availability, balanced or capacity")
    return text


def parse_queue_catalog(value: Any) -> Path:
    path = Path(_text(value)).expanduser()
    if not path.is_file():
        raise SettingError("there is no such file")
    return path


def _number(low: float, high: float, what: str) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise SettingError(f"{what} is a number from {low:g} to {high:g}")
        return number

    return parse


def parse_oom_memory_factor(value: Any) -> float:
    number = _number(0, 10, "the factor")(value)
    if 0 < number <= 1:
        raise SettingError("the factor is more than 1, like 1.5, or 0 for never")
    return number


# A day: longer than anybody should wait unseen.
parse_starve_minutes = _number(0, 1440, "the time in minutes")
# AWS: a retryStrategy takes 1 to 10 attempts.
parse_spot_attempts = _whole_number(1, 10, "the number of attempts")
parse_host_attempts = _whole_number(1, 10, "the number of attempts")
# AWS: an array has 2 to 10,000 children.
parse_array_size = _whole_number(1, 10_000, "the size of an array")
parse_tail_lines = _whole_number(0, 1000, "the number of lines")


def parse_report(value: Any) -> tuple[Path, ...]:
    """Files ``.html`` or ``.tsv``."""
    paths = tuple(
        Path(_text(v)).expanduser()
        for v in (value if isinstance(value, (list, tuple)) else str(value).split())
    )
    for path in paths:
        if path.suffix not in (".html", ".tsv"):
            raise SettingError("give a file .html for the picture, or .tsv for the table")
        if path.suffix == ".html" and find_spec("vl_convert") is None:
            raise SettingError(
                "the report needs vl-convert-python: "
                'pip install "snakemake-executor-plugin-hutchbatch[report]"'
            )
    return paths


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
    "queue_catalog": parse_queue_catalog,
    "policy": parse_policy,
    "starve_minutes": parse_starve_minutes,
    "spot_attempts": parse_spot_attempts,
    "host_attempts": parse_host_attempts,
    "oom_memory_factor": parse_oom_memory_factor,
    "array_size": parse_array_size,
    "tail_lines": parse_tail_lines,
    "report": parse_report,
}
