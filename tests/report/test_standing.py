"""What ``status`` and ``cancel`` read of a record, against all of it."""

from dataclasses import replace

import pytest
import synthetic_runs

from snakemake_executor_plugin_hutchbatch.record import run_record
from snakemake_executor_plugin_hutchbatch.record.journal import Journal
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.schema import Job
from snakemake_executor_plugin_hutchbatch.reporting import cancel_targets, status_now


@pytest.mark.parametrize("running", [False, True])
def test_it_says_the_same_as_all_of_the_record(tmp_path, running):
    journal = Journal(tmp_path / "journal.sqlite")
    records = list(synthetic_runs.records(200, running=running))
    # Groups count their members, and an earlier attempt of Snakemake's is not counted.
    first = next(each for each in records if isinstance(each, Job))
    journal.put(*records, replace(first, members="a\nb"))
    journal.put(replace(first, number=9999, attempt=2, state="failed", cause="COMMAND"))
    assert journal.flush()
    journal.close()
    with Reader(journal.path) as reader:
        run = run_record.choose(reader, None)
        some, every = run_record.standing(reader, run), run_record.read(reader, run)
    for gone in (False, True):
        seen = status_now.of_record(some, gone, run.beat)
        assert seen == status_now.of_record(every, gone, run.beat)
    assert seen.total.lost
    assert seen.total.again
    assert seen.queues
    assert cancel_targets.find(some) == cancel_targets.find(every)
    assert some.known_until == every.known_until
    assert not any(job.command or job.outputs for job in some.jobs)
