"""What a run cost so far, from its record. Pure."""

from __future__ import annotations

from ..costs import containers
from ..costs.containers import RunCost
from ..costs.machine_prices import Market, QueueMachines
from ..costs.span import Span
from ..record.run_record import Record
from . import attempt_table


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
    rows = attempt_table.rows(record)
    known = record.known_until if until is None else until
    return containers.so_far(rows, market(record), record.run.started, known)
