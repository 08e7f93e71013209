"""``hutchbatch envs``: the conda environments in S3."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

from ...environments import ahead, stock
from ...environments.ahead import BuiltAhead
from ...environments.found import EnvironmentFailed, Stage
from ...environments.kept_locks import KeptLocks
from ...environments.stock import Stock, StockedEnvironment
from ...planning.conda_specs import CondaSpecs
from ...planning.requirements import PlanError
from ...software.conda import config, pins
from ...text import tables, terminal
from ...text.terminal import Line
from ...text.units import amount, clock, counted
from ..work_place import WorkPlace, add_place, opened
from . import plan
from .common import (
    FINE,
    WRONG,
    CommandError,
    Help,
    Subcommands,
    add_snakemake_arguments,
    asking,
    epilog,
    number,
)

#: Days that ``--prune`` keeps what nobody uses, unless it says another number.
KEEP_DAYS = 30.0


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "envs",
        help="show the conda environments in S3, build them ahead, or remove old ones",
        description=(
            "Shows the conda environments below your work prefix: each was built once, by a job\n"
            "of its own, and serves all runs there. --build builds those of a workflow ahead of\n"
            "its run. --export writes the packages of an environment's file as a pin file.\n"
            "--prune removes what no run has used for some time; a run that needs it builds it\n"
            "again."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch envs --profile profiles/hutch\n"
            "  hutchbatch envs --build -- --profile profiles/hutch\n"
            "  hutchbatch envs --export envs/align.yaml > envs/align.linux-64.pin.txt\n"
            "  hutchbatch envs --prune 60 --dry-run",
            "an environment cannot be had",
        ),
        formatter_class=Help,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--build", action="store_true", help="build the environments of the workflow here"
    )
    what.add_argument(
        "--export",
        metavar="ENVFILE",
        help="write the packages of this environment file, with their hashes, for conda and "
        "Snakemake (NAME.linux-64.pin.txt)",
    )
    what.add_argument(
        "--prune",
        nargs="?",
        type=number(1, 36500, "a number of days of at least 1"),
        const=KEEP_DAYS,
        metavar="DAYS",
        help="remove what no run has used for DAYS days (default: 30)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="with --prune: only show what would be removed"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    add_place(parser)
    add_snakemake_arguments(parser, "with --build: as you would give them to snakemake")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.build:
        return _build(options)
    place = opened(options)
    if options.export:
        return _export(place, options.export)
    with asking("listing the environments"):
        kept = Stock(place.s3, place.layout)
        found = kept.all()
        if options.prune is not None:
            return _prune(kept, found, options.prune, options.dry_run)
    if options.json:
        terminal.say_json([_plain(each) for each in found])
    else:
        terminal.say(*table(terminal.shown(found), place.layout.prefix))
    return FINE


def table(found: Sequence[StockedEnvironment], prefix: str) -> list[str]:
    """One line for each environment, and their sum."""
    if not found:
        return [f"There are no conda environments in {prefix}."]
    rows = [
        (
            ", ".join(each.names) or each.key,
            "-" if each.packages is None else f"{each.packages:,}",
            amount(each.size),
            clock(each.used)[:10] if each.whole else "never: it was not built to its end",
        )
        for each in found
    ]
    whole = sum(each.size for each in found)
    return [
        *tables.lines(rows, ("environment", "packages", "size in S3", "last used")),
        "",
        f"{counted(len(found), 'environment')}, {amount(whole)} in {prefix}.",
    ]


def _plain(each: StockedEnvironment) -> dict[str, object]:
    return {
        "key": each.key,
        "names": list(each.names),
        "packages": each.packages,
        "bytes": each.size,
        "used": each.used,
        "whole": each.whole,
    }


def _prune(kept: Stock, found: list[StockedEnvironment], days: float, dry_run: bool) -> int:
    old, others = stock.old(found, kept.others(), time.time(), days)
    for each in terminal.shown(old):
        verb = "would remove" if dry_run else "removing"
        terminal.say(f"{verb} {', '.join(each.names) or each.key} ({amount(each.size)})")
    if not dry_run:
        # Manifests first: what has none is not there.
        kept.remove([each.objects[0] for each in old])
        kept.remove([key for each in old for key in each.objects[1:]])
        kept.remove([each.key for each in others])
    size = sum(each.size for each in old) + sum(each.size for each in others)
    verb = "would be removed" if dry_run else "removed"
    terminal.say(
        f"{len(old)} of {counted(len(found), 'environment')} and "
        f"{counted(len(others), 'other object')} {verb}: "
        f"{amount(size)} that nobody has used for {days:g} days."
    )
    return FINE


def _export(place: WorkPlace, path: str) -> int:
    try:
        specs = CondaSpecs(config.read(os.environ), os.environ)
        spec = specs.on_disk(Path(path))
    except (PlanError, config.ConfigError) as error:
        raise CommandError(f"{error}.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    locks = KeptLocks(
        place.s3, place.layout.prefix, place.retrier, specs.config.proxies, terminal.note
    )
    with asking("reading the lock"):
        try:
            lock = locks.kept(spec) or locks.made(spec)
        except EnvironmentFailed as error:
            raise CommandError(f"{error}.") from None
    if lock is None:
        raise CommandError(
            f"The packages of {path} have not been chosen yet: run the workflow once, or install "
            'the extra conda: pip install "snakemake-executor-plugin-hutchbatch[conda]".'
        )
    terminal.say(*pins.explicit(lock).splitlines())
    if lock.pip:
        terminal.note("Its pip: packages cannot be pinned in this file: keep them in the .yaml.")
    return FINE


def _build(options: argparse.Namespace) -> int:
    found = built(plan.snakemake_arguments(options.arguments or []))
    if found is None:
        raise CommandError("Snakemake could not begin this workflow; its message is above.")
    if found.refusals:
        raise CommandError("\n".join(found.refusals))
    if options.json:
        terminal.say_json(
            [
                {"name": s.name, "key": s.key, "stage": s.stage.value, "sentence": s.sentence}
                for s in found.states
            ]
        )
    else:
        terminal.say(*summary(found))
    return FINE if all(state.stage is Stage.READY for state in found.states) else WRONG


def built(arguments: Sequence[str]) -> BuiltAhead | None:
    """What became of a workflow's environments; None if Snakemake did not get that far."""
    from snakemake.cli import main  # noqa: PLC0415  half a second that other commands need not

    found: list[BuiltAhead] = []
    with ahead.receiving(found.append), terminal.output_as_notes():
        try:
            main(list(arguments))
        except SystemExit as ended:
            if not found and ended.code in (None, 0):
                return BuiltAhead()
    return found[0] if found else None


def summary(found: BuiltAhead) -> list[Line]:
    if not found.states:
        return ["The jobs to be done need no conda environments."]
    ready = [state for state in found.states if state.stage is Stage.READY]
    built_ = sum(bool(state.job_id) for state in ready)
    return [
        f"{len(ready)} of {counted(len(found.states), 'environment')} ready, "
        f"{built_} built now ({amount(sum(state.size for state in ready))} when unpacked)."
    ]
