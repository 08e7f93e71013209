"""What a run cost, when it ends: AWS is asked for spot prices, which are recorded; then it is
summed up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from ..aws.clients import SpotPriceClient
from ..costs import sentences, spot_history
from ..record import run_record
from ..record.reader import Reader
from ..record.recorder import Recorder
from ..record.run_record import Record
from ..record.schema import Run, SpotPrice
from ..reporting import attempt_table, cost_of_run
from ..reporting.attempt_table import Row


def lines(
    recorder: Recorder,
    spot_prices: Callable[[], SpotPriceClient | None],
    clock: Callable[[], float] = time.time,
) -> list[str]:
    """The lines of the summary. Raises ``JournalError``; none where there is no record."""
    journal = recorder.journal
    if journal is None or not journal.flush():
        return []
    with Reader(journal.path) as reader:
        record = run_record.read(reader, run_record.choose(reader, recorder.run.run_id))
    now = clock()
    rows = attempt_table.rows(record)
    record = _with_spot_prices(record, rows, recorder, spot_prices, now)
    return list(summed_up(record, rows, now))


def most_so_far(recorder: Recorder, clock: Callable[[], float] = time.time) -> float | None:
    """The most that the run may have cost until now, USD, a detached one under all its controllers;
    without what has no known price. None where there is no record. Raises ``JournalError``."""
    journal, own = recorder.journal, recorder.run
    if journal is None:
        return None
    detached_id, _, fence = own.lease.rpartition("#")
    with Reader(journal.path) as reader:
        runs = [
            run
            for run in reader.rows(Run)
            if run.run_id == own.run_id or (fence and run.lease.startswith(f"{detached_id}#"))
        ]
        records = [run_record.read(reader, run) for run in runs]
    now = clock()
    until = [now if each.run.run_id == own.run_id else each.known_until for each in records]
    costs = map(cost_of_run.of, records, until)
    return sum(each.total.cost.high for each in costs)


def _with_spot_prices(
    record: Record,
    rows: Iterable[Row],
    recorder: Recorder,
    spot_prices: Callable[[], SpotPriceClient | None],
    now: float,
) -> Record:
    known = cost_of_run.market(record)
    types = {
        row.instance_type
        for row in rows
        if row.instance_type and known.is_spot(row.queue, row.capacity)
    }
    client = spot_prices() if types else None
    if client is None:
        return record
    found = spot_history.asked(client, types, record.run.started, now)
    recorder.spot_prices(found)
    run_id = record.run.run_id
    return replace(
        record, spot_prices=tuple(SpotPrice(run_id, each, *price) for each, price in found.items())
    )


def summed_up(record: Record, rows: Iterable[Row], now: float) -> Iterator[str]:
    """Pure."""
    market = cost_of_run.market(record)
    known = list(rows)
    total = cost_of_run.of_rows(known, market, record.run.started, now).total
    run = record.run
    if cost := sentences.of_run(total, market.on_demand.date, run.endpoint):
        yield cost
    stored = sum(row.bytes_out or 0 for row in known if row.state == "done")
    kind = run.settings.get("s3_storage_class") or "STANDARD"
    if not run.endpoint and (kept := sentences.of_storage(stored, run.region, kind)):
        yield kept
