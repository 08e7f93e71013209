"""Snakemake itself as a job in a real container, and its jobs in others."""

import pytest
import warm_start

from snakemake_executor_plugin_hutchbatch.planning import default_image

SNAKEFILE = """
    rule all:
        input: "end.txt"
    rule job:
        input: "in.txt"
        output: "job.txt"
        shell: "cat {input} > {output}; echo in a container >> {output}"
    rule end:
        input: "job.txt"
        output: "end.txt"
        localrule: True
        run:
            shell("cat {input} > {output}; echo $HUTCHBATCH_LEASE >> {output}")
"""


@pytest.mark.thorough
def test_a_run_is_submitted_and_made_in_containers(workflow, engine, images):
    # There is no registry here to have it from.
    assert engine.run("tag", images["python"], default_image.image()).returncode == 0
    workflow.write("Snakefile", SNAKEFILE)
    workflow.write("in.txt", "an input\n")
    given = ("--default-storage-provider", "s3", "--default-storage-prefix", workflow.prefix)
    done = warm_start.hutchbatch(
        *("submit", "--follow", "--", *given, "--seconds-between-status-checks", "1"),
        cwd=workflow.folder,
        env=workflow.environment(),
        timeout=240,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert workflow.text("end.txt").startswith("an input\nin a container\n/")
    assert "3 of 3 steps" in done.stdout
