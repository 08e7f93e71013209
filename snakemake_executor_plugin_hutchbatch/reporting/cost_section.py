"""Costs as a report shows them: of jobs, of rules, of the run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..costs import sentences
from ..costs.containers import Meter, RunCost, Sum, machines_of
from ..costs.span import LEAST, dollars, shown
from ..record.run_record import Record
from ..text.units import money
from . import cost_of_run, job_list
from .attempt_table import Row
from .job_list import CostOf
from .statistics import Prices, Rule

#: Where there is nothing to show.
NOTHING = "\u2013"


@dataclass(frozen=True)
class Costs:
    """``currency`` of the amounts, empty for that of the user's prices, None where there are none;
    ``of_row``: what an attempt cost; ``rules``: by rule, as text; ``total``: the amount, what of it
    was lost, and the whole sentence; ``most``: of the amount, as a number."""

    currency: str | None = None
    of_row: CostOf = job_list.no_cost
    rules: Mapping[str, str] = field(default_factory=dict)
    total: tuple[str, str, str] | None = None
    most: float | None = None


def of(record: Record, rows: Sequence[Row], rules: Sequence[Rule], prices: Prices) -> Costs:
    """By the user's prices, else by those of AWS. Nothing for a run that was not on AWS."""
    if prices.cost(0, 0) is not None:
        return _by(prices, rules)
    if record.run.endpoint:
        return Costs()
    market = cost_of_run.market(record)
    since, until = record.run.started, record.known_until
    found = cost_of_run.of_rows(rows, market, since, until)
    if not found.total.priced:
        return Costs()
    meter = Meter(market, machines_of(rows))

    def of_row(row: Row) -> tuple[float, float] | None:
        cost = meter.of(row, since, until)
        return (cost.cost.low, cost.cost.high) if cost.priced else None

    return Costs(
        "$",
        of_row,
        {name: _text(each) for name, each in found.rules.items()},
        _total(found, market.on_demand.date),
        found.total.cost.high,
    )


def _by(prices: Prices, rules: Sequence[Rule]) -> Costs:
    most = prices.cost(sum(r.vcpu_hours for r in rules), sum(r.gib_hours for r in rules))
    return Costs("", _at(prices), {r.name: _text_at(prices, r) for r in rules}, most=most)


def _total(found: RunCost, price_date: str) -> tuple[str, str, str]:
    total = found.total
    lost = sentences.lost(total.lost).removeprefix(", of it ")
    return (
        shown(total.cost).replace("about ", ""),
        lost or "estimated",
        sentences.of_run(total, price_date) or "",
    )


def _text(found: Sum) -> str:
    """``$3.10 to $4.40``, ``up to $4.40``; what is not priced is marked."""
    if not found.priced:
        return NOTHING if not found.unpriced else "not known"
    low, high = dollars(found.cost.low), dollars(found.cost.high)
    text = high if low == high else f"{low} to {high}"
    if found.cost.low < LEAST / 2 <= found.cost.high:
        text = f"up to {high}"
    return f"{text} and more" if found.unpriced else text


def _at(prices: Prices) -> CostOf:
    def cost_of(row: Row) -> tuple[float, float] | None:
        found = prices.cost(row.vcpu_hours or 0.0, row.gib_hours or 0.0)
        return None if found is None or row.total_s is None else (found, found)

    return cost_of


def _text_at(prices: Prices, rule: Rule) -> str:
    cost = prices.cost(rule.vcpu_hours, rule.gib_hours)
    return NOTHING if cost is None else money(cost)
