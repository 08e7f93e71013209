"""What SQLite sums up of a run's containers, against the rows of its trace."""

from dataclasses import replace

import pytest
import synthetic_runs

from snakemake_executor_plugin_hutchbatch.costs import containers
from snakemake_executor_plugin_hutchbatch.record import container_hours, run_record
from snakemake_executor_plugin_hutchbatch.record.journal import Journal
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.schema import Attempt
from snakemake_executor_plugin_hutchbatch.reporting import attempt_table, cost_of_run


@pytest.mark.parametrize("running", [False, True])
def test_they_cost_and_store_what_the_rows_of_the_trace_do(tmp_path, running):
    records = list(synthetic_runs.records(400, running=running))
    half = [
        # Half of the containers cannot find out what machine they are on.
        replace(each, instance_type=None) if isinstance(each, Attempt) and i % 2 else each
        for i, each in enumerate(records)
    ]
    journal = Journal(tmp_path / "journal.sqlite")
    journal.put(*half)
    assert journal.flush()
    journal.close()
    with Reader(journal.path) as reader:
        record = run_record.read(reader, run_record.choose(reader, None))
        until = container_hours.known_until(reader, record.run)
        hours = container_hours.of_run(reader, record.run, until)
        stored = container_hours.stored_bytes(reader, record.run)
    assert until == record.known_until
    rows = attempt_table.rows(record)
    market = cost_of_run.market(record)
    by_rows = cost_of_run.of(record).total
    by_hours = containers.of_hours(hours, market)
    assert by_rows.priced > 200
    for name in ("priced", "guessed", "capped", "asked", "unpriced"):
        assert getattr(by_hours, name) == getattr(by_rows, name), name
    assert by_hours.cost.high == pytest.approx(by_rows.cost.high)
    assert by_hours.cost.low == pytest.approx(by_rows.cost.low)
    assert by_hours.lost.high == pytest.approx(by_rows.lost.high)
    assert stored == sum(row.bytes_out or 0 for row in rows if row.state == "done") > 0
