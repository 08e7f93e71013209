"""What a report says of a run besides its charts and its jobs. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from ..record.schema import Run
from ..settings.setting import option_name
from ..text.units import amount, count, duration, hours, money
from . import statistics
from .after_the_end import STOPPED
from .attempt_table import Row
from .job_list import Listed
from .statistics import Prices, Totals, Use

#: How many similar failures, and kinds of failures, are shown.
MOST_SHOWN = 5
KINDS = 40


@dataclass(frozen=True)
class Tile:
    name: str
    value: str
    more: str = ""
    kind: str = ""


@dataclass(frozen=True)
class FailureGroup:
    """Failed jobs of one rule with one cause; ``jobs``: the first few, with their numbers in the
    list of all."""

    rule: str
    cause: str
    count: int
    jobs: tuple[tuple[int, Listed], ...]


@dataclass(frozen=True)
class Place:
    """Containers of one queue on one type of machine."""

    queue: str
    machine: str
    capacity: str
    all: Use
    lost: Use


def title(run: Run) -> str:
    return PurePath(run.folder).name or run.run_id


def outcome(run: Run, gone: bool) -> Mapping[str, str]:
    if run.outcome == "done":
        return {"kind": "done", "text": "done"}
    if run.outcome or gone:
        return {"kind": "failed", "text": run.outcome or "Snakemake is gone"}
    return {"kind": "open", "text": "running"}


def tiles(
    run: Run,
    sums: Totals,
    staged: tuple[int, int],
    prices: Prices,
    cost_of_aws: tuple[str, str, str] | None = None,
    gone: bool = False,
) -> list[Tile]:
    """``staged``: bytes fetched from S3, and stored there; ``cost_of_aws``: by AWS's prices, where
    the user has given none; ``gone``: the run's Snakemake has ended unexpectedly."""
    failed = sums.states.get("failed", 0) + sums.states.get("lost", 0) + run.failed_here
    done, ended = sums.states.get("done", 0) + run.done_here, sums.states.get(STOPPED, 0)
    jobs = max(run.wanted or 0, sums.jobs + run.done_here + run.failed_here)
    live = sums.states.get("waiting", 0) + sums.states.get("running", 0)
    others = jobs - done - failed - ended
    more = [(ended, "ended"), (others, "open")]
    if gone or run.ended is not None:
        more = [(ended, "ended"), (live, "open"), (others - live, "not started")]
    found = [
        Tile(
            "jobs done",
            count(done),
            ", ".join([f"of {count(jobs)}", *(f"{count(n)} {what}" for n, what in more if n > 0)]),
        ),
        Tile("jobs failed", count(failed), "", "bad" if failed else ""),
        Tile(
            "wait for a machine",
            "not known" if sums.waited is None else duration(sums.waited),
            "" if sums.waited is None else "median of all containers",
        ),
        Tile(
            "vCPU-hours",
            hours(sums.use.vcpu_hours),
            f"{hours(sums.use.gib_hours)} GiB-hours of memory",
        ),
        Tile(
            "lost to spot",
            f"{hours(sums.spot.hours)} h",
            f"{count(sums.spot.attempts)} of {count(sums.use.attempts)} containers",
            "warn" if sums.spot.attempts else "",
        ),
        Tile("fetched from S3", amount(staged[0]), f"{amount(staged[1])} stored"),
    ]
    cost = prices.cost(sums.use.vcpu_hours, sums.use.gib_hours)
    if cost is not None:
        parts = [
            f"{price:g} a {unit}-hour"
            for price, unit in ((prices.vcpu_hour, "vCPU"), (prices.gib_hour, "GiB"))
            if price is not None
        ]
        found.append(Tile("cost at your prices", money(cost), ", ".join(parts)))
    elif cost_of_aws is not None:
        found.append(Tile("cost", cost_of_aws[0], cost_of_aws[1]))
    return found


def failures(jobs: Sequence[Listed]) -> list[FailureGroup]:
    """The most frequent first."""
    found: dict[tuple[str, str, int | None], list[tuple[int, Listed]]] = defaultdict(list)
    for number, each in enumerate(jobs):
        if each.job.state == "failed":
            last = each.last
            key = last.rule, last.cause or each.job.cause or "FAILED", last.exit_code
            found[key].append((number, each))
    return [
        FailureGroup(rule, cause, len(mine), tuple(mine[:MOST_SHOWN]))
        for (rule, cause, _), mine in sorted(found.items(), key=lambda item: -len(item[1]))[:KINDS]
    ]


def places(rows: Iterable[Row]) -> list[Place]:
    found: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.started is not None:
            kind = row.instance_type or "not known"
            found[row.queue or "not known", kind, row.capacity or ""].append(row)
    return [
        Place(*key, statistics.use(mine), statistics.use(r for r in mine if r.state == "lost"))
        for key, mine in sorted(found.items())
    ]


def about(run: Run) -> dict[str, str]:
    """What was run, where and by which code; what is not known is left out."""
    commit, changed, _ = run.git_commit.partition("-dirty")
    known = {
        "command": run.command,
        "git commit": f"{commit} and changes that are not committed" if changed else commit,
        "folder": run.folder,
        "Snakefile": run.snakefile,
        "machine": run.host,
        "region": run.region,
        "storage prefix": run.storage_prefix,
        "work prefix": run.work_prefix,
        "log group": run.log_group,
    }
    return {name: text for name, text in known.items() if text}


def configuration(run: Run) -> dict[str, str]:
    """hutchbatch's settings of the run, by their options."""
    return {option_name(name): str(value) for name, value in run.settings.items() if value}


def versions(run: Run) -> dict[str, str]:
    return {name: str(text) for name, text in run.versions.items() if text}
