"""The picture of a run: one HTML file that needs no network. ``page`` is pure.

Needs the extra ``report``: ``MissingExtra`` says so.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path, PurePath
from typing import TypeVar

from .. import files
from ..record import run_record
from ..record.journal import JournalError
from ..record.reader import Reader
from ..record.run_record import Record
from ..record.schema import Run
from ..settings.setting import option_name
from ..text import tracebacks
from ..text.units import clock, count, duration, hours, iso, memory, money, percent
from . import attempt_table, charts, environments, resource_advice, shareable, statistics
from .attempt_table import Row
from .statistics import Prices, Totals, Use

EXTRA = 'pip install "snakemake-executor-plugin-hutchbatch[report]"'
T = TypeVar("T")

#: How many similar failures, and kinds of failures, are shown.
MOST_SHOWN = 5
KINDS = 40
NOTES = 200


class MissingExtra(Exception):
    """The packages for the report are not installed; one sentence for the user."""


@dataclass(frozen=True)
class Tile:
    name: str
    value: str
    more: str = ""
    kind: str = ""


@dataclass(frozen=True)
class FailureGroup:
    """Failed jobs of one rule with one cause; ``jobs``: rows and log ends of the first few."""

    rule: str
    cause: str
    count: int
    jobs: tuple[Mapping[str, object], ...]


@dataclass(frozen=True)
class Place:
    """Containers of one queue on one type of machine."""

    queue: str
    machine: str
    capacity: str
    all: Use
    lost: Use


def write(path: Path, record: Record) -> None:
    """What ``--hutchbatch-report`` asks for: the table for a name in .tsv, else the page.

    Raises ``MissingExtra``, ``OSError``.
    """
    if path.suffix == ".tsv":
        write_trace(path, record)
    else:
        write_page(path, record, Prices())


def at_end(paths: Iterable[Path], journal: Path, run_id: str) -> Iterator[str]:
    """Writes the files of ``--hutchbatch-report``; one sentence about each. Never raises."""
    for path in paths:
        try:
            with Reader(journal) as reader:
                write(path, run_record.read(reader, run_record.choose(reader, run_id)))
            yield f"The report of this run: {path}"
        except Exception as error:  # an error in a report must not end a run
            if not isinstance(error, (MissingExtra, OSError, JournalError)):
                tracebacks.log(f"The report {path} could not be made.")
            yield f"{path} could not be written ({error}); try hutchbatch report {run_id}."


def write_trace(path: Path, record: Record) -> None:
    _put(path, "".join(f"{line}\n" for line in attempt_table.tsv(attempt_table.rows(record))))


def write_page(path: Path, record: Record, prices: Prices, gone: bool = False) -> None:
    """``gone``: whether the run's Snakemake has ended unexpectedly."""
    _put(path, page(record, prices, gone))


def _put(path: Path, text: str) -> None:
    """Written as a whole, so that a browser or a later step never reads half of it."""
    files.write(path, text)


