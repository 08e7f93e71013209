"""Several runs side by side, the first being what the others are compared with. Pure."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..record.run_record import Record
from ..text.units import amount, count, duration, hours, iso, memory, money
from . import attempt_table, charts, cost_section, job_list, overview, shareable, statistics
from .attempt_table import Row
from .cost_section import Costs
from .job_list import Listed
from .statistics import Prices, Rule, Totals

#: As many fit beside each other.
MOST_RUNS = 6
#: A difference of less than this part is not worth a look.
NOTABLE = 0.1


@dataclass(frozen=True)
class Side:
    """One of the runs. ``letter``: its short name on the page; ``gone``: whether its Snakemake has
    ended unexpectedly."""

    letter: str
    record: Record
    gone: bool
    rows: Sequence[Row]
    jobs: Sequence[Listed]
    totals: Totals
    rules: Mapping[str, Rule]
    costs: Costs

    @property
    def seconds(self) -> float:
        return self.totals.ended - self.totals.began


@dataclass(frozen=True)
class Line:
    """One figure of all runs: texts, and the change from the first run to each, if notable."""

    name: str
    texts: tuple[str, ...]
    changes: tuple[str, ...]


def side(letter: str, record: Record, gone: bool, prices: Prices) -> Side:
    record = shareable.record_of(record)
    rows = attempt_table.rows(record)
    until = record.known_until
    rules = statistics.rules(rows)
    return Side(
        letter,
        record,
        gone,
        rows,
        job_list.listed(record, rows),
        statistics.totals(rows, record.run.started, until),
        {rule.name: rule for rule in rules},
        cost_section.of(record, rows, rules, prices),
    )


def content(runs: Sequence[tuple[Record, bool]], prices: Prices) -> dict[str, object]:
    """What the template shows. ``runs``: records, and whether their Snakemakes are gone."""
    letters = string.ascii_uppercase
    sides = [side(letters[i], record, gone, prices) for i, (record, gone) in enumerate(runs)]
    texts = [_texts(each) for each in sides]
    names = list(dict.fromkeys(name for found in texts for name in found))
    said = [(name, tuple(found.get(name, "") for found in texts)) for name in names]
    titles = dict.fromkeys(overview.title(each.record.run) for each in sides)
    return {
        "title": f"{' and '.join(titles)}: {len(sides)} runs",
        "sides": [
            {
                "letter": each.letter,
                "run": each.record.run,
                "outcome": overview.outcome(each.record.run, each.gone),
            }
            for each in sides
        ],
        "totals": [line for line in (_line(sides, *known) for known in _TOTALS) if line],
        "rules": _rules(sides),
        "different": [pair for pair in said if len(set(pair[1])) > 1],
        "same": [(name, found[0]) for name, found in said if len(set(found)) == 1],
        "data": charts.packed(
            {
                "letters": [each.letter for each in sides],
                "areas": [
                    charts.areas(each.rows, each.totals.began, each.totals.ended) for each in sides
                ],
                "jobs": _jobs(sides),
                "currency": next(
                    (known for each in sides if (known := each.costs.currency) is not None), None
                ),
            }
        ),
    }


def change(before: float | None, after: float | None) -> str:
    """``+12 %``, ``3 times``, ``-40 %``; empty where it is not notable, or not known."""
    if not before or after is None:
        return ""
    ratio = after / before
    if abs(ratio - 1) < NOTABLE:
        return ""
    return f"{ratio:.1f} times" if ratio >= 2 else f"{100 * (ratio - 1):+.0f} %"


Figure = Callable[[Side], float | None]


def _bytes(name: str) -> Figure:
    return lambda each: sum(getattr(rule, name) for rule in each.rules.values())


_TOTALS: tuple[tuple[str, Figure, Callable[[float], str]], ...] = (
    ("duration", lambda each: each.seconds, duration),
    ("jobs done", lambda each: each.totals.states.get("done", 0), count),
    ("jobs failed", lambda each: each.totals.states.get("failed", 0), count),
    ("wait for a machine, median", lambda each: each.totals.waited, duration),
    ("containers", lambda each: each.totals.use.attempts, count),
    ("lost to spot, hours", lambda each: each.totals.spot.hours, hours),
    ("vCPU-hours", lambda each: each.totals.use.vcpu_hours, hours),
    ("GiB-hours", lambda each: each.totals.use.gib_hours, hours),
    ("fetched from S3", _bytes("bytes_in"), amount),
    ("stored in S3", _bytes("bytes_out"), amount),
    ("cost", lambda each: each.costs.most, money),
)


def _line(
    sides: Sequence[Side], name: str, figure: Figure, words: Callable[[float], str]
) -> Line | None:
    values = [figure(each) for each in sides]
    if all(value is None for value in values):
        return None
    texts = [
        cost_section.NOTHING
        if value is None
        else each.costs.total[0]
        if name == "cost" and each.costs.total
        else words(value)
        for each, value in zip(sides, values, strict=True)
    ]
    changes = ["", *(change(values[0], value) for value in values[1:])]
    return Line(name, tuple(texts), tuple(changes))


def _rules(sides: Sequence[Side]) -> list[tuple[str, list[dict[str, object]]]]:
    """By rule, a row of figures for each run that has it."""
    names = dict.fromkeys(name for each in sides for name in each.rules)
    return [
        (name, [_rule(each, sides[0], name) for each in sides if name in each.rules])
        for name in names
    ]


def _rule(each: Side, first: Side, name: str) -> dict[str, object]:
    rule, base = each.rules[name], first.rules.get(name)

    def cell(
        value: Callable[[Rule], float | None], words: Callable[[float], str]
    ) -> tuple[str, str]:
        found = value(rule)
        text = cost_section.NOTHING if found is None else words(found)
        return text, change(value(base), found) if base and each is not first else ""

    return {
        "letter": each.letter,
        "cells": [
            ("Jobs", cell(lambda r: r.jobs, count)),
            ("Failed", cell(lambda r: r.failed, count)),
            ("Lost", cell(lambda r: r.lost, count)),
            ("Time, median", cell(lambda r: r.seconds.median if r.seconds else None, duration)),
            ("Waited", cell(lambda r: r.waited.median if r.waited else None, duration)),
            ("Memory, highest", cell(lambda r: r.memory.high if r.memory else None, memory)),
            ("Requested", cell(lambda r: r.asked_memory, memory)),
            ("Busy vCPUs", cell(lambda r: r.cores.median if r.cores else None, "{:.1f}".format)),
            ("vCPU-hours", cell(lambda r: r.vcpu_hours, hours)),
            ("Cost", (each.costs.rules.get(name) or cost_section.NOTHING, "")),
        ],
    }


def _jobs(sides: Sequence[Side]) -> list[dict[str, object]]:
    """For the page's script: what each run says of a job of one rule and name."""
    found: dict[tuple[str, str], list[dict[str, object]]] = {}
    numbers = {name: i for i, name in enumerate(dict.fromkeys(n for s in sides for n in s.rules))}
    for place, each in enumerate(sides):
        for job in each.jobs:
            last = job.last
            said = {
                "side": place,
                "state": last.state,
                "cause": last.cause,
                "total": None if last.total_s is None else round(last.total_s, 1),
                "peak": None if last.peak_memory_mib is None else round(last.peak_memory_mib, 1),
                "asked": last.memory_mib,
                "machine": last.instance_type,
                "attempts": len(job.rows),
                "cost": job_list.cost(job, each.costs.of_row),
                "software": job.software,
                "command": job.job.command,
                "sentence": job.job.sentence,
            }
            known = {name: value for name, value in said.items() if value not in (None, "")}
            found.setdefault((last.rule, last.label), []).append(known)
    return [
        {"label": label, "rule": numbers[rule], "sides": said}
        for (rule, label), said in found.items()
    ]


def _texts(each: Side) -> dict[str, str]:
    """What can differ about how a run was made."""
    run = each.record.run
    found = {"began": iso(run.started), "user": run.user, **overview.about(run)}
    versions = {f"version of {name}": text for name, text in overview.versions(run).items()}
    return {**found, **overview.configuration(run), **versions}
