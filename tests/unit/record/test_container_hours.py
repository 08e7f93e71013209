"""The hours of a run's containers, which SQLite sums up."""

from dataclasses import replace
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.record import container_hours, run_record
from snakemake_executor_plugin_hutchbatch.record.journal import Journal
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.run_record import Record
from snakemake_executor_plugin_hutchbatch.record.schema import (
    SINGLE,
    Attempt,
    Job,
    KnownQueue,
    Placement,
    Run,
    Submission,
)

RUN = Run("20260101-000000-jdoe", 1000.0, region="us-west-2")
ID = RUN.run_id
#: One job on a spot queue, whose container has not been described yet.
JOB = Job(ID, 1, "align", "align", 1, 1000.0, vcpus=2, memory=4096, state="sent")
SENT = Submission("a", ID, "spot", 1, 1001.0, submitted=1002.0, batch_id="b")
PLACE = Placement("a", SINGLE, ID, 1, 4096, "RUNNING", "b", running=2000.0)
QUEUE = KnownQueue(ID, "spot", 1, 50, "m5.xlarge")


def written(path: Path, *records: object) -> Path:
    journal = Journal(path / "journal.sqlite")
    journal.put(*records)
    assert journal.flush()
    journal.close()
    return journal.path


def kinds(path: Path, until: float = 5600.0) -> list[container_hours.ContainerHours]:
    with Reader(path) as reader:
        return container_hours.of_run(reader, run_record.choose(reader, None), until)


def test_a_container_that_batch_has_not_described_runs_from_when_it_was_seen(tmp_path):
    (kind,) = kinds(written(tmp_path, RUN, JOB, SENT, PLACE, QUEUE))
    assert (kind.rule, kind.queue, kind.vcpus, kind.memory_mib) == ("align", "spot", 2, 4096)
    assert (kind.count, kind.hours, kind.is_lost) == (1, 1.0, False)


def test_the_next_container_of_a_lost_one_counts_beside_it(tmp_path):
    lost = Attempt("b", 1, ID, 1100.0, 1820.0, cause="SPOT", instance_id="i-1")
    again = replace(PLACE, running=2000.0)
    known = replace(lost, attempt=2, run_id="other", batch_id="c", instance_type="m5.xlarge")
    found = kinds(written(tmp_path, RUN, JOB, SENT, again, lost, known))
    assert {(kind.is_lost, round(kind.hours, 6)) for kind in found} == {(True, 0.2), (False, 1.0)}


def test_what_ran_before_the_run_took_it_over_is_not_its_cost(tmp_path):
    before = Attempt("b", 1, "earlier", 400.0, 1360.0, exit_code=0)
    done = replace(PLACE, state="SUCCEEDED", running=400.0, ended=1360.0)
    (kind,) = kinds(written(tmp_path, RUN, replace(JOB, state="done"), SENT, done, before))
    assert kind.hours == pytest.approx(0.1)


def test_a_container_whose_end_nobody_saw_ran_until_its_jobs_end(tmp_path):
    unseen = Attempt("b", 1, ID, 2000.0)
    failed = replace(JOB, state="failed", cause="LOST", ended=3800.0)
    (kind,) = kinds(written(tmp_path, RUN, failed, SENT, replace(PLACE, state="LOST"), unseen))
    assert kind.hours == pytest.approx(0.5)


def test_a_run_without_containers_costs_nothing(tmp_path):
    path = written(tmp_path, RUN)
    assert kinds(path) == []
    with Reader(path) as reader:
        run = run_record.choose(reader, None)
        assert container_hours.stored_bytes(reader, run) == 0
        assert container_hours.known_until(reader, run) == Record(run).known_until == 1000.0
