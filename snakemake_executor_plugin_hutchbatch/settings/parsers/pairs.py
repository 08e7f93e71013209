"""Pairs ``key=value``: tags and secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..values import SettingError

#: AWS takes 50 for a job, its definition's included. hutchbatch's own: run, rule, user, wildcards,
#: and two of the definition (``planning/sizes.py``).
_MOST_OWN = 50 - 6
#: Of variables: AWS Batch's own
#: (https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html), and hutchbatch's.
_RESERVED = ("AWS_BATCH", "HUTCHBATCH_")


def _pairs(value: object) -> list[tuple[str, str]]:
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


def parse_tags(value: object) -> dict[str, str]:
    """The user's own tags. AWS's rules: keys of 128 and values of 256 characters at most, letters,
    digits, space and ``_.:/=+@-``; keys do not begin with ``aws:``
    (https://docs.aws.amazon.com/batch/latest/userguide/using-tags.html)."""
    tags = dict(_pairs(value))
    for key, text in tags.items():
        if not re.fullmatch(r"[\w .:/=+@-]{1,128}", key) or key.lower().startswith("aws:"):
            raise SettingError(
                f"the key {key!r} is not one AWS takes (128 letters, digits and _.:/=+@- at most, "
                "not beginning with aws:)"
            )
        if not re.fullmatch(r"[\w .:/=+@-]{0,256}", text) or text.lower().startswith("aws:"):
            raise SettingError(
                f"the value of {key} is not one AWS takes (256 letters, digits, _.:/=+@- at most, "
                "not beginning with aws:)"
            )
    if len(tags) > _MOST_OWN:
        raise SettingError(
            f"{len(tags)} tags are too many: AWS Batch takes {_MOST_OWN} besides hutchbatch's own"
        )
    return tags


def parse_secrets(value: object) -> dict[str, str]:
    """``NAME=ARN`` of Secrets Manager secrets or Systems Manager parameters."""
    secrets = dict(_pairs(value))
    for name, source in secrets.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise SettingError(f"{name!r} is not a name for an environment variable")
        if name.upper().startswith(_RESERVED):
            raise SettingError(
                f"{name} cannot be a secret's variable: names that begin with "
                f"{' or '.join(_RESERVED)} are reserved"
            )
        if not re.fullmatch(r"arn:[\w-]+:(secretsmanager|ssm):[^\s]+", source):
            raise SettingError(
                f"the secret {name} is named by its ARN "
                "(arn:aws:secretsmanager:… or arn:aws:ssm:…), its value is never sent"
            )
    return secrets
