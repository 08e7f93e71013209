"""``hutchbatch queues``: the account's queues and which one jobs would go to."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...aws import clients
from ...queues import catalog, queues
from ...settings.table import default_of
from ...settings.values import POLICIES
from ...text import terminal
from ...text.terminal import note
from .common import CommandError, Help, Subcommands, add_region, asking, epilog


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "queues",
        help="show the queues of AWS Batch and where jobs would go",
        description=(
            "Shows the queues of your account as AWS reports them now: spot or on demand, the\n"
            "bid, how many vCPUs may be in use at a time, and whether they accept jobs."
        ),
        epilog=epilog("example:\n  hutchbatch queues --region us-west-2"),
        formatter_class=Help,
    )
    add_region(parser)
    parser.add_argument(
        "--catalog", type=Path, help="your site's catalogue (default: the Hutch's queues)"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        entries = catalog.read(options.catalog) if options.catalog else catalog.shipped()
        with asking("reading the Batch queues"):
            found, told = queues.describe(
                clients.clients(clients.session(options.region)).batch, entries
            )
        terminal.say(*queues.table(terminal.shown(found)))
        if told:
            note(told)
        for policy in POLICIES:
            ladder = queues.automatic(
                found, policy, gpus=0, preemptible=True, where="--hutchbatch-queue"
            )
            default = " (default)" if policy == default_of("policy") else ""
            terminal.say(f"policy {policy}{default}: {', then '.join(ladder.rungs)}")
    except (catalog.CatalogError, queues.QueueError) as error:
        sentence, *more = str(error).split("\n")
        raise CommandError(sentence, more=more) from error
    return 0
