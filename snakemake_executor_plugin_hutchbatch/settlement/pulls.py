"""Why an image could not be pulled, and whether another attempt can succeed. Pure.

The words are the registry's, Docker's and the ECS agent's.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
"""

from __future__ import annotations

import re

#: ``CannotPullContainerError``, ``CannotPullImageManifestError``, ``CannotPullECRContainerError``.
_PULL = re.compile("cannotpull", re.IGNORECASE)
#: The registry or the network was slow, or refused for the moment.
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
#: The image does not exist, or access to it is denied for good.
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
#: The image exists, but not for this kind of machine.
_PLATFORM = re.compile(
    r"no matching manifest|no match for platform|matching platform|used on this platform",
    re.IGNORECASE,
)
_passing = re.compile("|".join(_PASSING), re.IGNORECASE)
_final = re.compile("|".join(_FINAL), re.IGNORECASE)
#: Addresses, references, tags and digests, since names may contain any of the words above; and the
#: number that Docker gives to every failed pull.
_NAMES = re.compile(
    r"""https?://[^\s"']+|"[^"\s]*"|(?<!\w)'[^'\s]*'|\S+/\S+|sha256:\S+|\[manifests [^\]]*\]"""
    r"""|API error \(\d+\)"""
)


def is_pull(words: str) -> bool:
    """Whether AWS says that an image could not be pulled."""
    return bool(_PULL.search(words))


def is_final(words: str, image: str) -> bool:
    """Whether another attempt is useless. Unknown words count as temporary: an attempt costs
    minutes, a job that is given up too early costs a run. ``image``: its name in the job."""
    if image:
        words = re.sub(rf"(?<![\w.-]){re.escape(image)}(?![\w-])", " ", words)
    said = _NAMES.sub(" ", words)
    final = _final.search(said) or _PLATFORM.search(words)
    return bool(final) and not _passing.search(said)


def is_for_another_platform(words: str) -> bool:
    """Whether the image exists, but for another processor or system."""
    return bool(_PLATFORM.search(words))
