"""What memory a job starts at, by what earlier jobs of its rule needed. Pure.

It need not be right: a job that needs more is killed and started again with at least what it asked
for (``settlement/retry_policy.py``). So a margin decides how often that happens, not whether a run
succeeds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ..text.units import mb

#: Earlier jobs without which nothing is changed: by their highest need, and by input size.
FEWEST, FEWEST_BY_SIZE = 5, 8
#: What a job gets beyond what it is expected to need.
MARGIN = 1.25
#: What a job that was killed for memory may have needed, in parts of what it had.
KILLED = 1.5
#: Inputs beyond so many times the largest that was seen are not spoken for.
BEYOND = 1.5
#: Input size explains memory if sizes differ by this factor, and so much of the variance is theirs.
SPREAD, EXPLAINED = 2.0, 0.8
#: Memory is rounded up to steps of this factor, so that many jobs are alike and make one array.
STEP = 1.25
#: A start above this part of the request is not worth a change.
NEAR = 0.8


@dataclass(frozen=True)
class Sample:
    """One container of an earlier job. Memory in MiB: ``used`` without cached files, ``had`` what
    it could use; ``killed`` for lack of it, so that it needed more than it had."""

    used: float
    had: int
    input_bytes: int | None = None
    killed: bool = False


@dataclass(frozen=True)
class Start:
    """``memory`` in MiB, below the request; ``jobs``: how many it is learned from; ``highest``:
    what the largest of them used; ``by_size``: the input's size explains it."""

    memory: int
    jobs: int
    highest: int
    by_size: bool = False


def start(
    samples: Sequence[Sample], asked: int, input_bytes: int | None, least: int
) -> Start | None:
    """Where a job starts that asks for ``asked`` MiB; None: at that. ``least``: MiB that any job
    needs."""
    done = [each for each in samples if not each.killed]
    if len(done) < FEWEST:
        return None
    highest = max(each.used for each in done)
    by_size = _by_size(samples, input_bytes)
    if by_size is None and not _is_familiar(done, input_bytes):
        return None
    need = by_size if by_size is not None else max(highest, _survived(samples, highest))
    memory = max(least, _step_above(need * MARGIN))
    if memory > NEAR * asked:
        return None
    return Start(memory, len(done), math.ceil(highest), by_size is not None)


def _is_familiar(done: Sequence[Sample], input_bytes: int | None) -> bool:
    """Whether the input is not much larger than those seen."""
    known = [each.input_bytes for each in done if each.input_bytes is not None]
    return input_bytes is None or not known or input_bytes <= BEYOND * max(known)


def _survived(samples: Sequence[Sample], highest: float) -> float:
    """What the jobs that were killed may have needed. Of those that had less than another one
    used, that one shows it."""
    return max((KILLED * s.had for s in samples if s.killed and s.had >= highest), default=0.0)


def _by_size(samples: Sequence[Sample], input_bytes: int | None) -> float | None:
    """MiB by a straight line through what was used, raised until no job is above it; None where
    size does not explain it."""
    done = [(s.input_bytes, s.used) for s in samples if not s.killed and s.input_bytes]
    if not input_bytes or len(done) < FEWEST_BY_SIZE:
        return None
    sizes, used = [float(size) for size, _ in done], [use for _, use in done]
    if max(sizes) < SPREAD * min(sizes) or max(used) <= min(used):
        return None
    if not min(sizes) / BEYOND <= input_bytes <= max(sizes) * BEYOND:
        return None
    slope, base = statistics.linear_regression(sizes, used)
    if slope <= 0 or statistics.correlation(sizes, used) ** 2 < EXPLAINED:
        return None

    def above(size: float) -> float:
        return base + slope * size

    rise = max(use - above(size) for size, use in zip(sizes, used, strict=True))
    for each in samples:
        if each.killed and each.input_bytes:
            rise = max(rise, KILLED * each.had - above(each.input_bytes))
    return max(min(used), above(input_bytes) + rise)


def _step_above(need: float) -> int:
    """The next of the steps of ``STEP`` from 64 MiB on."""
    steps = math.ceil(math.log(max(need, 64.0) / 64.0, STEP) - 1e-9)
    return math.ceil(64.0 * STEP**steps)


def sentence(rule: str, found: Start, asked: int) -> str:
    """What the user reads once a rule."""
    how = ", by the size of their input" if found.by_size else ""
    first = f"this one at {mb(found.memory)}" if found.by_size else mb(found.memory)
    if found.by_size:
        begin = f"Jobs of {rule} start at what earlier ones needed{how}, {first}"
    else:
        begin = f"Jobs of {rule} start at {first}"
    return (
        f"{begin}, not at the {mb(asked)} that they ask for: {found.jobs:,} earlier jobs used at "
        f"most {mb(found.highest)}. One that needs more is started again with all of it."
    )
