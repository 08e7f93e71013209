"""Whether a failed attempt is tried again. Pure.

https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
"""

from __future__ import annotations

from collections.abc import Mapping

from ..json_types import Json


def glob_matches(pattern: str, value: str | None) -> bool:
    """AWS's glob, in upper or lower case: the whole value, or a prefix if the pattern ends with
    ``*``.

    A lone ``*`` also matches a missing value: AWS's own example ends with
    ``{"onReason": "*", "action": "EXIT"}`` to catch ordinary exits, which have no reason.
    """
    text = (value or "").lower()
    wanted = pattern.lower()
    if wanted.endswith("*"):
        return text.startswith(wanted[:-1])
    return text == wanted


def is_retried(
    strategy: Mapping[str, Json],
    attempts_made: int,
    exit_code: int | None,
    status_reason: str | None,
    reason: str | None,
) -> bool:
    """Applies the retry strategy to a failed attempt: the first entry whose conditions all match
    decides; if none matches, the job is retried while attempts are left."""
    if attempts_made >= int(strategy.get("attempts", 1)):
        return False
    values = {
        "onExitCode": None if exit_code is None else str(exit_code),
        "onStatusReason": status_reason,
        "onReason": reason,
    }
    for entry in strategy.get("evaluateOnExit") or ():
        if all(glob_matches(entry[key], values[key]) for key in values if entry.get(key)):
            return str(entry["action"]).upper() == "RETRY"
    return True
