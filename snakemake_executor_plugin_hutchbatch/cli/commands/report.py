"""``hutchbatch report``: the report and the table of a run, during it or after its end."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from ...record import run_record
from ...record.controllers import is_gone
from ...record.reader import Reader
from ...record.run_record import Record
from ...reporting import after_the_end, attempt_table, batch_news, joined, page
from ...reporting.comparison import MOST_RUNS
from ...reporting.statistics import Prices
from ...text import terminal
from ...text.terminal import note
from .. import detached, suggesting
from .common import (
    FINE,
    USAGE,
    CommandError,
    Help,
    Subcommands,
    add_directory,
    asking,
    epilog,
    journal_path,
    number,
)

DEFAULT = Path("report.html")
STDOUT = Path("-")


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "report",
        help="show what ran when, what the rules needed, and why jobs failed",
        description=(
            "Writes one HTML file about a run, which may still be running: when each job waited\n"
            "and ran, how much each rule used of what it requested and what it could request\n"
            "instead, hours lost with spot machines, failures with the ends of their logs. It\n"
            "opens in any browser, without a network. --trace writes a table of every job and\n"
            "attempt, for R, Python or Excel."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch report\n"
            "  hutchbatch report -o monday.html --price-vcpu-hour 0.018 --price-gib-hour 0.002\n"
            "  hutchbatch report --trace trace.tsv\n"
            "  hutchbatch report 20260302 20260309 -o both.html\n"
            "  hutchbatch report --suggest >> profiles/hutch/config.yaml"
        ),
        formatter_class=Help,
    )
    parser.add_argument(
        "run_ids",
        nargs="*",
        metavar="RUN",
        help="a run from 'hutchbatch runs', or the start of its id (default: the last run); "
        f"several, at most {MOST_RUNS}, are shown side by side",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help=f"the HTML file (default: {DEFAULT})"
    )
    parser.add_argument(
        "--trace",
        type=Path,
        metavar="FILE",
        help="write the table here, - for the screen; without -o, nothing else is written",
    )
    parser.add_argument(
        "--suggest",
        action="store_true",
        help="print what the rules could request, as lines of a profile: add them to it with >>; "
        "without -o, nothing else is written",
    )
    for unit, name in (("vcpu", "vCPU"), ("gib", "GiB of memory")):
        parser.add_argument(
            f"--price-{unit}-hour",
            type=number(0, 999_999, "a price, like 0.018"),
            metavar="PRICE",
            help=f"what one {name} costs per hour, in place of the prices that come along",
        )
    add_directory(parser)
    detached.add_place(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if len(options.run_ids) > MOST_RUNS:
        raise CommandError(f"At most {MOST_RUNS} runs are shown side by side.", USAGE)
    records = [_as_it_is(_record(options, name)) for name in options.run_ids or [None]]
    prices = Prices(options.price_vcpu_hour, options.price_gib_hour)
    if options.trace:
        _trace(options.trace, records)
    if options.suggest:
        suggesting.suggest(records)
    if options.output or not (options.trace or options.suggest):
        path = options.output or DEFAULT
        try:
            _page(path, records, prices)
        except page.MissingExtra as error:
            raise CommandError(str(error)) from error
        names = " and ".join(record.run.run_id for record in records)
        runs = "runs" if len(records) > 1 else "run"
        note(f"The report of {runs} {names} is in {path}: open it in a browser.")
    return FINE


def _trace(path: Path, records: Sequence[Record]) -> None:
    if len(records) > 1:
        raise CommandError("--trace writes the table of one run: name only one.", USAGE)
    if path == STDOUT:
        terminal.say_table(attempt_table.tsv(attempt_table.rows(records[0])))
    else:
        page.write_trace(path, records[0])
        note(f"The table of run {records[0].run.run_id} is in {path}.")


def _page(path: Path, records: Sequence[Record], prices: Prices) -> None:
    known = [(record, is_gone(record.run, time.time())) for record in records]
    if len(known) > 1:
        page.write_comparison(path, known, prices)
    else:
        page.write_page(path, known[0][0], prices, known[0][1])


def _as_it_is(record: Record) -> Record:
    """With what has become of jobs that the record has on AWS Batch, if the run is over."""
    now = time.time()
    over = record.run.ended is not None or is_gone(record.run, now)
    if over:
        heard = batch_news.heard([record], now)
        (record,) = heard.records
        if heard.old:
            note(heard.old)
    return after_the_end.closed(record, over)


def _record(options: argparse.Namespace, name: str | None) -> Record:
    reached = detached.meant(options, name)
    if reached is None:
        with Reader(journal_path(options)) as reader:
            return joined.read(reader, run_record.choose(reader, name))
    with asking("reading the run's record"), detached.record_of(reached) as saved:
        if saved is None:
            raise CommandError(f"Run {reached.id} has no record yet: its Snakemake has not begun.")
        return joined.as_submitted(joined.read(saved.reader, saved.run), reached.id, saved.folder)
