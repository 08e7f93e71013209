"""``hutchbatch cancel``: stops the jobs of a run on AWS Batch."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from ...record import controllers, run_record
from ...record.controllers import is_gone
from ...record.reader import Reader
from ...record.schema import Run
from ...recovery.unfinished_jobs import is_over
from ...reporting import find_job, last_line
from ...text import terminal
from ...text.terminal import note
from ...text.units import counted
from .. import cancelling, detached, ending_runs, one_job, stopping
from ..cancelling import Canceller
from ..detached import Reached
from .common import (
    USAGE,
    WRONG,
    CommandError,
    Help,
    Subcommands,
    add_directory,
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
            "of yours that is certainly the one that started the run. With --rule, or RULE and\n"
            "wildcards, only jobs of that rule, or one job, are stopped: for Snakemake they have\n"
            "failed, and it does not try them again. Returns when AWS Batch says that they ended.\n"
            "A run of 'hutchbatch submit' is ended with its Snakemake, from any computer."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch cancel\n"
            "  hutchbatch cancel 20261127-0230 --yes\n"
            "  hutchbatch cancel --rule align\n"
            "  hutchbatch cancel align sample=A",
            "some jobs could not be stopped",
        ),
        formatter_class=Help,
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="RUN | RULE wildcard=value",
        help="a run from 'hutchbatch runs', or the start of its id (default: the last run); and, to"
        " stop one job, its rule and wildcards, or its id on AWS Batch",
    )
    parser.add_argument("--rule", help="only jobs of this rule")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask first")
    add_directory(parser)
    detached.add_place(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    name, words = _split(options.words)
    if words and options.rule:
        raise CommandError("Name a job or --rule, not both.", USAGE)
    if (reached := detached.meant(options, name)) is not None:
        return _end(reached, options, bool(words))
    with Reader(journal_path(options)) as reader:
        if words:
            return one_job.cancel(reader, name, words, lambda what: _ask_unless(options, what))
        run = run_record.choose(reader, name)
        select = cancelling.of_rule(options.rule) if options.rule else cancelling.everything
        canceller = Canceller(reader, run, select)
        first = canceller.look()
        stops = options.rule is None and _doubt(run, options.directory) is None
        if not first.jobs and not stops:
            terminal.say(f"Run {run.run_id} has no jobs on AWS Batch{_of(options.rule)}.")
            if options.rule is None:
                _warn(run, options)
            return 0
        what = f"{counted(first.jobs, 'job')}{_of(options.rule)} of run {run.run_id}"
        _ask_unless(options, what + (" and its Snakemake" if stops else ""))
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
        live = canceller.wait()
        continues = not is_over(canceller.refreshed(), time.time())
    _say_last(run, options.rule, ended - live, live + left, continues)
    if left:
        raise CommandError(
            f"{counted(left, 'job')} could not be stopped ({reason}): try again; if AWS denies "
            "it (batch:TerminateJob), ask SciComp."
        )
    return 0


def _split(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Which run, and which of its jobs. A run's id begins with a digit, no rule's name does."""
    first, *rest = words or [""]
    if first[:1].isdigit() and not find_job.is_batch_id(first):
        return first, rest
    return None, list(words)


def _say_last(run: Run, rule: str | None, ended: int, live: int, continues: bool) -> None:
    """What is left of the run is only said where nobody sends more jobs."""
    if rule is None and not continues:
        terminal.say(last_line.sentence(run.run_id, ended, live))
        return
    still = f"; {live:,} are still on AWS Batch" if live else ""
    terminal.say(f"{counted(ended, 'job')}{_of(rule)} ended{still}.")


def _end(reached: Reached, options: argparse.Namespace, one: bool) -> int:
    """Ends a detached run."""
    if options.rule or one:
        raise CommandError(
            f"Run {reached.id} has its Snakemake on AWS Batch, which alone may stop single jobs: "
            "name only the run to end it.",
            USAGE,
        )
    if not options.yes:
        _ask(f"End run {reached.id}, its Snakemake and its jobs?")
    note("Ending the run. This takes a minute or two.")
    terminal.say(ending_runs.end(reached))
    return 0


def _of(rule: str | None) -> str:
    return f" of rule {rule}" if rule else ""


def _ask_unless(options: argparse.Namespace, what: str) -> None:
    """Raises ``CommandError`` where the user does not want it."""
    if not options.yes:
        _ask(f"Stop {what}?")


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
        note("Snakemake continues; it does not try these jobs again.")
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
