"""What can be known to be wrong is said before anything is submitted, in one sentence."""

import pytest

SECRET = "arn:aws:secretsmanager:us-west-2:000000000000:secret:x"
ONE_RULE = """
    rule a:
        output: "a.txt"
        shell: "echo a > {output}"
"""


def _refused(workflow, *arguments, snakefile=ONE_RULE, **changes):
    workflow.write("Snakefile", snakefile)
    output = workflow.fail(*arguments, **changes)
    assert "Traceback" not in output
    assert workflow.submissions() == 0
    return " ".join(output.split())


@pytest.mark.parametrize(
    ("arguments", "changes", "sentence"),
    [
        (
            ["--hutchbatch-region", "us-wst-2"],
            {},
            "Did you mean --hutchbatch-region us-west-2?",
        ),
        ([], {"AWS_REGION": "mars-north-1"}, "AWS Batch is not available in region 'mars-north-1'"),
        (["--hutchbatch-queue", "mixd"], {}, "Did you mean --hutchbatch-queue mixed?"),
        (
            ["--default-storage-prefix", "hutchbatch/x"],
            {},
            "Error: --default-storage-prefix 'hutchbatch/x': write it as s3://hutchbatch/x.",
        ),
        (["--hutchbatch-secrets", f"TOKEN={SECRET}"], {}, "needs --hutchbatch-execution-role"),
        (
            [],
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            "No AWS credentials were found",
        ),
        ([], {"AWS_SECRET_ACCESS_KEY": "wrong"}, "credentials"),
        (["--hutchbatch-mode", "fast"], {}, "the mode is auto, direct or snakemake"),
    ],
)
def test_a_wrong_setting_is_answered_with_what_to_type(workflow, arguments, changes, sentence):
    assert sentence in _refused(workflow, *arguments, **changes)


def test_a_run_without_default_storage_says_how_to_name_it(workflow):
    workflow.write("Snakefile", ONE_RULE)
    command = workflow.command()
    at = command.index("--default-storage-provider")
    workflow.command = lambda *a: [*command[:at], *command[at + 4 :], *a]
    output = _refused(workflow)
    assert "add --default-storage-provider s3 --default-storage-prefix s3://" in output


def test_an_unreachable_bucket_is_not_mistaken_for_missing_inputs(workflow):
    output = _refused(
        workflow,
        *("--default-storage-prefix", "s3://no-such-bucket-here/x"),
        snakefile="""
        rule a:
            input: "raw.txt"
            output: "a.txt"
            shell: "cp {input} {output}"
        """,
    )
    assert "There is no bucket no-such-bucket-here" in output
    assert "Missing input" not in output


def test_nonsense_in_resources_of_several_rules_is_reported_at_once(workflow):
    output = _refused(
        workflow,
        snakefile="""
        rule all:
            input: "a.txt", "b.txt", "c.txt"
        rule a:
            output: "a.txt"
            resources: hutchbatch_shm_mb="plenty"
            shell: "echo > {output}"
        rule b:
            output: "b.txt"
            resources: hutchbatch_que="mixed"
            shell: "echo > {output}"
        rule c:
            output: "c.txt"
            container: "shub://some/thing"
            shell: "echo > {output}"
        """,
    )
    assert "Rule a: resource hutchbatch_shm_mb='plenty'" in output
    assert "Rule b: there is no resource hutchbatch_que" in output
    assert "Rule c: image 'shub://some/thing'" in output


def test_a_bucket_is_never_made_by_a_run(workflow):
    _refused(workflow, "--default-storage-prefix", "s3://not-made-by-us/x")
    names = [b["Name"] for b in workflow.client("s3").list_buckets()["Buckets"]]
    assert "not-made-by-us" not in names


def test_core_option_that_would_end_in_a_type_error_is_refused(workflow):
    assert "needs --preemptible-retries N" in _refused(workflow, "--preemptible-rules", "a")
