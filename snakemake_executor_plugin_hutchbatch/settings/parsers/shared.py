"""Which inputs the jobs of a machine share: places in S3, or a rule's names of its inputs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..values import NONE, Nothing, SettingError


def parse_shared_prefixes(value: object) -> tuple[str, ...]:
    """S3 URLs, without a slash at their ends: of a folder, or of one object."""
    places = tuple(word.rstrip("/") for word in _words(value))
    for place in places:
        if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.+)?", place):
            raise SettingError(
                "shared inputs are named by their place in S3, like s3://bucket/reference/; a rule "
                "names its own in resources: hutchbatch_shared='genome'"
            )
    return tuple(dict.fromkeys(places))


def parse_shared_names(value: object) -> tuple[str, ...] | Nothing:
    """Names that a rule gives to its inputs; ``none`` for a rule that shares nothing."""
    names = tuple(dict.fromkeys(_words(value)))
    if names == (str(NONE),):
        return NONE
    for name in names:
        if not name.isidentifier():
            raise SettingError(
                "it names inputs of the rule: with input: genome='ref/genome.fa' it is 'genome', "
                "several have spaces between them; a place in S3 is for --hutchbatch-shared"
            )
    if not names:
        raise SettingError("it is empty; name inputs of the rule, or 'none'")
    return names


def _words(value: object) -> Iterator[str]:
    items = value if isinstance(value, (list, tuple)) else [value]
    for item in items:
        yield from re.split(r"[\s,]+", str(item).strip()) if str(item).strip() else ()
