"""The environment that directs AWS's tools and libraries to the local cloud, and nowhere else."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from .services.callers import JOB_ROLE, Keys

#: Variables that direct a client to other credentials, another endpoint or another region.
UNSET = (
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)
JOB_ROLE_SETTING = "SNAKEMAKE_HUTCHBATCH_JOB_ROLE"
LOOPBACK = ("127.0.0.1", "localhost")


def endpoints(s3: str, others: str) -> dict[str, str]:
    """The endpoint variables, which both the controller and jobs need."""
    return {
        "AWS_ENDPOINT_URL_S3": s3,
        "AWS_ENDPOINT_URL_BATCH": others,
        "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": others,
        "AWS_ENDPOINT_URL_STS": others,
        "AWS_ENDPOINT_URL_EC2": others,
    }


def person(user: Keys, region: str) -> dict[str, str]:
    """A user's credentials and region, and no configuration files."""
    return {
        "AWS_ACCESS_KEY_ID": user.access_key,
        "AWS_SECRET_ACCESS_KEY": user.secret_key,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def applied(given: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    """``base`` directed to the local cloud; its job role, if it names one, is kept."""
    found = {name: value for name, value in base.items() if name not in UNSET}
    found.update(given)
    found[JOB_ROLE_SETTING] = base.get(JOB_ROLE_SETTING) or JOB_ROLE
    for name in ("NO_PROXY", "no_proxy"):
        kept = [host for host in base.get(name, "").split(",") if host]
        found[name] = ",".join([*kept, *(host for host in LOOPBACK if host not in kept)])
    return found


def script(given: Mapping[str, str]) -> str:
    """For POSIX shells to source: does what ``applied`` does."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(given.items())]
    kept = f'"${{{JOB_ROLE_SETTING}:-{JOB_ROLE}}}"'
    hosts = ",".join(LOOPBACK)
    return "\n".join(
        [
            "# Directs a shell to this local cloud (hutchbatch local), and nowhere else.",
            f"unset {' '.join(UNSET)}",
            *lines,
            f"export {JOB_ROLE_SETTING}={kept}",
            *(f'export {n}="${{{n}:+${n},}}{hosts}"' for n in ("NO_PROXY", "no_proxy")),
            "",
        ]
    )
