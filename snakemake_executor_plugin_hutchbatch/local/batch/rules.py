"""Names, quotas and values that AWS Batch accepts (docs/design/aws.md), with AWS's messages where
public reports show them. Pure; each check raises ClientException or returns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from ..json_types import Json
from .errors import refused

#: https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html, and ECS's for overrides.
SUBMIT_KIB = 30
REGISTER_KIB = 24
OVERRIDES_CHARACTERS = 8192
ARRAY_SIZES = (2, 10_000)
DEPENDENCIES = 20
DESCRIBED_JOBS = 100
BULK_JOBS = 50
TAGS = 50
LEAST_TIMEOUT = 60
LEAST_MEMORY = 4
ATTEMPTS = (1, 10)
EXIT_RULES = 5
#: AWS: EvaluateOnExit, "can contain up to 512 characters".
PATTERN_CHARACTERS = 512
#: AWS: TerminateJob, "a limit of 1024 characters".
REASON_CHARACTERS = 1024
#: AWS: SubmitJob, schedulingPriorityOverride.
PRIORITIES = (0, 9999)
#: AWS: ContainerProperties, image.
IMAGE_CHARACTERS = 255

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_TAG = re.compile(r"[\w\s_.:/=+@-]*")
#: AWS: ContainerProperties, image; and "@" before a digest.
_IMAGE = re.compile(r"[A-Za-z0-9_:./#@-]+")
_SHARE = re.compile(r"[A-Za-z0-9]{1,255}\*?")
#: Quoted by AWS in "User '…' does not match regex".
_USER = re.compile(r"[a-z0-9_][a-z0-9_-]{0,30}(:[a-z0-9_][a-z0-9_-]{0,30})?")
_PATTERNS = {
    "onStatusReason": re.compile(r"[A-Za-z0-9.:\s]*\*?"),
    "onReason": re.compile(r"[A-Za-z0-9.:\s]*\*?"),
    "onExitCode": re.compile(r"[0-9]*\*?"),
}


def check_size(kind: str, size: int, most_kib: int) -> None:
    """``size`` is the request's body in bytes; ``kind`` is ``Job`` or ``Job definition``."""
    if size > most_kib * 1024:
        got = -(-size // 1024)
        raise refused(f"{kind} size must be less than {most_kib} KiB, got {got} KiB")


def check_name(kind: str, name: str) -> None:
    """``kind`` is ``Job name`` or ``Job definition name``."""
    if not _NAME.fullmatch(name):
        raise refused(f"{kind} should match valid pattern")


def check_tags(tags: Mapping[str, str], most: int = TAGS) -> None:
    if len(tags) > most:
        raise refused(f"Number of tags must not exceed {most}")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise refused(f"tag {key}: keys have 1 to 128 characters, values at most 256")
        if key.lower().startswith("aws:"):
            raise refused(f"tag {key}: keys beginning with aws: are reserved")
        if not _TAG.fullmatch(key) or not _TAG.fullmatch(value):
            raise refused(f"tag {key}: only letters, digits, spaces and _.:/=+@- are allowed")


def check_image(image: str | None) -> None:
    if not image:
        raise refused("Container image is required")
    if len(image) > IMAGE_CHARACTERS:
        raise refused(f"Container image must not exceed {IMAGE_CHARACTERS} characters")
    if not _IMAGE.fullmatch(image):
        raise refused("Container image contains invalid characters")


def check_environment(pairs: Sequence[Mapping[str, Json]]) -> None:
    for pair in pairs:
        name = pair.get("name") or ""
        if not name:
            raise refused("Environment variable name is required")
        if name.startswith("AWS_BATCH"):
            raise refused("Environment variables cannot start with 'AWS_BATCH'")


def check_command(words: Sequence[str]) -> None:
    if any(not word for word in words):
        raise refused("Container command cannot contain empty strings")


def check_resources(requirements: Sequence[Mapping[str, str]]) -> None:
    """Each kind may occur once; values are positive integers as strings, memory in MiB."""
    seen = set()
    for each in requirements:
        kind, value = each["type"], each["value"]
        if kind in seen:
            raise refused(f"resourceRequirements has more than one {kind}")
        seen.add(kind)
        if not re.fullmatch(r"[0-9]+", value) or int(value) < 1:
            raise refused(f"The value for {kind} must be a whole number of at least 1, got {value}")
        if kind == "MEMORY":
            check_memory(int(value))


def check_memory(mib: int) -> None:
    if mib < LEAST_MEMORY:
        raise refused(f"Container memory should be at least {LEAST_MEMORY} MiB")


def check_timeout(timeout: Mapping[str, Json]) -> None:
    seconds = timeout.get("attemptDurationSeconds")
    if seconds is not None and seconds < LEAST_TIMEOUT:
        raise refused(f"attemptDurationSeconds must be at least {LEAST_TIMEOUT} seconds")


def check_retries(strategy: Mapping[str, Json]) -> None:
    attempts = strategy.get("attempts")
    if attempts is None:
        raise refused("RetryAttempts must be provided with retry strategy")
    if not ATTEMPTS[0] <= attempts <= ATTEMPTS[1]:
        raise refused(f"RetryAttempts must be between {ATTEMPTS[0]} and {ATTEMPTS[1]}")
    entries = strategy.get("evaluateOnExit") or ()
    if len(entries) > EXIT_RULES:
        raise refused(f"evaluateOnExit cannot have more than {EXIT_RULES} entries")
    for entry in entries:
        given = [key for key in _PATTERNS if entry.get(key)]
        if not given:
            raise refused(
                "evaluateOnExit needs at least one of onStatusReason, onReason, onExitCode"
            )
        for key in given:
            text = entry[key]
            if len(text) > PATTERN_CHARACTERS or not _PATTERNS[key].fullmatch(text):
                raise refused(f"{key} should match valid pattern, got {text!r}")


def check_array(properties: Mapping[str, Json]) -> None:
    size = properties.get("size")
    low, high = ARRAY_SIZES
    if size is None or not low <= size <= high:
        raise refused(f"Array size must be between {low} and {high}")


def check_dependencies(depends_on: Sequence[Mapping[str, Json]], is_array: bool) -> None:
    """A type without an array, or a missing job id, is invalid (AWS: SubmitJob, dependsOn)."""
    if len(depends_on) > DEPENDENCIES:
        raise refused(f"Job cannot have more than {DEPENDENCIES} dependencies")
    for each in depends_on:
        kind = each.get("type")
        if kind is not None and not is_array:
            raise refused(f"{kind} dependencies can only be specified for array jobs")
        if kind == "SEQUENTIAL" and each.get("jobId"):
            raise refused("Job id should not be specified for SEQUENTIAL dependency")
        if kind != "SEQUENTIAL" and not each.get("jobId"):
            raise refused("Job id must be specified for dependency")


def check_priority(value: int | None) -> None:
    if value is not None and not PRIORITIES[0] <= value <= PRIORITIES[1]:
        raise refused(f"Scheduling priority must be between {PRIORITIES[0]} and {PRIORITIES[1]}")


def check_share(identifier: str | None, fair_share: bool) -> None:
    """AWS: a share identifier is required with, and only with, a scheduling policy."""
    if identifier is None and fair_share:
        raise refused("shareIdentifier must be specified for a job queue with a scheduling policy")
    if identifier is not None and not fair_share:
        raise refused(
            "shareIdentifier cannot be specified for a job queue without a scheduling policy"
        )
    if identifier is not None and not _SHARE.fullmatch(identifier):
        raise refused("shareIdentifier should match valid pattern")


def check_user(user: str | None) -> None:
    if user is not None and not _USER.fullmatch(user):
        raise refused(f"User '{user}' does not match regex")


def check_platform(queue: str, queue_type: str) -> None:
    """A definition for EC2 with ``containerProperties`` only suits queues of ECS on EC2 (AWS:
    SubmitJob; job queues)."""
    if queue_type != "ECS":
        raise refused(
            f"Job definition with platform capabilities [EC2] is not compatible with job queue"
            f" {queue} of type {queue_type}"
        )


def check_reason(reason: str) -> None:
    if not reason:
        raise refused("reason should not be empty")
    if len(reason) > REASON_CHARACTERS:
        raise refused(f"reason must be at most {REASON_CHARACTERS} characters")


def overrides_length(
    command: Sequence[str] | None, environment: Mapping[str, str], resources: Sequence[Json]
) -> int:
    """Characters of the JSON that ECS limits to 8192. ``environment``: the submission's *and*
    Batch's own variables: in public reports overrides of 7,680 and 7,765 bytes have failed."""
    override: dict[str, Json] = {
        "name": "default",
        "environment": [{"name": key, "value": value} for key, value in environment.items()],
    }
    if command is not None:
        override["command"] = list(command)
    if resources:
        override["resourceRequirements"] = list(resources)
    return len(json.dumps({"containerOverrides": [override]}, separators=(",", ":")))
