"""``hutchbatch queues``: the account's queues and which one jobs would go to."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from ...aws import clients
from ...queues import account, catalog, choice
from ...queues.queue import Queue
from ...settings.table import default_of
from ...settings.values import POLICIES
from ...text import tables, terminal
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
            found, warning = account.describe(
                clients.clients(clients.session(options.region)).batch, entries
            )
        terminal.say(*table(terminal.shown(found)))
        if warning:
            note(warning)
        for policy in POLICIES:
            ladder = choice.automatic(
                found, policy, gpus=0, preemptible=True, where="--hutchbatch-queue"
            )
            default = " (default)" if policy == default_of("policy") else ""
            terminal.say(f"policy {policy}{default}: {', then '.join(ladder.rungs)}")
    except (catalog.CatalogError, choice.QueueError) as error:
        sentence, *more = str(error).split("\n")
        raise CommandError(sentence, more=more) from error
    return 0


def table(found: Mapping[str, Queue]) -> list[str]:
    """Queues by name, with what is known about each."""
    head = ("queue", "type", "bid %", "max vCPUs", "instance types", "state")
    return tables.lines([_row(found[name]) for name in sorted(found)], head)


def _row(queue: Queue) -> tuple[str, ...]:
    kind = {True: "spot", False: "on demand", None: "?"}[queue.spot]
    types = ", ".join(queue.instance_types[:4]) + (", …" if queue.instance_types[4:] else "")
    state = "accepts jobs" if queue.takes_jobs else f"not accepting jobs: {queue.why_not}"
    bid = str(queue.bid or "?") if queue.spot else "-"
    most = f"{queue.max_vcpus:,}" if queue.max_vcpus else "?"
    return queue.name, kind, bid, most, types or "?", state
