"""``hutchbatch queues``: the account's queues and which one jobs would go to."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from ...aws import clients
from ...doctor import snakemake_settings
from ...doctor.snakemake_settings import SettingsError
from ...planning import assumed_site, run_settings
from ...planning.run_settings import PreflightError
from ...queues import account, choice
from ...queues.queue import Queue
from ...settings.setting import option_name
from ...settings.table import default_of
from ...settings.values import POLICIES
from ...text import tables, terminal
from ...text.terminal import note
from .common import CommandError, Help, Subcommands, add_region, asking, epilog

#: A job that could go to every queue.
_ANY = choice.Needs(share="any", on_arm=True)


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "queues",
        help="show the queues of AWS Batch and where jobs would go",
        description=(
            "Shows the queues of your account as AWS reports them now: spot or on demand, the\n"
            "bid, how many vCPUs may be in use at a time, and whether they accept jobs."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch queues --profile profiles/hutch\n"
            "  hutchbatch queues --site hutch-lab --region us-west-2"
        ),
        formatter_class=Help,
    )
    parser.add_argument("--profile", metavar="FOLDER", help="profile with your settings")
    add_region(parser)
    parser.add_argument(
        "--site",
        metavar="NAME|FILE",
        help="site to complete AWS's answer, as --hutchbatch-site",
    )
    parser.add_argument(
        "--catalog", metavar="FILE", help="catalogue for the same, as --hutchbatch-queue-catalog"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    given = {"region": options.region, "site": options.site, "queue_catalog": options.catalog}
    texts = [text for name, value in given.items() if value for text in (option_name(name), value)]
    try:
        settings = snakemake_settings.read(options.profile, texts).settings
        entries = run_settings.read_catalog(settings)
        with asking("reading the Batch queues"):
            batch = clients.clients(clients.session(settings.value("region"))).batch
            found, warning = account.describe(batch, entries)
        found, assumed = assumed_site.take(settings, found, lambda _: assumed_site.look(batch))
        terminal.say(*table(terminal.shown(found)))
        if warning:
            note(warning)
        if assumed and assumed.sentence:
            note(assumed.sentence)
        where = "--hutchbatch-queue"
        if wanted := settings.value("queue"):
            trust = not any(queue.arn for queue in found.values())
            ladder = choice.named(wanted, found, where, trust=trust, needs=_ANY)
            terminal.say(f"jobs go to: {', then '.join(ladder.rungs)} ({ladder.why}); without that")
        for policy in POLICIES:
            ladder = choice.automatic(
                found, policy, gpus=0, preemptible=True, where=where, needs=_ANY
            )
            default = " (default)" if policy == default_of("policy") else ""
            terminal.say(f"policy {policy}{default}: {', then '.join(ladder.rungs)}")
    except (SettingsError, PreflightError, choice.QueueError) as error:
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
    if queue.takes_jobs and queue.fair_share:
        state += " with a share identifier"
    bid = str(queue.bid or "?") if queue.spot else "-"
    most = f"{queue.max_vcpus:,}" if queue.max_vcpus else "?"
    return queue.name, kind, bid, most, types or "?", state
