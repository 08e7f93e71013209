"""``hutchbatch logs``: the output of a job."""

from __future__ import annotations

import argparse
import datetime
import re
import time

from ...text.terminal import note
from .. import detached, wanted_job
from ..following import Follower
from .common import USAGE, CommandError, Help, Subcommands, asking, epilog
from .output import LogPrinter, follow

_SINCE = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "logs",
        help="show the output of a job",
        description=(
            "Shows the output of a job, as AWS CloudWatch keeps it. JOB is an AWS Batch id (for\n"
            "an array's child: ID:INDEX), the name of a Batch job, a rule with wildcards of the\n"
            "last run in this folder, or a file that the job makes. If several jobs match, the\n"
            "one that failed last is shown. The rule's log: files follow, from S3, unless the\n"
            "output has their text.\n"
            "On a terminal, control characters are shown as ?. A pipe or file gets exactly what\n"
            "the job wrote; notes go to standard error."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch logs 7a6280f6-164f-4200-bc88-a2d12bdaa224\n"
            "  hutchbatch logs align sample=A\n"
            "  hutchbatch logs align sample=A --attempt 1 | less\n"
            "  hutchbatch logs align sample=A --follow --since 10m\n"
            "  hutchbatch logs --controller --follow",
            "there is no such job or no output",
        ),
        formatter_class=Help,
    )
    wanted_job.add(parser)
    parser.add_argument(
        "--controller",
        nargs="?",
        const="",
        metavar="RUN",
        help="the output of the Snakemake of a run of 'hutchbatch submit' (default: the last)",
    )
    parser.add_argument(
        "--attempt",
        type=_positive,
        metavar="N",
        help="output of its N-th start (default: the last); for a rule's job, every start in the "
        "run counts",
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="keep printing until the job has ended"
    )
    parser.add_argument(
        "--since",
        type=_since_type,
        metavar="WHEN",
        help="only what is newer: 30s, 10m, 2h, 1d, or a time such as 2026-11-27T14:30",
    )
    parser.set_defaults(run=_run)


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _since_type(text: str) -> int:
    try:
        return since(text, time.time())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} does not look like 30s, 10m, 2h, 1d or 2026-11-27T14:30"
        ) from None


def since(text: str, now: float) -> int:
    """``10m`` before ``now`` (seconds since 1970), or an ISO time (this machine's time zone unless
    it names one), in milliseconds since 1970. Raises ``ValueError``."""
    ago = _SINCE.fullmatch(text)
    if ago:
        return round((now - float(ago[1]) * _UNITS[ago[2]]) * 1000)
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)


# What it wrote


def _of_controller(options: argparse.Namespace) -> int:
    """The output of a detached run's Snakemake."""
    if options.job:
        raise CommandError("Name a job, or --controller RUN, not both.", USAGE)
    with asking("looking for the run"):
        follower = Follower(detached.reached(options, options.controller or None), show=False)
        target = follower.target()
    if target is None:
        raise CommandError(
            "AWS Batch no longer knows Snakemake's job: it forgets jobs some days after their end."
        )
    printer = LogPrinter(follower.clients, options.since)
    if options.follow:
        return follow(printer, lambda: target, options.attempt)
    return printer.show(target, options.attempt)


def _run(options: argparse.Namespace) -> int:
    if options.controller is not None:
        return _of_controller(options)
    with wanted_job.opened(options) as wanted:
        found = wanted.find()
        if found.said:
            note(found.said)
        printer = LogPrinter(wanted.clients, options.since)
        if options.follow:
            return follow(printer, wanted.again, options.attempt)
        return printer.show(found, options.attempt)
