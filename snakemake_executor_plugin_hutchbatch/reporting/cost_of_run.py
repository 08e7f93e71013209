"""What a run cost so far, from its record. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..costs import containers
from ..costs.containers import RunCost
from ..costs.machine_prices import Market, QueueMachines
from ..costs.span import Span
from ..record.run_record import Record
from . import attempt_table
from .attempt_table import Row


def market(record: Record) -> Market:
    """What the machines of a run cost."""
    return Market(
        record.run.region,
        {
            each.name: QueueMachines(
                None if each.spot is None else bool(each.spot),
                each.bid,
                tuple(each.instance_types.split()),
            )
            for each in record.queues
        },
        {each.instance_type: Span(each.low, each.high) for each in record.spot_prices},
    )


def of(record: Record, until: float | None = None) -> RunCost:
    """``until``: the time up to which jobs that run are counted, seconds since 1970; None: when the
    record was last written. The most that the run can have cost is ``.total.cost.high``, without
    what ``.total.unpriced`` counts."""
    known = record.known_until if until is None else until
    return of_rows(attempt_table.rows(record), market(record), record.run.started, known)


def of_rows(rows: Iterable[Row], market: Market, since: float, until: float) -> RunCost:
    """The same of the rows of a run that began at ``since``."""
    return containers.so_far(rows, market, since, until)
