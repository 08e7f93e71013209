"""The errors AWS Batch answers with."""

from __future__ import annotations

from uuid import uuid4


class BatchError(Exception):
    """An error answer: AWS's code, the HTTP status and the message that a client sees."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        self.message = message


def refused(message: str) -> BatchError:
    """The request is invalid. AWS wraps its messages like this (seen in many public reports)."""
    return BatchError(
        "ClientException",
        400,
        f"Error executing request, Exception : {message}, RequestId: {uuid4()}",
    )


def not_found(message: str) -> BatchError:
    """Something does not exist; AWS sends these messages without the wrapping."""
    return BatchError("ClientException", 400, message)


def access_denied(message: str) -> BatchError:
    """The caller may not do this."""
    return BatchError("AccessDeniedException", 403, message)


def server_failed(message: str = "Internal server error") -> BatchError:
    """AWS itself failed; worth a retry."""
    return BatchError("ServerException", 500, message)


def too_many() -> BatchError:
    """The account's rate limit is exceeded."""
    return BatchError("TooManyRequestsException", 429, "Too Many Requests")
