"""AWS's errors: their kinds, and what they mean in plain words."""

from __future__ import annotations

from botocore.exceptions import (
    ClientError,
    ConfigParseError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from ..text.printable import printable

_THROTTLES = {
    "TooManyRequestsException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "429",
}
_FILES = "https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html"
_DAMAGED = (IncompleteReadError, FlexibleChecksumError)
_ENDED = (TokenRetrievalError, CredentialRetrievalError, SSOError)
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_BAD_KEYS = {
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "AuthFailure",
    "InvalidToken",
    "IncompleteSignature",
    "MissingAuthenticationToken",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"}


def code(error: BaseException | None) -> str:
    """AWS's error code, or an empty text."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def message(error: BaseException | None) -> str:
    """AWS's own message, if there is one."""
    if isinstance(error, ClientError):
        return printable(str(error.response.get("Error", {}).get("Message") or error))
    return printable(str(error or ""))


def status(error: BaseException) -> int:
    """The HTTP status of an error answer, or 0."""
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return 0


def is_throttle(error: BaseException) -> bool:
    """AWS refused the call because of its rate: it did nothing and can be sent again later."""
    return code(error) in _THROTTLES or status(error) == 429


def is_denied(error: BaseException) -> bool:
    return code(error) in _DENIED


def is_expired(error: BaseException) -> bool:
    return code(error) in _EXPIRED


def is_bad_key(error: BaseException) -> bool:
    return code(error) in _BAD_KEYS


def is_transient(error: BaseException) -> bool:
    """Likely to go away by itself: throttling, 5xx, a connection that failed or broke, an answer
    that was damaged on its way."""
    if isinstance(error, (BotoConnectionError, HTTPClientError, *_DAMAGED)):
        return True
    return is_throttle(error) or status(error) >= 500


def is_invalid_endpoint(error: BaseException) -> bool:
    """botocore's plain ``ValueError`` for an ``AWS_ENDPOINT_URL`` that is no URL."""
    return isinstance(error, ValueError) and str(error).startswith("Invalid endpoint")


def explain(error: BaseException, what: str) -> str:
    """One sentence: what happened while ``what`` (``reading the Batch queues``), what to do."""
    return printable(_explained(error, what))


def _explained(error: BaseException, what: str) -> str:
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return (
            f"No AWS credentials were found ({what}): run 'aws configure' (or 'aws sso login', "
            "or set AWS_PROFILE) and start again."
        )
    if isinstance(error, ProfileNotFound):
        return f"{error}: set AWS_PROFILE to a profile in ~/.aws/config, or unset it."
    if isinstance(error, ConfigParseError):
        return f"{error}: correct it; {_FILES} shows how it is written."
    if is_invalid_endpoint(error):
        return f"{error}: set AWS_ENDPOINT_URL to a URL, or unset it."
    if isinstance(error, _ENDED) or is_expired(error):
        return (
            f"Your AWS credentials have expired ({what}): renew them (for example 'aws sso login') "
            "and start again; finished work is kept."
        )
    if is_bad_key(error):
        return (
            f"AWS does not accept your credentials ({what}: {code(error)}): check them with "
            "'aws sts get-caller-identity', and renew them with 'aws configure'."
        )
    if code(error) == "InvalidObjectState":
        return (
            f"S3 has archived an object that is needed ({what}): restore it, for example with 'aws "
            "s3api restore-object', and start again when that is done, hours later."
        )
    if is_denied(error):
        return (
            f"AWS denied permission for {what} ({message(error)}): ask SciComp for access to AWS "
            "Batch and to your PI's bucket."
        )
    if isinstance(error, (BotoConnectionError, HTTPClientError)):
        return f"AWS could not be reached for {what}: {error}. Check the network and the region."
    return f"AWS reported an error while {what}: {message(error)}"
