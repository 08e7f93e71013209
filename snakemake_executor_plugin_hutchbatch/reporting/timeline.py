"""What ran when, from the rows of a run's trace. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from .attempt_table import Row

Interval = tuple[str, float, float, float]


def over_time(
    intervals: Iterable[Interval], began: float, ended: float, bins: int
) -> dict[str, list[float]]:
    """By key, the average of what was there in each of ``bins`` equal spans of time.

    ``intervals``: key, from, to, and how much was there.
    """
    width = (ended - began) / bins
    sums: dict[str, list[float]] = {}
    steps: dict[str, list[float]] = {}
    if width <= 0:
        return {}
    for key, start, stop, weight in intervals:
        if key not in sums:
            sums[key], steps[key] = [0.0] * bins, [0.0] * (bins + 1)
        a, b = (min(max((t - began) / width, 0.0), float(bins)) for t in (start, stop))
        if b <= a:
            continue
        first, last = min(int(a), bins - 1), min(int(b), bins - 1)
        if first == last:
            sums[key][first] += weight * (b - a)
            continue
        sums[key][first] += weight * (first + 1 - a)
        sums[key][last] += weight * (b - last)
        steps[key][first + 1] += weight  # whole spans in between, added up below
        steps[key][last] -= weight
    for key, values in sums.items():
        there = 0.0
        for i in range(bins):
            there += steps[key][i]
            values[i] += there
    return sums


#: What a job does, in the order in which it does it.
PHASES = ("waiting", "starting", "staging in", "running", "staging out", "lost", "failed")


def phases(row: Row, until: float) -> list[tuple[str, float, float]]:
    """What an attempt did from when to when. ``until``: when the run was last heard of."""
    found: list[tuple[str, float, float]] = []

    def add(phase: str, begin: float | None, end: float | None) -> None:
        if begin is not None and end is not None and end > begin:
            found.append((phase, begin, end))

    if row.started is None:
        over = row.state not in ("waiting", "running")
        add("waiting", row.submitted, row.stopped if over else until)
        return found
    add("waiting", row.submitted, min(row.starting or row.started, row.started))
    add("starting", row.starting, row.started)
    stop = until if row.stopped is None else row.stopped
    if row.state == "lost" or (row.state == "failed" and not row.run_s):
        add(row.state, row.started, stop)
        return found
    before, command, after = (s or 0.0 for s in (row.stage_in_s, row.run_s, row.stage_out_s))
    known = before + command + after
    if not known:
        add("running", row.started, stop)
        return found
    # AWS's times and the supervisor's are of two clocks: the phases may not outlast the container.
    scale = min(1.0, (stop - row.started) / known)
    command_end = stop - after * scale
    command_start = command_end - command * scale
    add("staging in", row.started, command_start)
    add("failed" if row.state == "failed" else "running", command_start, command_end)
    add("failed" if row.state == "failed" else "staging out", command_end, stop)
    return found
