"""The picture of a run, or of several side by side: one HTML file that needs no network.

Needs the extra ``report``: ``MissingExtra`` says so.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from .. import files
from ..record import run_record
from ..record.journal import JournalError
from ..record.reader import Reader
from ..record.run_record import Record
from ..text import tracebacks
from ..text.units import amount, clock, count, duration, hours, iso, memory, money, percent
from . import (
    attempt_table,
    charts,
    comparison,
    cost_section,
    environments,
    job_list,
    joined,
    overview,
    resource_advice,
    shareable,
    statistics,
    timeline,
)
from .statistics import Prices

EXTRA = 'pip install "snakemake-executor-plugin-hutchbatch[report]"'
#: The last so many messages are shown.
NOTES = 200
_SCRIPTS = ("common.js", "charts.js", "overview.js", "gantt.js", "table.js", "page.js")


_COMPARING = ("common.js", "charts.js", "table.js", "compare.js")


class MissingExtra(Exception):
    """The packages for the report are not installed; one sentence for the user."""


def write(path: Path, record: Record) -> None:
    """What ``--hutchbatch-report`` asks for: the table for a name in .tsv, else the page.

    Raises ``MissingExtra``, ``OSError``.
    """
    if is_trace(path):
        write_trace(path, record)
    else:
        write_page(path, record, Prices())


def is_trace(path: Path) -> bool:
    """Whether ``--hutchbatch-report`` asks for the table by this name."""
    return path.suffix == ".tsv"


def at_end(paths: Iterable[Path], journal: Path, run_id: str) -> Iterator[str]:
    """Writes the files of ``--hutchbatch-report``; one sentence about each. Never raises."""
    for path in paths:
        try:
            with Reader(journal) as reader:
                write(path, joined.read(reader, run_record.choose(reader, run_id)))
            yield f"The report of this run: {path}"
        except Exception as error:  # an error in a report must not end a run
            if not isinstance(error, (MissingExtra, OSError, JournalError)):
                tracebacks.log(f"The report {path} could not be made.")
            yield f"{path} could not be written ({error}); try hutchbatch report {run_id}."


def write_trace(path: Path, record: Record) -> None:
    _put(path, "".join(f"{line}\n" for line in attempt_table.tsv(attempt_table.rows(record))))


def write_page(path: Path, record: Record, prices: Prices, gone: bool = False) -> None:
    """``gone``: whether the run's Snakemake has ended unexpectedly. Raises ``MissingExtra``,
    ``OSError``."""
    _put(path, page(record, prices, gone))


def write_comparison(path: Path, runs: Sequence[tuple[Record, bool]], prices: Prices) -> None:
    """Several runs side by side; with each, whether its Snakemake has ended unexpectedly. Raises
    ``MissingExtra``, ``OSError``."""
    content = comparison.content(runs, prices)
    _put(path, rendered("compare.html.j2", _COMPARING, content))


def _put(path: Path, text: str) -> None:
    """Written as a whole, so that a browser or a later step never reads half of it."""
    files.write(path, text)


def page(record: Record, prices: Prices, gone: bool = False) -> str:
    """The whole HTML. Raises ``MissingExtra``."""
    content = _content(shareable.record_of(record), prices, gone)
    return rendered("report.html.j2", _SCRIPTS, content)


def rendered(template: str, scripts: tuple[str, ...], content: Mapping[str, object]) -> str:
    """A template with its style and scripts. Raises ``MissingExtra``."""
    try:
        import jinja2  # noqa: PLC0415 - the extra

        script = charts.script(*scripts)
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
    return engine.get_template(template).render(
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        version=metadata.version("snakemake-executor-plugin-hutchbatch"),
        **content,
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _content(record: Record, prices: Prices, gone: bool) -> dict[str, object]:
    run, until = record.run, record.known_until
    rows = attempt_table.rows(record)
    jobs = job_list.listed(record, rows)
    sums = statistics.totals(rows, run.started, until)
    rules = statistics.rules(rows, resource_advice.requests(record.jobs))
    numbers = {rule.name: i for i, rule in enumerate(rules)}
    staged = sum(r.bytes_in for r in rules), sum(r.bytes_out for r in rules)
    advised = {r.name: (r.mem_mb, r.threads) for r in rules if re.fullmatch(r"\w+", r.name)}
    costs = cost_section.of(record, rows, rules, prices)
    areas = charts.areas(rows, run.started, until)
    most = job_list.room(len(jobs))
    return {
        "title": overview.title(run),
        "run": run,
        "outcome": overview.outcome(run, gone),
        "totals": sums,
        "tiles": overview.tiles(run, sums, staged, prices, costs.total, gone),
        "has_timeline": bool(areas["phase"]),
        "has_use": bool(areas["queue"]),
        "failures": overview.failures(jobs),
        "jobs": jobs,
        "plain": job_list.plain(jobs),
        "rules": rules,
        "numbers": numbers,
        "sampled": statistics.POINTS if any(r.jobs > statistics.POINTS for r in rules) else 0,
        "killed": sum(len(r.killed) for r in rules),
        "profile": resource_advice.profile(advised),
        "headroom": resource_advice.MEMORY_HEADROOM,
        "shortest": resource_advice.SHORTEST,
        "places": overview.places(rows),
        "spot_share": percent(sums.spot.hours, sums.use.hours),
        "costs": costs,
        "about": overview.about(run),
        "configuration": overview.configuration(run),
        "versions": overview.versions(run),
        "environments": environments.summary(record.environments),
        "notes": record.notes[-NOTES:],
        "note_count": len(record.notes),
        "data": charts.packed(
            {
                "areas": areas,
                "phases": timeline.PHASES,
                "currency": costs.currency,
                "rules": [charts.rule(each) for each in rules],
            },
            jobs=(
                job_list.entry(each, numbers, run.started, until, costs.of_row, most)
                for each in jobs
            ),
        ),
    }


FILTERS: Mapping[str, Callable[[float], str]] = {
    "amount": amount,
    "duration": duration,
    "count": count,
    "hours": hours,
    "money": money,
    "memory": memory,
    "iso": iso,
    "clock": clock,
}
