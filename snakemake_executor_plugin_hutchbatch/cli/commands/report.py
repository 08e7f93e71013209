"""``hutchbatch report``: the report and the table of a run, during it or after its end."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ...record import run_record
from ...record.controllers import is_gone
from ...record.reader import Reader
from ...record.run_record import Record
from ...reporting import attempt_table, page
from ...reporting.statistics import Prices
from ...text import terminal
from ...text.terminal import note
from .. import detached
from .common import (
    FINE,
    CommandError,
    Help,
    Subcommands,
    add_directory,
    add_run,
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
            "  hutchbatch report --trace trace.tsv"
        ),
        formatter_class=Help,
    )
    add_run(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help=f"the HTML file (default: {DEFAULT})"
    )
    parser.add_argument(
        "--trace",
        type=Path,
        metavar="FILE",
        help="write the table here, - for the screen; without -o, nothing else is written",
    )
    for unit, name in (("vcpu", "vCPU"), ("gib", "GiB of memory")):
        parser.add_argument(
            f"--price-{unit}-hour",
            type=number(0, 999_999, "a price, like 0.018"),
            metavar="PRICE",
            help=f"what one {name} costs per hour: the report then shows costs",
        )
    add_directory(parser)
    detached.add_place(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    record = _record(options)
    prices = Prices(options.price_vcpu_hour, options.price_gib_hour)
    if options.trace == STDOUT:
        terminal.say_table(attempt_table.tsv(attempt_table.rows(record)))
    elif options.trace:
        page.write_trace(options.trace, record)
        note(f"The table of run {record.run.run_id} is in {options.trace}.")
    if options.output or not options.trace:
        path = options.output or DEFAULT
        try:
            page.write_page(path, record, prices, is_gone(record.run, time.time()))
        except page.MissingExtra as error:
            raise CommandError(str(error)) from error
        note(f"The report of run {record.run.run_id} is in {path}: open it in a browser.")
    return FINE


def _record(options: argparse.Namespace) -> Record:
    reached = detached.meant(options, options.run_id)
    if reached is None:
        with Reader(journal_path(options)) as reader:
            return run_record.read(reader, run_record.choose(reader, options.run_id))
    with asking("reading the run's record"), detached.record_of(reached) as saved:
        if saved is None:
            raise CommandError(f"Run {reached.id} has no record yet: its Snakemake has not begun.")
        return run_record.read(saved.reader, saved.run)
