"""What a run cost, when it ends: AWS is asked for spot prices, which are recorded; then it is
summed up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from ..aws.clients import SpotPriceClient
from ..costs import containers, sentences, spot_history
from ..record import container_hours, run_record
from ..record.container_hours import ContainerHours
from ..record.reader import Reader
from ..record.recorder import Recorder
from ..record.run_record import Record
from ..record.schema import Run, SpotPrice
from ..reporting import cost_of_run


def lines(
    recorder: Recorder,
    spot_prices: Callable[[], SpotPriceClient | None],
    clock: Callable[[], float] = time.time,
) -> list[str]:
    """The lines of the summary. Raises ``JournalError``; none where there is no record."""
    journal = recorder.journal
    if journal is None or not journal.flush():
        return []
    now = clock()
    with Reader(journal.path) as reader:
        run = run_record.choose(reader, recorder.run.run_id)
        record = run_record.market(reader, run)
        hours = container_hours.of_run(reader, run, now)
        stored = container_hours.stored_bytes(reader, run)
    record = _with_spot_prices(record, hours, recorder, spot_prices, now)
    return list(summed_up(record, hours, stored))


def most_so_far(recorder: Recorder, clock: Callable[[], float] = time.time) -> float | None:
    """The most that the run may have cost until now, USD, a detached one under all its controllers;
    without what has no known price. None where there is no record. Raises ``JournalError``."""
    journal, own = recorder.journal, recorder.run
    if journal is None:
        return None
    detached_id, _, fence = own.lease.rpartition("#")
    most = 0.0
    with Reader(journal.path) as reader:
        for run in reader.rows(Run):
            if run.run_id == own.run_id:
                until = clock()
            elif fence and run.lease.startswith(f"{detached_id}#"):
                until = container_hours.known_until(reader, run)
            else:
                continue
            market = cost_of_run.market(run_record.market(reader, run))
            hours = container_hours.of_run(reader, run, until)
            most += containers.of_hours(hours, market).cost.high
    return most


def _with_spot_prices(
    record: Record,
    hours: Iterable[ContainerHours],
    recorder: Recorder,
    spot_prices: Callable[[], SpotPriceClient | None],
    now: float,
) -> Record:
    known = cost_of_run.market(record)
    types = {
        kind.instance_type
        for kind in hours
        if kind.instance_type and known.is_spot(kind.queue, kind.capacity)
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


def summed_up(record: Record, hours: Sequence[ContainerHours], stored: int) -> Iterator[str]:
    """``stored``: bytes that its jobs have stored. Pure."""
    market = cost_of_run.market(record)
    total = containers.of_hours(hours, market)
    run = record.run
    if cost := sentences.of_run(total, market.on_demand.date, run.endpoint):
        yield cost
    kind = run.settings.get("s3_storage_class") or "STANDARD"
    if not run.endpoint and (kept := sentences.of_storage(stored, run.region, kind)):
        yield kept
