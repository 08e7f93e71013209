"""``hutchbatch definitions``: the job definitions that runs have left in the account."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence

from ...aws import clients
from ...submission import old_definitions
from ...submission.old_definitions import RegisteredDefinition
from ...text import tables, terminal
from .common import Help, Subcommands, add_region, asking, epilog


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "definitions",
        help="show the job definitions that runs have registered, and remove old ones",
        description=(
            "Shows the job definitions that hutchbatch has registered in your account: one for\n"
            "each image with its role and mounts, shared by all runs and users. --prune removes\n"
            "old ones that no job uses: neither a job that waits or runs, nor one that AWS Batch\n"
            "still remembers (it forgets jobs about a week after their end). Nothing is lost: a\n"
            "run that needs a removed definition registers it again."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch definitions\n"
            "  hutchbatch definitions --prune --dry-run\n"
            "  hutchbatch definitions --prune --older-than 90"
        ),
        formatter_class=Help,
    )
    add_region(parser)
    parser.add_argument("--prune", action="store_true", help="remove old, unused ones")
    parser.add_argument(
        "--older-than",
        type=_days,
        default=old_definitions.KEEP_DAYS,
        metavar="DAYS",
        help="with --prune: keep those made in the last DAYS days",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="with --prune: only show what would be removed"
    )
    parser.set_defaults(run=_run)


def _days(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of days")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    with asking("reading the job definitions"):
        batch = clients.clients(clients.session(options.region)).batch
        found = old_definitions.ours(batch)
        if not options.prune:
            terminal.say(*table(terminal.shown(found)))
            return 0
        now = datetime.datetime.now(datetime.UTC)
        old = old_definitions.prunable(found, now, options.older_than)
        unused = old_definitions.unused(batch, old)
        for each in unused:
            if not options.dry_run:
                old_definitions.deregister(batch, each)
            verb = "would remove" if options.dry_run else "removed"
            terminal.say(f"{verb} {each.name}:{each.revision}")
    terminal.say(_sum(len(found), len(old), len(unused), options.older_than, options.dry_run))
    return 0


def table(found: Sequence[RegisteredDefinition]) -> list[str]:
    """One line for each definition, below the heads."""
    if not found:
        return ["hutchbatch has no job definitions in this account and region."]
    rows = [(f"{d.name}:{d.revision}", d.made_on, d.image) for d in found]
    return tables.lines(rows, ("definition", "made", "image"))


def _sum(found: int, old: int, unused: int, days: int, dry_run: bool) -> str:
    verb = "would be removed" if dry_run else "removed"
    return (
        f"{unused} of {found} job definitions {verb}; {old - unused} are in use, "
        f"{found - old} are not older than {days} days."
    )
