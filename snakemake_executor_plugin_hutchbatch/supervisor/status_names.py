"""Statuses in the names of their objects, which one listing shows by the thousand.

A name holds what a success's status says beside the job and the attempt, which are in it anyway:
JSON, deflated, in characters that any key may have. The object holds the whole status as well, for
people, and for readers that do not know the code. A failure's facts may quote commands and their
output, which must not be in a name: listings and access logs show names to more people.

Names begin with a number, in the order of the numbers, so that a listing from one to another shows
few others: a child's in its array, or a single job's among those of its run, which is in its
container's environment (``VARIABLE``), so that AWS Batch tells it to any later controller. Single
jobs without a number, and those whose status is no success, have names that can be guessed from
the job alone.

    status/PARENT/000017.1.json              the status of child 17's first attempt, to be fetched
    status/PARENT/000017.2.CODE.json         that of its second attempt, which succeeded
    status/single/000000042.JOB/1.CODE.json  that of a single job, which succeeded
    status/JOB.1.json                        that of any other

Standard library, Python 3.8.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Mapping, NamedTuple, Optional

from .taskspec import Status, dumps, json_object, make_status, status_url
from .typed_json import TaskSpecError

#: Most bytes of a key, and of a part of it between slashes: file systems, and S3 servers that keep
#: objects in one, have no longer names.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MOST_KEY, MOST_PART = 1024, 255
#: A single job's number, from the controller: counts those that it sends. Two controllers may give
#: the same, so a name has the job as well.
VARIABLE = "HUTCHBATCH_STATUS_NUMBER"
#: What stands for the parent of single jobs.
SINGLE = "single"
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
_JOB = r"[A-Za-z0-9-]{8,64}"  # longer than an attempt
_NAME = re.compile(
    rf"([0-9]{{6,9}})\.(?:({_JOB})/)?([0-9]{{1,4}})\.(?:([A-Za-z0-9_-]{{1,250}})\.)?json", re.ASCII
)


class Name(NamedTuple):
    """What a name says: the ``number`` of a child in its array, or that of a single ``job``; its
    ``attempt``, and in ``code`` the status of that; empty where it has to be fetched."""

    number: int
    attempt: int
    code: str
    job: str = ""


def folder(prefix: str, parent: str) -> str:
    """The URL below which the statuses of an array's children are; ``prefix``: the task's."""
    return f"{prefix}{parent}/"


def begin(parent: str, number: int) -> str:
    """How the names of a child's or single job's statuses begin; in the order of the numbers."""
    return f"{number:09d}." if parent == SINGLE else f"{number:06d}."


def number_in(environ: Mapping[str, str]) -> Optional[int]:
    """The number of the single job whose container has this environment; None if it has none."""
    text = environ.get(VARIABLE, "")
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def url(prefix: str, status: Status, listed: bool, number: Optional[int] = None) -> str:
    """Where a status is stored. ``listed``: whoever reads it may list the prefix; ``number``: a
    single job's."""
    parent, is_child, index = status.job_id.partition(":")
    plain = status_url(prefix, status.job_id, status.attempt)
    if not listed:
        return plain
    if is_child:
        if not index.isdigit():
            return plain
        where = folder(prefix, parent)
        start = f"{begin(parent, int(index))}{status.attempt}."
        return _with_code(where + start, status) or f"{where}{start}json"
    if number is None or not re.fullmatch(_JOB, status.job_id):
        return plain
    start = f"{begin(SINGLE, number)}{status.job_id}/{status.attempt}."
    return _with_code(folder(prefix, SINGLE) + start, status) or plain


def _with_code(start: str, status: Status) -> Optional[str]:
    """The URL that holds a status, of which it has the ``start``; None if that cannot be."""
    if not _succeeded(status):
        return None
    found = f"{start}{_code(status)}.json"
    key = found.partition("//")[2].partition("/")[2]
    if len(found.rpartition("/")[2]) > MOST_PART or len(key.encode("utf-8", "replace")) > MOST_KEY:
        return None
    return found


def read(name: str) -> Optional[Name]:
    """What a name in the ``folder`` says; None for any other name."""
    match = _NAME.fullmatch(name)
    return Name(int(match[1]), int(match[3]), match[4] or "", match[2] or "") if match else None


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
    raw = json_object(text)
    job_id = name.job or f"{parent}:{name.number}"
    status = make_status({**raw, "job_id": job_id, "attempt": name.attempt})
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
