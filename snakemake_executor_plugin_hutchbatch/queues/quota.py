"""The account's vCPU quotas: how many vCPUs of which machines it may have at a time.

EC2 counts them by kind of machine, spot and on demand apart. A queue whose account is at one waits
like a queue without machines to have.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-spot-limits.html
https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from ..aws.clients import QuotaClient
from . import instances
from .queue import Queue

#: Quota codes, on demand and spot, by the kinds of families that share them. The codes are the same
#: in every account and region; what other kinds have is not asked for.
_CODES: Mapping[str, tuple[str, str]] = {
    "a c d h i m r t z": ("L-1216C47A", "L-34B43A08"),
    "g gr vt": ("L-DB2E81BA", "L-3819A6DF"),
    "x": ("L-7295265B", "L-E3A00192"),
    "inf": ("L-1945791B", "L-B5D1601B"),
}
_OLD_P = {"p2", "p3", "p3dn", "p4d", "p4de"}
_P = ("L-417A185B", "L-7212CCBC")


class Asks(Protocol):
    """What of a job's request counts against a quota."""

    @property
    def vcpus(self) -> int: ...

    @property
    def gpus(self) -> int: ...


#: Requests below this (vCPUs), without GPUs, are within the quota of any account that is in use: a
#: run need not ask for it before it starts. Of GPUs a new account has none.
SMALL = 32


def beyond(job: Asks, queue: Queue, quotas: Quotas) -> str | None:
    """Why an account can never have a machine for a job; None if it can, or nothing is known."""
    if job.vcpus < SMALL and not job.gpus:
        return None
    most = quotas.of(queue)
    if most is None or job.vcpus <= most:
        return None
    return (
        f"{limit(most, queue)}, and the rule asks for {job.vcpus:,}: lower threads, or ask SciComp "
        "to have AWS raise this quota"
    )


def limit(most: int, queue: Queue) -> str:
    """A quota as the beginning of a sentence."""
    kind = "spot" if queue.spot else "on-demand"
    return (
        f"the account may have {most:,} vCPUs of {kind} machines like those of queue {queue.name} "
        "at a time"
    )


class Quotas:
    """Quotas, each asked for once. ``client``: makes one when it is first needed, or None where
    AWS cannot be asked."""

    def __init__(self, client: Callable[[], QuotaClient | None]) -> None:
        self._client = client
        self._known: dict[str, int | None] = {}

    def of(self, queue: Queue) -> int | None:
        """vCPUs of machines like the queue's; None where that is not one number, or not known."""
        code = code_of(queue.spot, queue.instance_types)
        if code is None:
            return None
        if code not in self._known:
            self._known[code] = self._asked(code)
        return self._known[code]

    def _asked(self, code: str) -> int | None:
        try:
            client = self._client()
            if client is None:
                return None
            answer = client.get_service_quota(ServiceCode="ec2", QuotaCode=code)
            return int(answer["Quota"]["Value"])
        except (ClientError, BotoCoreError, KeyError):
            return None


def code_of(spot: bool | None, instance_types: Sequence[str]) -> str | None:
    """The code of the quota that all machines of these names count against."""
    sizes = instances.sizes(instance_types)
    if spot is None or not sizes or not instances.all_known(instance_types):
        return None
    found = {_codes(size.type.partition(".")[0]) for size in sizes}
    codes = found.pop() if len(found) == 1 else None
    return codes[1 if spot else 0] if codes else None


def _codes(family: str) -> tuple[str, str] | None:
    if family in _OLD_P:
        return _P
    kind = re.match("[a-z]+", family)
    for kinds, codes in _CODES.items():
        if kind and kind[0] in kinds.split():
            return codes
    return None
