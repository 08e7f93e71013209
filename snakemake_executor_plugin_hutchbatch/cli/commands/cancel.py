"""``hutchbatch cancel``: stops the jobs of a run on AWS Batch."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ...record import controllers, run_record
from ...record.controllers import is_gone
from ...record.reader import Reader
from ...record.schema import Run
from ...text import terminal
from ...text.terminal import note
from .. import detached, ending_runs, stopping
from ..cancelling import Canceller
from ..detached import Reached
from .common import (
    USAGE,
    WRONG,
    CommandError,
    Help,
    Subcommands,
    add_directory,
    add_run,
    epilog,
    journal_path,
)

#: A living controller may have sent more jobs meanwhile: seconds for which this is checked again.
SETTLE_SECONDS = 10.0


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "cancel",
        help="stop the jobs of a run on AWS Batch",
        description=(
            "Stops the jobs that a run has on AWS Batch, even if its Snakemake was killed. If\n"
            "Snakemake is running on this machine, it is asked to stop, too, but only a process\n"
            "of yours that is certainly the one that started the run. With --rule, only jobs of\n"
            "that rule are stopped; for Snakemake they have failed.\n"
            "A run of 'hutchbatch submit' is ended with its Snakemake, from any computer."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch cancel\n"
            "  hutchbatch cancel 20261127-0230 --yes\n"
            "  hutchbatch cancel --rule align",
            "some jobs could not be stopped",
        ),
        formatter_class=Help,
    )
    add_run(parser)
    parser.add_argument("--rule", help="only jobs of this rule")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask first")
    add_directory(parser)
    detached.add_place(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if (reached := detached.meant(options, options.run_id)) is not None:
        return _end(reached, options)
    with Reader(journal_path(options)) as reader:
        run = run_record.choose(reader, options.run_id)
        canceller = Canceller(reader, run, options.rule)
        first = canceller.look()
        stops = options.rule is None and _doubt(run, options.directory) is None
        if not first.jobs and not stops:
            terminal.say(f"Run {run.run_id} has no jobs on AWS Batch{_of(options.rule)}.")
            if options.rule is None:
                _warn(run, options)
            return 0
        what = f"{first.jobs:,} jobs{_of(options.rule)} of run {run.run_id}"
        if not options.yes:
            _ask(f"Stop {what}" + (" and its Snakemake" if stops else "") + "?")
        if stops and (why := stopping.terminate(controllers.of(run), options.directory)):
            # Not what it was a moment ago.
            note(_left_alone(run, why))
            stops = False
        elif not stops:
            _warn(run, options)
        ended, left, reason = canceller.end(first)
        deadline = time.monotonic() + SETTLE_SECONDS
        while stops and time.monotonic() < deadline and _lives(canceller.refreshed()):
            time.sleep(0.5)
            more, also, last = canceller.end(canceller.look())
            ended, left, reason = ended + more, left + also, last or reason
    terminal.say(f"Stopped {ended:,} jobs on AWS Batch{_of(options.rule)}.")
    if left:
        raise CommandError(
            f"{left:,} jobs or arrays could not be stopped ({reason}): try again; if AWS denies "
            "it (batch:TerminateJob), ask SciComp."
        )
    return 0


def _end(reached: Reached, options: argparse.Namespace) -> int:
    """Ends a detached run."""
    if options.rule:
        raise CommandError(
            f"Run {reached.id} has its Snakemake on AWS Batch, which alone may stop single jobs: "
            "leave out --rule to end the run.",
            USAGE,
        )
    if not options.yes:
        _ask(f"End run {reached.id}, its Snakemake and its jobs?")
    note("Ending the run. This takes a minute or two.")
    terminal.say(ending_runs.end(reached))
    return 0


def _of(rule: str | None) -> str:
    return f" of rule {rule}" if rule else ""


def _ask(question: str) -> None:
    if not terminal.is_interactive():
        raise CommandError(f"{question} There is no terminal to ask on: add --yes.", USAGE)
    if terminal.ask(f"{question} [y/N]").lower() not in ("y", "yes"):
        raise CommandError("Nothing was stopped.", WRONG)


def _lives(run: Run) -> bool:
    """Whether the run's Snakemake seems to live on this machine."""
    return run.ended is None and controllers.is_dead(controllers.of(run)) is False


def _doubt(run: Run, folder: Path) -> str | None:
    """Why no process here is certainly the run's Snakemake (empty: none is even likely); None if
    one is. After SIGTERM Snakemake starts no more jobs; Ctrl-C's signal does not reach one that was
    started in the background."""
    return stopping.doubt(controllers.of(run), folder) if _lives(run) else ""


def _warn(run: Run, options: argparse.Namespace) -> None:
    """Says that Snakemake continues, if it does."""
    if run.ended is not None or is_gone(run, time.time()):
        return
    if options.rule is not None:
        note("Snakemake continues; it repeats these jobs if the rule has retries:.")
    elif why := _doubt(run, options.directory):
        note(_left_alone(run, why))
    else:
        note(
            f"Snakemake continues as process {run.pid} on {run.host} and may submit more jobs: "
            "stop it there with Ctrl-C."
        )


def _left_alone(run: Run, why: str) -> str:
    return (
        f"Snakemake was not stopped, because {why} (the record says process {run.pid} on "
        f"{run.host}). If it is still running, stop it there with Ctrl-C."
    )
