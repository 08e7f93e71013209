"""Places in S3, and what is none."""

from __future__ import annotations

import re

from ..values import SettingError
from .text import text

#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_PLACE = re.compile(rf"s3://{_BUCKET}(/.*)?", re.ASCII)
#: S3's addresses on the web: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
_WEB = re.compile(
    rf"https?://(?:(?P<host>{_BUCKET})\.s3[\w.-]*|s3[\w.-]*)\.amazonaws\.com(?P<path>/.*)?"
)
_EXAMPLE = "a place in S3 is like s3://fh-pi-doe-j-eco/delete10/work"


def parse_work_prefix(value: object) -> str:
    """An S3 URL, with a slash at its end."""
    url = text(value)
    if url.startswith("s3://arn:"):
        raise SettingError("name the access point by its alias, which ends in -s3alias")
    if not _PLACE.fullmatch(url):
        raise SettingError(_wrong(url))
    return url.rstrip("/") + "/"


def _wrong(url: str) -> str:
    """What is wrong with what is no place in S3."""
    if meant := _meant(url):
        return f"write it as {meant}"
    if url.startswith(("/", ".", "~", "file:")):
        return f"it is a folder of this machine, which jobs do not see; {_EXAMPLE}"
    scheme, colon, rest = url.partition("://")
    if not colon:
        return _EXAMPLE
    if scheme != "s3":
        return f"jobs keep their files in S3, not in {scheme}; {_EXAMPLE}"
    bucket = rest.partition("/")[0]
    return (
        f"{bucket!r} is no bucket's name: those have 3 to 63 lower-case letters, digits, dots and "
        "hyphens"
    )


def _meant(url: str) -> str | None:
    """The place in S3 that somebody probably meant; None where that is a guess."""
    if web := _WEB.fullmatch(url):
        path = (web["path"] or "").lstrip("/")
        place = f"s3://{web['host']}/{path}" if web["host"] else f"s3://{path}"
    elif slips := re.fullmatch(r"[sS]3:?/{1,3}(.+)", url):
        place = f"s3://{slips[1]}"
    elif ":" not in url and "/" in url:
        place = f"s3://{url}"
    else:
        return None
    return place if place != url and _PLACE.fullmatch(place) else None
