"""What a report's pictures are drawn from, and the JavaScript that draws them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TypedDict

from ..record.run_record import Record
from ..text.units import memory
from . import resource_advice, timeline
from .attempt_table import Row
from .statistics import Rule, Spread

TEMPLATES = Path(__file__).with_name("templates")
#: Spans of time of the areas.
BINS = 240


@cache
def script() -> str:
    """Vega with all it needs, and our own pictures, as one module.

    Raises ``ModuleNotFoundError`` without the extra.
    """
    import vl_convert  # noqa: PLC0415 - the extra

    own = "".join((TEMPLATES / name).read_text("utf-8") for name in ("charts.js", "page.js"))
    bundle: str = vl_convert.javascript_bundle(own)
    return bundle.replace("</script", r"<\/script").replace("<!--", r"<\!--")


class Bar(TypedDict, total=False):
    """One job. ``phases``: number of the phase, from, to, and number of the attempt."""

    label: str
    rule: int
    state: str
    lost: bool
    phases: list[tuple[int, float, float, int]]
    attempts: list[dict[str, str]]


class Data(TypedDict):
    """What the pictures are drawn from. Times in seconds since the run began."""

    began: float
    ended: float
    bins: int
    phases: Sequence[str]
    queues: list[str]
    jobs: list[Bar]
    areas: dict[str, list[float]]
    use: dict[str, list[float]]
    rules: list[dict[str, object]]


def data(record: Record, rows: Sequence[Row], rules: Sequence[Rule], until: float) -> Data:
    """What the pictures of a run are drawn from."""
    began = record.run.started
    numbers = {rule.name: i for i, rule in enumerate(rules)}
    names = {name: i for i, name in enumerate(timeline.PHASES)}
    jobs: dict[tuple[str, str], Bar] = {}
    areas: list[timeline.Interval] = []
    use: list[timeline.Interval] = []
    for row in rows:
        job = jobs.setdefault(
            (row.rule, row.label),
            {
                "label": row.label,
                "rule": numbers[row.rule],
                "lost": False,
                "phases": [],
                "attempts": [],
            },
        )
        phases = timeline.phases(row, until)
        areas += [(name, start, stop, 1.0) for name, start, stop in phases]
        if row.started is not None:
            stop = until if row.stopped is None else row.stopped
            use.append((row.queue or "not known", row.started, stop, float(row.vcpus)))
        job["phases"] += [
            (names[name], round(start - began, 1), round(stop - began, 1), len(job["attempts"]))
            for name, start, stop in phases
        ]
        job["attempts"].append(_details(row))
        job["state"] = row.state
        job["lost"] |= row.state == "lost"
    over = timeline.over_time(areas, began, until, BINS)
    queues = timeline.over_time(use, began, until, BINS)
    return {
        "began": began,
        "ended": until,
        "bins": BINS,
        "phases": timeline.PHASES,
        "queues": sorted(queues),
        "jobs": list(jobs.values()),
        "areas": {name: [round(v, 2) for v in values] for name, values in over.items()},
        "use": {name: [round(v, 2) for v in values] for name, values in queues.items()},
        "rules": [
            {
                "name": rule.name,
                "seconds": _spread(rule.seconds),
                "memory_share": _spread(rule.memory_share),
                "cpu_share": _spread(rule.cpu_share),
            }
            for rule in rules
        ],
    }


def _details(row: Row) -> dict[str, str]:
    """What is shown about the attempt under the pointer."""
    used = []
    if row.peak_memory_mib is not None:
        used.append(f"{memory(row.peak_memory_mib)} of {memory(row.memory_mib)}")
    cores = resource_advice.busy_cores(row)
    if cores is not None:
        used.append(f"{cores:.1f} of {row.vcpus} vCPUs")
    texts = {
        "queue": row.queue,
        "type": row.instance_type,
        "cause": row.cause,
        "used": ", ".join(used),
    }
    return {name: text for name, text in texts.items() if text}


def _spread(spread: Spread | None) -> dict[str, object] | None:
    if spread is None:
        return None
    rounded = {k: round(v, 2) for k, v in asdict(spread).items() if k != "points"}
    return {**rounded, "points": [round(p, 2) for p in spread.points]}


def for_script(value: object) -> str:
    """JSON that ends no script element and starts no comment, whatever the texts in it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
