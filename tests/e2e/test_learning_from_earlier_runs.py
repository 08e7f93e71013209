"""Jobs start at what earlier ones needed, and one that needs more gets it."""

import re

from snakemake_executor_plugin_hutchbatch.record.journal import PLACE
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.schema import Job

SNAKEFILE = """
    rule all:
        input: expand("{x}.txt", x=range(int(config["jobs"])))
    rule light:
        input: "in.txt"
        output: "{x}.txt"
        resources: mem_mb=3000
        shell: "sleep 0.5; echo {wildcards.x} > {output}"
"""


def test_jobs_start_at_what_earlier_ones_needed_and_grow_back_to_their_request(workflow):
    workflow.write("Snakefile", SNAKEFILE)
    workflow.write("in.txt", "ACGT")
    workflow.succeed("--config", "jobs=5")
    workflow.cloud.fault(kind="out_of_memory", times=1)
    learn = ("--hutchbatch-learn", "--hutchbatch-oom-memory-factor", "1.5")
    output = workflow.succeed("--config", "jobs=7", *learn)
    (start,) = re.findall(r"Jobs of light start at ([\d,]+) MB, not at the 3,000 MB", output)
    assert int(start.replace(",", "")) < 500
    assert "5 earlier jobs used at most" in output
    assert f"was killed for lack of memory with {start} MB and is being started again" in output
    assert "again with 3,000 MB" in output
    asked = [
        need["value"]
        for job_id in re.findall(r"AWS Batch (?:array )?job (\S+) on queue", output)
        for need in workflow.client("batch").describe_jobs(jobs=[job_id])["jobs"][0]["container"][
            "resourceRequirements"
        ]
        if need["type"] == "MEMORY"
    ]
    assert "2862" in asked
    # By these, too, later jobs may start.
    with Reader(workflow.folder / PLACE) as reader:
        assert {job.input_bytes for job in reader.rows(Job)} == {4}
