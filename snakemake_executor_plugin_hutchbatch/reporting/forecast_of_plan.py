"""What a planned run will cost, by the record of earlier runs in its folder."""

from __future__ import annotations

from collections.abc import Iterator

from ..costs import forecast, sentences
from ..costs.forecast import Forecast, Wanted
from ..costs.machine_prices import Market, QueueMachines
from ..costs.span import Span, shown
from ..planning.run_plan import RunPlan
from ..record import run_record
from ..record.reader import Reader
from ..record.schema import Run, SpotPrice
from ..text.units import counted
from . import attempt_table
from .attempt_table import Row

#: Earlier runs that are looked at, the newest first, until all rules are known.
MOST_RUNS = 10
#: Rules that are named.
SHOWN = 5


def of(plan: RunPlan, reader: Reader) -> Forecast:
    """Raises ``JournalError``."""
    wanted = [
        Wanted(rule.rule, rule.jobs, rule.queues[0], rule.vcpus, rule.memory_mib, rule.gpus)
        for rule in plan.rules
        if rule.runs in ("direct", "snakemake") and rule.queues and rule.vcpus and rule.memory_mib
    ]
    attempts = list(_attempts(reader, {each.rule for each in wanted}))
    return forecast.forecast(wanted, forecast.took(attempts), _market(plan, reader))


def _attempts(reader: Reader, rules: set[str]) -> Iterator[tuple[str, Row]]:
    """Those of the newest runs; of each rule, of the newest that had it done."""
    missing = set(rules)
    for run in reader.rows(Run, f"1 ORDER BY started DESC LIMIT {MOST_RUNS}"):
        if not missing:
            return
        rows = [
            row for row in attempt_table.rows(run_record.read(reader, run)) if row.rule in missing
        ]
        done = {row.rule for row in rows if row.state == "done"}
        missing -= done
        yield from ((run.run_id, row) for row in rows if row.rule in done)


def _market(plan: RunPlan, reader: Reader) -> Market:
    """With the spot prices that were last seen of each type."""
    queues = {q.name: QueueMachines(q.spot, q.bid, q.instance_types) for q in plan.queues}
    spot = {
        price.instance_type: Span(price.low, price.high)
        for price in reader.rows(SpotPrice, "1 ORDER BY run_id")  # which begins with the time
    }
    return Market(plan.region, queues, spot)


def sentence(found: Forecast) -> str:
    """In one line, of a forecast that knows any rule."""
    text = (
        f"Cost: {shown(found.cost)}, if jobs take as long as the last "
        f"{counted(found.jobs, 'job')} of the same rules here ({sentences.SHARES})."
    )
    if found.unknown:
        text += f" Not in it, because never run here: {_some(found.unknown)}."
    if found.unpriced:
        text += f" Without a known price: {_some(found.unpriced)}."
    return text


def _some(rules: tuple[str, ...]) -> str:
    more = len(rules) - SHOWN
    return ", ".join(rules[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
