"""What a building job is to build: the part of its task that the builder reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Optional

from ....supervisor import strict_json, typed_json

#: The variable that holds it.
VARIABLE = "HUTCHBATCH_CONDA_BUILD"


@dataclass(frozen=True)
class Order:
    """``name``: what the user calls the environment. ``lock``: its URL; ``key``: the lock's key.

    Without a key the environment is to be solved here: ``description``: the URL of what is known of
    it, and its SHA-256. The lock is then stored, unless there is one of that description already,
    which counts. ``update``: it is replaced.

    ``packages`` and ``environments``: the URLs below which they are kept. ``scratch``: the
    container path of the scratch disk. ``cpus``: how many the job has, of its machine's many.
    ``access``: the URL, and the SHA-256, of the private object
    that says how channels are reached (``access.py``), if they need more than an address.
    """

    name: str
    lock: str
    packages: str
    environments: str
    scratch: str
    cpus: int = 1
    # Optional: read by ``typed_json``, which does not know `| None`.
    key: Optional[str] = None  # noqa: UP045
    description: Optional[str] = None  # noqa: UP045
    description_sha256: Optional[str] = None  # noqa: UP045
    access: Optional[str] = None  # noqa: UP045
    access_sha256: Optional[str] = None  # noqa: UP045
    update: bool = False


def dumps(order: Order) -> str:
    return json.dumps(asdict(order), separators=(",", ":"))


def loads(text: str) -> Order:
    """Raises ``ValueError`` for what ``dumps`` does not write."""
    return typed_json.make(Order, strict_json.loads(text), "order")
