"""Statuses in the names of their objects, which one listing shows by the thousand.

A name holds what a success's status says beside the job and the attempt, which are in it anyway:
JSON, deflated, in characters that any key may have. The object holds the whole status as well, for
people, and for readers that do not know the code. A failure's facts may quote commands and their
output, which must not be in a name: listings and access logs show names to more people.

Only of children of arrays: their names begin with the child's number, in the order of the numbers,
so that a listing from one number to another shows few others.

    status/PARENT/000017.1.json        the status of child 17's first attempt, to be fetched
    status/PARENT/000017.2.CODE.json   that of its second attempt, which succeeded

Standard library, Python 3.8.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import NamedTuple, Optional

from . import strict_json
from .taskspec import Status, dumps, make_status, status_url
from .typed_json import TaskSpecError

#: Most bytes of a key, and of a part of it between slashes: file systems, and S3 servers that keep
#: objects in one, have no longer names.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MOST_KEY, MOST_PART = 1024, 255
#: Most bytes of the JSON in a name.
MOST_JSON = 4096
#: How a code of this form begins. Others may follow, and are then fetched.
_FORM = "1"
#: What most statuses have in common. Part of the form.
_COMMON = (
    b'{"phase":"done","exit_code":0,"seconds":{"start":0.0,"stage_in":0.0,"run":0.0,"stage_out":'
    b'0.0},"bytes_in":,"files_in":1,"bytes_out":,"files_out":1,"peak_memory":,"used_memory":,'
    b'"cpu_seconds":,"instance_id":"i-0","instance_type":"m5.xlarge","capacity":"spot","scratch":'
    b'{"size":,"free":,"kind":"xfs","root":"/","with_docker":true},"version":1}'
)
_NAME = re.compile(r"([0-9]{6,9})\.([0-9]{1,4})\.(?:([A-Za-z0-9_-]{1,250})\.)?json", re.ASCII)


class Name(NamedTuple):
    """What a name says: the ``child``'s number in its array, its ``attempt``, and in ``code`` the
    status of that; empty where it has to be fetched."""

    child: int
    attempt: int
    code: str


def folder(prefix: str, parent: str) -> str:
    """The URL below which the statuses of an array's children are; ``prefix``: the task's."""
    return f"{prefix}{parent}/"


def begin(index: int) -> str:
    """How the names of a child's statuses begin; in the order of the children."""
    return f"{index:06d}."


def url(prefix: str, status: Status, listed: bool) -> str:
    """Where a status is stored. ``listed``: whoever reads it may list the prefix."""
    parent, is_child, index = status.job_id.partition(":")
    if not listed or not is_child or not index.isdigit():
        return status_url(prefix, status.job_id, status.attempt)
    start = f"{begin(int(index))}{status.attempt}."
    name = f"{start}{_code(status)}.json" if _succeeded(status) else ""
    where = folder(prefix, parent)
    key = (where + name).partition("//")[2].partition("/")[2]
    if not name or len(name) > MOST_PART or len(key.encode("utf-8", "replace")) > MOST_KEY:
        name = f"{start}json"
    return where + name


def read(name: str) -> Optional[Name]:
    """What a name in the ``folder`` says; None for any other name."""
    match = _NAME.fullmatch(name)
    return Name(int(match[1]), int(match[2]), match[3] or "") if match else None


def status_in(parent: str, name: Name) -> Status:
    """The status that a name holds. Raises ``TaskSpecError`` if it holds none that is known: then
    the object is to be read."""
    if name.code[:1] != _FORM:
        raise TaskSpecError("a status in another form")
    packed = name.code[1:].encode("ascii")
    inflating = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_COMMON)
    try:
        text = inflating.decompress(
            base64.b64decode(packed + b"=" * (-len(packed) % 4), b"-_", validate=True), MOST_JSON
        )
    except (ValueError, zlib.error) as error:
        raise TaskSpecError(f"a name that holds no status: {error}") from error
    if not inflating.eof or inflating.unused_data:
        raise TaskSpecError("a name that holds no whole status")
    try:
        raw = strict_json.loads(text)
    except strict_json.StrictJsonError as error:
        raise TaskSpecError(str(error)) from error
    if not isinstance(raw, dict):
        raise TaskSpecError("not a JSON object")
    status = make_status({**raw, "job_id": f"{parent}:{name.child}", "attempt": name.attempt})
    if not _succeeded(status):
        raise TaskSpecError("a failure in a name")
    return status


def _code(status: Status) -> str:
    raw = json.loads(dumps(status))
    del raw["job_id"], raw["attempt"]
    text = json.dumps(raw, separators=(",", ":"))
    deflating = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=_COMMON)
    packed = deflating.compress(text.encode("ascii")) + deflating.flush()
    return _FORM + base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def _succeeded(status: Status) -> bool:
    told = (status.cause, status.problem, status.facts, status.step)
    return status.phase == "done" and status.exit_code == 0 and told == (None,) * 4
