"""Who calls: users, and jobs with their job role's or their machine's credentials.

Access keys say who: AKIA… is a user's, as on AWS, ASIA… a role's. The machines' role has keys of
its own kind here (ASIAM…), so that no table is needed to tell them apart.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from nanio.errors import S3Error

ACCOUNT = "000000000000"
USER = f"arn:aws:iam::{ACCOUNT}:user/local"
JOB_ROLE = f"arn:aws:iam::{ACCOUNT}:role/local-batchtask"
MACHINE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/ecsInstanceRole"

#: By caller. ``role`` is a job with a job role, ``machine`` one that has its machine's role.
ARNS = {"user": USER, "role": JOB_ROLE, "machine": MACHINE_ROLE}
PREFIXES = {"user": "AKIA", "role": "ASIA", "machine": "ASIAM"}
#: Characters of an access key.
_LENGTH = 20


class InvalidToken(S3Error):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""

    code = "InvalidToken"
    message = "The provided token is malformed or otherwise invalid."
    http_status = 400


class ExpiredToken(S3Error):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""

    code = "ExpiredToken"
    message = "The provided token has expired."
    http_status = 400


@dataclass(frozen=True)
class Keys:
    """A pair of credentials, with the session token that a role's have. The token that a job gets
    ends with the second in which it expires."""

    access_key: str
    secret_key: str
    session_token: str | None = None

    @classmethod
    def random(cls, caller: str) -> Keys:
        """New ones, in AWS's form."""
        prefix = PREFIXES[caller]
        token = None if caller == "user" else secrets.token_urlsafe(48)
        rest = secrets.token_hex(_LENGTH)[: _LENGTH - len(prefix)].upper()
        return cls(prefix + rest, secrets.token_urlsafe(30), token)

    def token_until(self, expires: datetime) -> str:
        return f"{self.session_token}.{int(expires.timestamp())}"

    def check_token(self, given: str | None, now: datetime) -> None:
        """Raises InvalidToken or ExpiredToken."""
        if self.session_token is None:
            return
        token, _, expires = (given or "").partition(".")
        if token != self.session_token or not expires.isdigit():
            raise InvalidToken
        if now >= datetime.fromtimestamp(int(expires), tz=UTC):
            raise ExpiredToken


def caller_of(access_key: str) -> str:
    """``user``, ``role`` or ``machine``."""
    if access_key.startswith(PREFIXES["machine"]):
        return "machine"
    return "role" if access_key.startswith(PREFIXES["role"]) else "user"
