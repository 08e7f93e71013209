"""What is said about a run's environments."""

from dataclasses import replace

from snakemake_executor_plugin_hutchbatch.record.schema import Environment
from snakemake_executor_plugin_hutchbatch.reporting.environments import summary, waits

BUILDING = Environment(
    "r",
    "d",
    "envs/a.yaml",
    stage="building",
    packages=57,
    size=410_000_000,
    queue="cpu-spot-50",
    batch_id="job-1",
    ours=1,
    held=12,
    began=100.0,
)
READY = replace(BUILDING, stage="ready", held=0, ended=220.0)


def test_jobs_that_wait_have_a_sentence_for_each_environment():
    assert waits([BUILDING, READY, replace(BUILDING, held=0)]) == [
        "12 jobs wait for the conda environment envs/a.yaml (57 packages, 410 MB), which is being "
        "built: AWS Batch job job-1 on queue cpu-spot-50."
    ]
    (other,) = waits([replace(BUILDING, ours=0, held=1)])
    assert "1 job waits" in other
    assert "another run is building: AWS Batch job job-1" in other
    assert "is being solved" in waits([replace(BUILDING, stage="locking")])[0]


def test_the_report_counts_builds():
    there = replace(READY, batch_id="")
    failed = replace(READY, stage="failed")
    assert summary([]) == ""
    assert summary([READY, there, there, failed, BUILDING]) == (
        "5 conda environments: 1 built during this run, in 2 min altogether; 2 were there already; "
        "1 could not be had; 1 not there yet."
    )
