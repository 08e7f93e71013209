"""``hutchbatch plan``: how a workflow would run; nothing is sent."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ...costs.forecast import Forecast
from ...planning import run_plan
from ...planning.run_plan import PlannedEnvironment, PlannedRule, RunPlan
from ...record.journal import PLACE, JournalError
from ...record.reader import Reader
from ...reporting import forecast_of_plan
from ...text import tables, terminal
from ...text.terminal import Line, Painted
from ...text.units import amount, counted, megabytes
from .common import (
    DRY,
    FINE,
    WRONG,
    CommandError,
    Help,
    Subcommands,
    add_snakemake_arguments,
    epilog,
    own_arguments,
)

#: Most names of shared inputs of a rule.
SHOWN = 5


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "plan",
        help="show how a workflow would run, without sending anything",
        description=(
            "Shows how a workflow would run: for each rule the number of jobs, how and in which\n"
            "image they run, the queues, vCPUs, memory and time, and whether they fit; what would\n"
            "be uploaded; hints; and what would be refused. Nothing is sent to AWS Batch.\n"
            "('snakemake -n' cannot do this: Snakemake starts no executor for a dry run.)"
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch plan -- --profile profiles/hutch\n"
            "  hutchbatch plan --json -- --profile profiles/hutch results/all.tsv",
            "the run would be refused",
        ),
        formatter_class=Help,
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    add_snakemake_arguments(parser, "as you would give them to snakemake")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    found, code = planned(snakemake_arguments(options.arguments or []))
    if found is None:
        if code == FINE:
            found = RunPlan(notes=("Nothing to be done: all files are there.",))
        else:
            raise CommandError("Snakemake could not plan this workflow; its message is above.")
    forecast = _forecast(found)
    if options.json:
        cost = {"low": forecast.cost.low, "high": forecast.cost.high} if forecast else None
        terminal.say_json({**found.as_json(), "cost_usd": cost}, indent=2)
    else:
        terminal.say(*lines(found, forecast))
    return WRONG if found.refusals else FINE


def snakemake_arguments(given: Sequence[str]) -> list[str]:
    """What Snakemake is started with: the user's own arguments override ours."""
    own = [each for each in own_arguments(given) if each not in DRY]
    # Last the one that takes no value: targets may follow.
    ours = ["--quiet", "host", "--executor", "hutchbatch", "--jobs", "100", "--nolock"]
    return [*ours, *own]


def planned(arguments: Sequence[str]) -> tuple[RunPlan | None, int]:
    """The plan and Snakemake's exit code; no plan if no executor was started."""
    from snakemake.cli import main  # noqa: PLC0415  half a second that other commands need not

    found: list[RunPlan] = []
    # Standard output is for the plan alone: a Snakefile may print, too.
    with run_plan.receiving(found.append), terminal.output_as_notes():
        try:
            main(list(arguments))
            code: object = FINE
        except SystemExit as ended:
            code = ended.code
    return (found[0] if found else None), FINE if code in (None, 0) else WRONG


def _forecast(found: RunPlan) -> Forecast | None:
    """By earlier runs of this folder; None where there are none, or none of these rules."""
    try:
        with Reader(Path(found.folder) / PLACE) as reader:
            forecast = forecast_of_plan.of(found, reader)
    except JournalError:
        return None
    return forecast if forecast.rules else None


def lines(found: RunPlan, forecast: Forecast | None = None) -> list[Line]:
    """The plan as text."""
    shown: list[Line] = []
    if found.rules:
        head = ("rule", "jobs", "runs", "image", "queue", "vCPUs", "memory MB", "time min")
        shown += tables.lines([_row(rule) for rule in found.rules], head)
        jobs = sum(rule.jobs for rule in found.rules if rule.runs != "here")
        here = sum(rule.jobs for rule in found.rules if rule.runs == "here")
        shown.append("")
        shown.append(
            f"{counted(jobs, 'job')} on AWS Batch"
            + (f", {here} here" if here else "")
            + f"; files are in {found.storage_prefix}."
        )
    if found.upload_files:
        each = [
            f"{rule.rule} {counted(rule.upload_files, 'file')} ({amount(rule.upload_bytes)})"
            for rule in found.rules
            if rule.upload_files
        ]
        shown.append(
            f"{counted(found.upload_files, 'file')} here ({amount(found.upload_bytes)}) would be "
            f"uploaded first: {', '.join(each)}."
        )
    shared = [f"{rule.rule} {_some(rule.shared)}" for rule in found.rules if rule.shared]
    if shared:
        shown.append(f"Fetched once a machine, for all jobs there: {'; '.join(shared)}.")
    if forecast:
        shown.append(forecast_of_plan.sentence(forecast))
    shown += [_environment(each) for each in found.environments]
    shown += [
        f"{rule.rule} runs under Snakemake: {rule.reason}."
        for rule in found.rules
        if rule.runs == "snakemake" and rule.reason
    ]
    if found.checkpoints:
        shown.append(
            f"There may be more jobs after {_and(found.checkpoints)} (checkpoint"
            f"{'s' if len(found.checkpoints) > 1 else ''})."
        )
    shown += found.notes
    shown += [(Painted("Hint: ", "yellow"), hint) for hint in found.hints]
    shown += [(Painted("Refused: ", "red"), refusal) for refusal in found.refusals]
    return shown


def _environment(each: PlannedEnvironment) -> str:
    about = [counted(each.packages, "package")] if each.packages else []
    about += [amount(each.size)] if each.size else []
    content = f" ({', '.join(about)})" if about else ""
    what = {
        "built": "is there",
        "to be built": "would be built once, by a job of its own",
        "to be solved": "would be solved, and built once by a job of its own",
    }[each.state]
    return f"Environment {each.name}{content} {what}."


def _row(rule: PlannedRule) -> tuple[str, ...]:
    if rule.runs == "here":
        return (rule.rule, str(rule.jobs), "here", "-", "-", "-", "-", "-")
    if rule.runs is None:
        how = "refused" if rule.refused else "known later"
        return (rule.rule, str(rule.jobs), how, "?", "?", "?", "?", "?")
    return (
        rule.rule,
        str(rule.jobs),
        "refused" if rule.refused else rule.runs,
        rule.image or "-",
        ", then ".join(rule.queues),
        _span(rule.vcpus) + (f" + {rule.gpus} GPU" if rule.gpus else ""),
        _span(rule.memory_mib and (megabytes(rule.memory_mib[0]), megabytes(rule.memory_mib[1]))),
        _time(rule.minutes),
    )


def _span(values: tuple[int, int] | None) -> str:
    if values is None:
        return "?"
    least, most = values
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _time(values: tuple[int | None, int | None] | None) -> str:
    least, most = values or (None, None)
    if least is None:
        return "no limit"
    return _span((least, most)) if most is not None else f"{least:,} to no limit"


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
