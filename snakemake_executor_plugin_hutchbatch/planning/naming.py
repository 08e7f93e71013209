"""Job names, definition names, keys and tags: AWS's character rules in one place.

Names are 1 to 128 of ``A-Za-z0-9_-``, the first alphanumeric; tag keys up to 128 and
values up to 256 characters of letters, digits, space and ``_.:/=+@-``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

MAX_NAME = 128
MAX_TAG_VALUE = 256
#: The tag that tells which of a rule's jobs a job is; an array has none.
WILDCARDS_TAG = "hutchbatch-wildcards"


def digest(*parts: str, length: int = 10) -> str:
    """A short hexadecimal digest of texts; the parts cannot run into each other."""
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:length]


def slug(text: str, limit: int) -> str:
    """``text`` with all that AWS refuses in a name turned into single dashes, cut to ``limit``."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:limit].strip("-")


def label(rule: str, wildcards: Mapping[str, str]) -> str:
    """What people read: ``align sample=A lane=2``. Control characters do not reach a terminal."""
    text = " ".join([rule, *(f"{k}={v}" for k, v in wildcards.items())])
    return "".join(c if c.isprintable() else "?" for c in text)


def job_name_head(user: str) -> str:
    """How the names of all jobs of a user begin, without the dash behind it."""
    head = slug(user, 32) or "user"
    return head if head[0].isalnum() else "u" + head


def job_name(user: str, rule: str, wildcards: Mapping[str, str], key: str) -> str:
    """``jdoe-align-A-2-1f3a…``: HutchNet ID, rule, wildcards, key, as long as AWS allows.

    ``key`` makes it unique: a lost answer to SubmitJob is settled by looking for the name.
    """
    head = job_name_head(user)
    room = MAX_NAME - len(head) - len(key) - 2
    middle = slug("-".join([rule, *wildcards.values()]), room)
    return f"{head}-{middle}-{key}" if middle else f"{head}-{key}"


def resubmitted(name: str, submissions: int) -> str:
    """The name of a job's n-th submission: the same but for its key, so that each is unique."""
    if submissions == 1:
        return name
    head, _, key = name.rpartition("-")
    return f"{head}-{digest(key, str(submissions), length=len(key))}"


def definition_name(image: str, content_digest: str) -> str:
    """``hutchbatch-biocontainers-samtools-1-21-<digest>``: the same content, the same name."""
    room = MAX_NAME - len("hutchbatch--") - len(content_digest)
    short = slug("/".join(image.split("/")[-2:]), min(room, 60))
    return f"hutchbatch-{short}-{content_digest}" if short else f"hutchbatch-{content_digest}"


def tag_value(text: str) -> str:
    """``text`` as AWS takes it for a tag's value: other characters become ``_``, 256 at most."""
    return re.sub(r"[^A-Za-z0-9 _.:/=+@-]", "_", text)[:MAX_TAG_VALUE].strip()
