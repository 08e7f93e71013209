"""Tries what the jobs' role may do with places in S3, for ``hutchbatch doctor``."""

from __future__ import annotations

from typing import Callable, Dict, List, Tuple

from .errors import Failure
from .problems import Cause, Facts, Problem
from .s3 import S3, S3Error
from .s3_address import split_url
from .taskspec import EXIT_STAGE_IN

#: The largest number of refusals in a status: four for each of a run's two places.
MOST = 8


def check(s3: S3, places: Tuple[str, ...], name: str) -> None:
    """Stores, reads, lists and removes a small object ``name`` below each of ``places`` (URLs that
    end with a slash). Raises ``Failure`` if the role may not, and S3's errors."""
    refused: List[str] = []
    role = ""
    for place in places:
        for action, error in _refusals(s3, place + name).items():
            refused.append(f"{action} {place}")
            role = error.role or role
    if refused:
        facts = Facts(files=tuple(refused[:MOST]), count=len(refused), role=role or None)
        raise Failure(EXIT_STAGE_IN, Cause.DENIED, Problem.PERMISSIONS, facts)


def _refusals(s3: S3, url: str) -> Dict[str, S3Error]:
    bucket, key = split_url(url)
    listing = (("list-type", "2"), ("max-keys", "1"), ("prefix", key))
    calls: Tuple[Tuple[str, Callable[[], object]], ...] = (
        ("s3:PutObject", lambda: s3.put(url, b"probe\n")),
        ("s3:GetObject", lambda: s3.get(url)),
        ("s3:ListBucket", lambda: s3.request("GET", bucket, query=listing)),
        ("s3:DeleteObject", lambda: s3.request("DELETE", bucket, key)),
    )
    refused: Dict[str, S3Error] = {}
    for action, call in calls:
        try:
            call()
        except S3Error as error:
            # Where nothing could be stored, there is nothing to read.
            if error.status == 403:
                refused[action] = error
            elif not (error.status == 404 and refused):
                raise
    return refused
