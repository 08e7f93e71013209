"""Names that AWS, a registry or the Hutch gave: queues, roles, images, buckets, people."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..values import NONE, Nothing, SettingError
from .text import text


def parse_queue(value: object) -> tuple[str, ...]:
    """``auto`` (an empty tuple), a queue's name or ARN, or several, the first to try first."""
    names = tuple(part for part in re.split(r"[\s,]+", text(value)) if part)
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


def _parse_role(what: str, example: str) -> Callable[[object], str | Nothing]:
    def parse(value: object) -> str | Nothing:
        """An IAM role's ARN, or ``none``."""
        role = text(value)
        if role == str(NONE):
            return NONE
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
        if not re.fullmatch(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]{1,576}", role, re.ASCII):
            raise SettingError(
                f"{what} role is an ARN like arn:aws:iam::123456789012:role/{example}"
            )
        return role

    return parse


parse_job_role = _parse_role("a job", "fh-pi-lastname-f-batchtask")
parse_execution_role = _parse_role("an execution", "ecsTaskExecutionRole")


def parse_repository_credentials(value: object) -> str | Nothing:
    """The ARN of a secret of AWS Secrets Manager, or ``none``."""
    secret = text(value)
    if secret == str(NONE):
        return NONE
    if not re.fullmatch(r"arn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:[\w/+=.@-]+", secret):
        raise SettingError(
            "it is the ARN of a secret that holds the registry's login, like "
            "arn:aws:secretsmanager:us-west-2:123456789012:secret:quay-AbCdEf"
        )
    return secret


def parse_user(value: object) -> str:
    """The HutchNet ID that begins every job's name."""
    user = text(value)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", user):
        raise SettingError("a user is a HutchNet ID like jdoe (letters and digits first)")
    return user


def parse_container_user(value: object) -> str:
    """``root``, ``image`` (the image's own user), or another user's name or number, with a group
    after a colon. AWS Batch's own rule for ``user``."""
    user = text(value)
    if not re.fullmatch(r"[a-z0-9_][a-z0-9_-]{0,30}(:[a-z0-9_][a-z0-9_-]{0,30})?", user):
        raise SettingError(
            "write root, image for the user that the image names, or a user's name or number"
        )
    return user


def parse_image(value: object) -> str:
    """A Docker image's name; ``docker://`` in front is taken off.

    Raises ``SettingError`` for what only Apptainer can run (``.sif`` files, ``shub://`` …).
    """
    image = text(value).removeprefix("docker://")
    if "://" in image or image.endswith(".sif") or image.startswith((".", "/")):
        raise SettingError(
            "AWS Batch runs Docker images from a registry, like quay.io/biocontainers/samtools:1.21"
        )
    if re.search(r"[\s\x00-\x1f]", image):
        raise SettingError("an image's name has no spaces")
    # https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerProperties.html
    if len(image) > 255:
        raise SettingError(
            f"an image's name has at most 255 characters on AWS Batch, not {len(image)}"
        )
    return image


def parse_region(value: object) -> str:
    region = text(value)
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
        raise SettingError("a region looks like us-west-2")
    return region


def parse_log_group(value: object) -> str:
    group = text(value)
    if not re.fullmatch(r"[\w./#-]{1,512}", group):  # CloudWatch Logs: CreateLogGroup's rule
        raise SettingError("a log group is a name like /aws/batch/job")
    return group


def parse_share_identifier(value: object) -> str:
    identifier = text(value)
    if not re.fullmatch(r"[A-Za-z0-9]{1,255}\*?", identifier):
        raise SettingError("a share identifier is up to 255 letters and digits")
    return identifier
