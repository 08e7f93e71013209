"""Snakemake's retries by exit code."""

SNAKEFILE = """
    rule all:
        input: "listed.txt", "other.txt"
    rule listed:
        output: "listed.txt"
        retries: 2
        resources:
            mem_mb=lambda wildcards, attempt: 200 * attempt,
            hutchbatch_retry_exit_codes="75,100-110",
        shell: "[ {resources.mem_mb} != 200 ] || exit 104; echo {resources.mem_mb} > {output}"
    rule other:
        output: "other.txt"
        retries: 2
        resources: mem_mb=200
        shell: "exit 3"
"""


def test_a_job_is_tried_again_with_the_codes_of_its_rule_only(workflow):
    workflow.write("Snakefile", SNAKEFILE)
    output = workflow.fail("--keep-going", "--hutchbatch-retry-exit-codes", "100")
    assert workflow.text("listed.txt") == "400\n"
    assert workflow.submissions() == 3, "two of the first rule, one of the second"
    assert "because hutchbatch_retry_exit_codes is 100" in output
