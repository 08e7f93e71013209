"""Whether Snakemake's ``retries:`` count for a failure, by its exit code. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from .failure_cause import Cause, Failure

#: The command's own failures; others (files that cannot be fetched or stored, lost machines) have
#: exit codes of the supervisor's or none, and say nothing about the command.
_OF_COMMAND = (Cause.COMMAND, Cause.OUT_OF_MEMORY, Cause.TIMEOUT, Cause.MISSING_OUTPUT)
#: 128 + SIGKILL and 128 + SIGTERM: by which such ends are known on other systems, whatever the
#: command's shell made of them.
_KNOWN_AS = {Cause.OUT_OF_MEMORY: 137, Cause.TIMEOUT: 143}


def is_worth_retrying(failure: Failure, codes: Iterable[tuple[int, int]]) -> bool:
    """``codes``: the first and last of each range; none for every failure."""
    ranges = tuple(codes)
    if not ranges or failure.cause not in _OF_COMMAND:
        return True
    found = {failure.exit_code, _KNOWN_AS.get(failure.cause)} - {None}
    if failure.cause is Cause.MISSING_OUTPUT:
        found = set()  # the command's own was 0
    return any(low <= code <= high for code in found if code for low, high in ranges)


def why_not(codes: Iterable[tuple[int, int]]) -> str:
    """What is added to the sentence of a failure that is not worth another try."""
    listed = ",".join(str(low) if low == high else f"{low}-{high}" for low, high in codes)
    return f"not tried again, because hutchbatch_retry_exit_codes is {listed}"
