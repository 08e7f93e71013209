"""``hutchbatch attach``: follows a detached run."""

from __future__ import annotations

import argparse

from ...text import terminal
from ...text.terminal import note
from .. import detached, ending_runs
from ..detached import Reached
from ..following import Follower
from .common import INTERRUPTED, Help, Subcommands, add_directory, add_run, asking, epilog


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "attach",
        help="follow a run of 'hutchbatch submit'",
        description=(
            "Shows what the Snakemake of a detached run prints, from its beginning, and ends with\n"
            "its exit code. Ctrl-C asks whether the run is to end, too."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch attach\n"
            "  hutchbatch attach 20261127-0230 --profile profiles/hutch\n"
            "  hutchbatch attach 20261127-0230 --work-prefix s3://fh-pi-lastname-f-eco/me/.hutchbatch",
            "Snakemake failed",
        ),
        formatter_class=Help,
    )
    add_run(parser)
    add_directory(parser)
    detached.add_place(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    return followed(detached.reached(options, options.run_id))


def followed(reached: Reached, job: str | None = None, show: bool = True) -> int:
    """Follows a run to its end. Ctrl-C leaves it running, or ends it. Returns the exit code."""
    with asking("following the run"):
        follower = Follower(reached, job, show)
        while True:
            try:
                return follower.follow()
            except KeyboardInterrupt:
                if not _is_to_end(reached):
                    return INTERRUPTED
                ending_runs.request(reached)
                note("The run is asked to end. Its jobs are stopped; this takes a moment.")


def _is_to_end(reached: Reached) -> bool:
    left = f"Run {reached.id} continues. Follow it again with: hutchbatch attach {reached.id}"
    if terminal.is_interactive():
        try:
            answer = terminal.ask("\nLeave the run running, or end it? [L/e]").strip().lower()
        except (KeyboardInterrupt, EOFError):
            answer = ""
        if answer in ("e", "end"):
            return True
    note(left)
    return False
