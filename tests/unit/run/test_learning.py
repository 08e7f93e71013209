"""Memory learned from the record of earlier runs."""

from dataclasses import replace

import pytest
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.planning.memory_request import JobFacts
from snakemake_executor_plugin_hutchbatch.planning.plan import Budgets
from snakemake_executor_plugin_hutchbatch.record.journal import Journal
from snakemake_executor_plugin_hutchbatch.record.recorder import Recorder
from snakemake_executor_plugin_hutchbatch.record.schema import (
    SINGLE,
    Attempt,
    Job,
    Placement,
    Run,
)
from snakemake_executor_plugin_hutchbatch.run import learning
from snakemake_executor_plugin_hutchbatch.run.learning import Learning

MIB = 1 << 20
OF_RULE = JobFacts(code="code", input_bytes=100)
WANTED = replace(
    PLAN, rule="align", memory=16_000, attempt=1, budgets=Budgets(oom_memory_factor=1.5)
)


def earlier(number, used=1000, code="code", **attempt):
    batch_id = f"{code}-{number}"
    given = {"exit_code": 0, "used_memory": used * MIB, **attempt}
    return (
        Job("r0", number, "align", f"align {number}", 1, float(number), rule_code=code),
        Placement(batch_id, SINGLE, "r0", number, memory=16_000, batch_id=batch_id),
        Attempt(batch_id, 1, "r0", **given),
    )


@pytest.fixture
def record(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    yield Recorder(journal, Run("r1", 1.0))
    journal.close()


def learn(record, rows, plan=WANTED, facts=OF_RULE):
    said = []
    record.journal.put(*(row for each in rows for row in each))
    assert record.journal.flush()
    learned = Learning(record, said.append)
    found = [learned.start(plan, facts) for _ in range(3)]
    assert found[0] == found[1] == found[2]
    return found[0], said


def test_a_job_starts_at_what_earlier_ones_of_its_rule_needed(record):
    plan, said = learn(record, map(earlier, range(6)))
    assert 1250 <= plan.memory <= 1600
    assert plan.asked_memory == 16_000
    assert len(said) == 1, "once a rule"
    assert "Jobs of align start at" in said[0]


def test_other_code_teaches_nothing(record):
    plan, said = learn(record, (earlier(n, code="before") for n in range(6)))
    assert plan == WANTED
    assert not said


def test_lost_and_failed_jobs_teach_nothing(record):
    rows = [earlier(n, exit_code=1, cause="COMMAND") for n in range(3)]
    rows += [earlier(n, exit_code=None, cause="SPOT") for n in range(3, 9)]
    assert learn(record, rows)[0] == WANTED


def test_a_peak_near_the_limit_may_be_cached_files(record):
    full = [earlier(n, used_memory=None, peak_memory=15_900 * MIB) for n in range(6)]
    assert learn(record, full)[0] == WANTED


def test_killed_jobs_count_with_more_than_they_had():
    job, place, _ = earlier(1)
    killed = Attempt(place.batch_id, 1, "r0", exit_code=137, cause="OUT_OF_MEMORY")
    (sample,) = learning.samples([job], [replace(place, memory=900)], [killed])
    assert (sample.killed, sample.had) == (True, 900)


def test_only_with_the_memory_factor(record):
    plan = replace(WANTED, budgets=Budgets())
    found, said = learn(record, map(earlier, range(6)), plan)
    assert found == plan
    assert "--hutchbatch-oom-memory-factor" in said[0]


def test_not_for_commands_that_pass_their_memory_on_nor_for_repeated_jobs(record):
    rows = [earlier(n) for n in range(6)]
    assert learn(record, rows, facts=replace(OF_RULE, passes_on=True))[0] == WANTED
    again = replace(WANTED, attempt=2)
    assert learn(record, rows, again) == (again, [])


def test_it_is_off_where_nobody_asked_for_it():
    assert Learning(None, print).start(WANTED, OF_RULE) == WANTED
