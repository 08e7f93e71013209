"""``hutchbatch submit``: a run whose Snakemake is a job on AWS Batch itself."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import cast

from ...aws.clients import S3Access
from ...controller import detached_runs, submission
from ...controller.detached_runs import Known
from ...controller.submission import CannotSubmit, Submitted, Wishes
from ...planning.run_context import RunContext
from ...storage.run_layout import WorkLayout
from ...text import terminal
from ...text.terminal import note
from ...text.units import MIB, counted
from .. import launching
from ..detached import Reached
from . import attach
from .common import (
    FINE,
    CommandError,
    Help,
    Subcommands,
    add_snakemake_arguments,
    asking,
    epilog,
    own_arguments,
)


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "submit",
        help="run Snakemake itself on AWS Batch, too, so that your computer can be switched off",
        description=(
            "Checks a run here as 'hutchbatch plan' does, uploads its inputs, and starts\n"
            "Snakemake with the same arguments as a job on AWS Batch. Then the command returns:\n"
            "nothing of the run needs this computer any more."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch submit -- --profile profiles/hutch\n"
            "  hutchbatch submit --wait -- --profile profiles/hutch results/all.tsv",
            "the run was refused, or with --wait or --follow, Snakemake failed",
        ),
        formatter_class=Help,
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--wait", action="store_true", help="return when the run has ended, with its exit code"
    )
    how.add_argument(
        "--follow", action="store_true", help="the same, and show what Snakemake prints"
    )
    parser.add_argument(
        "--controller-queue", metavar="QUEUE", help="the queue of Snakemake's own job"
    )
    parser.add_argument(
        "--controller-memory",
        type=_memory,
        metavar="MB",
        help="memory of Snakemake's own job, in MB",
    )
    add_snakemake_arguments(parser, "as you would give them to snakemake")
    parser.set_defaults(run=_run)


def _memory(text: str) -> int:
    """MiB."""
    if not text.isdecimal() or not 540 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of MB of at least 540")
    return -(-int(text) * 10**6 // MIB)


def _run(options: argparse.Namespace) -> int:
    own = own_arguments(options.arguments or [])
    handover = launching.handed_over(own)
    if handover is None:
        terminal.say("Nothing to be done: all files are there.")
        return FINE
    wishes = Wishes(options.controller_queue, options.controller_memory)
    with asking("submitting the run"):
        try:
            made = submission.submit(handover, wishes, note)
        except CannotSubmit as error:
            raise CommandError(str(error)) from error
    context = cast(RunContext, handover.launch.context)
    work = WorkLayout(context.work_prefix)
    known = Known(made.request.id, work.prefix, made.request.region)
    for folder in {handover.started, handover.folder}:  # --directory
        with suppress(OSError):  # then the place must be named
            detached_runs.remember(Path(folder), known)
    terminal.say(*_sentences(made, work, handover.launch.jobs, options.wait or options.follow))
    if not options.wait and not options.follow:
        return FINE
    terminal.flush()
    clients = context.clients
    reached = Reached(made.request.id, work, clients.s3, S3Access(), clients)
    return attach.followed(reached, made.job, show=options.follow)


def _sentences(made: Submitted, work: WorkLayout, jobs: int, stays: bool) -> list[str]:
    run, queue = made.request.id, made.request.queue
    first = [
        f"Run {run} is submitted: Snakemake is job {made.job} on queue {queue} and will start "
        f"{counted(jobs, 'job')}.",
    ]
    if stays:
        return first
    return [
        *first,
        "Nothing of it needs this computer any more. From any computer:",
        f"  hutchbatch attach {run} --work-prefix {work.prefix}",
        f"  hutchbatch status {run} --work-prefix {work.prefix}",
        f"  hutchbatch cancel {run} --work-prefix {work.prefix}",
        "In this folder, --work-prefix is not needed.",
    ]
