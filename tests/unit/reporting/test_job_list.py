"""The jobs of a report's page."""

from snakemake_executor_plugin_hutchbatch.record.schema import Job
from snakemake_executor_plugin_hutchbatch.reporting import job_list
from snakemake_executor_plugin_hutchbatch.reporting.attempt_table import Row
from snakemake_executor_plugin_hutchbatch.reporting.job_list import Listed


def entry(command: str, most: int) -> object:
    job = Job("r", 1, "align", "align", 1, 1.0, command=command)
    row = Row(job=1, rule="align", label="align", wildcards={}, retry=1, mode="", image="")
    listed = Listed(job, (row,))
    return job_list.entry(listed, {"align": 0}, 0.0, 9.0, job_list.no_cost, most)["command"]


def test_a_page_has_the_whole_commands_of_few_jobs():
    assert job_list.room(10_000) == 2000  # as much as the record keeps
    assert entry("x" * 2000, job_list.room(10_000)) == "x" * 2000


def test_a_page_of_very_many_jobs_has_the_beginnings_of_their_commands():
    assert job_list.room(100_000) == 200
    assert job_list.room(10_000_000) == job_list.LEAST_COMMAND
    assert job_list.room(0) > 0
    assert entry("x" * 201, 200) == "x" * 200 + " …"
