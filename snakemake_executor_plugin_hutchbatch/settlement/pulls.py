"""Why an image could not be pulled: whether another try may do better. Pure.

The words are the registry's, Docker's and the ECS agent's.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
"""

from __future__ import annotations

import re

#: ``CannotPullContainerError``, ``CannotPullImageManifestError``, ``CannotPullECRContainerError``.
_PULL = re.compile("cannotpull", re.IGNORECASE)
#: The registry, or the way to it, was slow, or refused for the moment.
_PASSING = (
    r"toomanyrequests",
    r"too many requests",
    r"rate exceeded",
    r"rate limit",
    r"throttl",
    r"timeout",
    r"time-out",
    r"timed out",
    r"deadline exceeded",
    r"context canceled",
    r"request canceled",
    r"unexpected eof",
    r"connection (?:reset|refused|closed)",
    r"broken pipe",
    r"network is unreachable",
    r"no route to host",
    r"temporary failure",
    r"server misbehaving",
    r"no such host",
    r"service unavailable",
    r"bad gateway",
    r"internal server error",
    r"no space left",
    r"token has expired",
    r"\b(?:429|502|503|504)\b",
)
#: The image is not there, or not for us, at any time.
_FINAL = (
    r"manifest unknown",
    r"name unknown",
    r"no such image",
    r"not found",
    r"does not exist",
    r"access denied",
    r"access to the resource is denied",
    r"denied:",
    r"unauthorized",
    r"authentication required",
    r"no basic auth credentials",
    r"\b(?:401|403|404)\b",
    r"invalid reference",
    r"reference format",
    r"no longer supported",
    r"unsupported media type",
)
#: The image is there, but not for this kind of machine.
_PLATFORM = re.compile(
    r"no matching manifest|no match for platform|matching platform|used on this platform",
    re.IGNORECASE,
)
_passing = re.compile("|".join(_PASSING), re.IGNORECASE)
_final = re.compile("|".join(_FINAL), re.IGNORECASE)
#: Addresses, references, tags and digests, since names may hold any of the words above; and the
#: number that Docker gives every failure of a pull.
_NAMES = re.compile(
    r"""https?://[^\s"']+|"[^"\s]*"|(?<!\w)'[^'\s]*'|\S+/\S+|sha256:\S+|\[manifests [^\]]*\]"""
    r"""|API error \(\d+\)"""
)


def is_pull(words: str) -> bool:
    """Whether AWS says that an image could not be pulled."""
    return bool(_PULL.search(words))


def is_final(words: str, image: str) -> bool:
    """Whether no further try helps. Words that nobody knows may pass: a try costs minutes, a job
    that is given up too early costs a run. ``image``: its name as the job has it."""
    if image:
        words = re.sub(rf"(?<![\w.-]){re.escape(image)}(?![\w-])", " ", words)
    said = _NAMES.sub(" ", words)
    final = _final.search(said) or _PLATFORM.search(words)
    return bool(final) and not _passing.search(said)


def is_for_others(words: str) -> bool:
    """Whether the image is there, but for another processor or system."""
    return bool(_PLATFORM.search(words))