def page(record: Record, prices: Prices, gone: bool = False) -> str:
    """The whole HTML. Raises ``MissingExtra``."""
    record = shareable.record_of(record)
    try:
        import jinja2  # noqa: PLC0415 - the extra

        script = charts.script()
    except ModuleNotFoundError as error:
        raise MissingExtra(f"The report needs {error.name}: {EXTRA}") from error
    engine = jinja2.Environment(
        loader=jinja2.FileSystemLoader(charts.TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    engine.filters.update(FILTERS)
    style = (charts.TEMPLATES / "report.css").read_text("utf-8")
    return engine.get_template("report.html.j2").render(
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        **_content(record, prices, gone),
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _content(record: Record, prices: Prices, gone: bool) -> dict[str, object]:
    rows = attempt_table.rows(record)
    until = record.known_until
    sums = statistics.totals(rows, record.run.started, until)
    rules = statistics.rules(rows)
    data = charts.data(record, rows, rules, until)
    advised = {r.name: (r.mem_mb, r.threads) for r in rules if re.fullmatch(r"\w+", r.name)}
    return {
        "title": _title(record.run),
        "run": record.run,
        "outcome": _outcome(record.run, gone),
        "totals": sums,
        "tiles": _tiles(sums, prices),
        "has_timeline": any(job["phases"] for job in data["jobs"]),
        "has_use": bool(data["use"]),
        "failures": _failures(record, rows),
        "rules": rules,
        "sampled": statistics.POINTS if any(r.jobs > statistics.POINTS for r in rules) else 0,
        "profile": resource_advice.profile(advised),
        "headroom": resource_advice.MEMORY_HEADROOM,
        "shortest": resource_advice.SHORTEST,
        "places": _places(rows),
        "spot_share": percent(sums.spot.hours, sums.use.hours),
        "prices": prices,
        "priced": prices.cost(0, 0) is not None,
        "settings": _settings(record.run),
        "environments": environments.summary(record.environments),
        "notes": record.notes[-NOTES:],
        "note_count": len(record.notes),
        "version": metadata.version("snakemake-executor-plugin-hutchbatch"),
        "data": charts.for_script(data),
    }


def _title(run: Run) -> str:
    return PurePath(run.folder).name or run.run_id


def _outcome(run: Run, gone: bool) -> Mapping[str, str]:
    if run.outcome == "done":
        return {"kind": "done", "text": "done"}
    if run.outcome or gone:
        return {"kind": "failed", "text": run.outcome or "Snakemake is gone"}
    return {"kind": "open", "text": "running"}


def _tiles(sums: Totals, prices: Prices) -> list[Tile]:
    failed = sums.states.get("failed", 0) + sums.states.get("lost", 0)
    done = sums.states.get("done", 0)
    left = sums.jobs - done - failed
    tiles = [
        Tile(
            "jobs done",
            count(done),
            f"of {count(sums.jobs)}" + (f", {count(left)} open" * (left > 0)),
        ),
        Tile("jobs failed", count(failed), "", "bad" if failed else ""),
        Tile(
            "wait for a machine",
            "not known" if sums.waited is None else duration(sums.waited),
            "" if sums.waited is None else "median of all containers",
        ),
        Tile("vCPU-hours", hours(sums.use.vcpu_hours), f"{count(sums.use.attempts)} containers"),
        Tile("GiB-hours", hours(sums.use.gib_hours), "memory requested"),
        Tile(
            "lost to spot",
            f"{hours(sums.spot.hours)} h",
            f"{count(sums.spot.attempts)} containers",
            "warn" if sums.spot.attempts else "",
        ),
    ]
    cost = prices.cost(sums.use.vcpu_hours, sums.use.gib_hours)
    if cost is not None:
        parts = [
            f"{price:g} a {unit}-hour"
            for price, unit in ((prices.vcpu_hour, "vCPU"), (prices.gib_hour, "GiB"))
            if price is not None
        ]
        tiles.append(Tile("cost at your prices", money(cost), ", ".join(parts)))
    return tiles


def _failures(record: Record, rows: Sequence[Row]) -> list[FailureGroup]:
    last = statistics.last_rows(rows)
    jobs = {job.number: job for job in record.jobs}
    found: dict[tuple[str, str, int | None], list[Row]] = defaultdict(list)
    for row in last:
        job = jobs[row.job]
        if job.state == "failed":
            found[row.rule, row.cause or job.cause or "FAILED", row.exit_code].append(row)
    return [
        FailureGroup(
            rule,
            cause,
            len(mine),
            tuple(
                {
                    **asdict(row),
                    "ended": row.stopped if row.stopped is not None else jobs[row.job].ended,
                    "log_end": jobs[row.job].log_end,
                }
                for row in mine[:MOST_SHOWN]
            ),
        )
        for (rule, cause, _), mine in sorted(found.items(), key=lambda item: -len(item[1]))[:KINDS]
    ]


def _places(rows: Iterable[Row]) -> list[Place]:
    found: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.started is not None:
            kind = row.instance_type or "not known"
            found[row.queue or "not known", kind, row.capacity or ""].append(row)
    return [
        Place(*key, statistics.use(mine), statistics.use(r for r in mine if r.state == "lost"))
        for key, mine in sorted(found.items())
    ]


def _settings(run: Run) -> list[tuple[str, str]]:
    about = {
        "command": run.command,
        "folder": run.folder,
        "Snakefile": run.snakefile,
        "machine": run.host,
        "region": run.region,
        "storage prefix": run.storage_prefix,
        "work prefix": run.work_prefix,
        "log group": run.log_group,
    }
    given = {option_name(k): v for k, v in run.settings.items()}
    versions = {f"version of {name}": text for name, text in run.versions.items()}
    return [(k, str(v)) for k, v in {**about, **given, **versions}.items() if v]


FILTERS: Mapping[str, Callable[[float], str]] = {
    "duration": duration,
    "count": count,
    "hours": hours,
    "money": money,
    "memory": memory,
    "iso": iso,
    "clock": clock,
}
