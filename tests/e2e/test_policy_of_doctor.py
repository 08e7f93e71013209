"""A whole run under exactly the policy that ``hutchbatch doctor`` prints, and what each part of it
is for: the local cloud evaluates it as IAM does, for users and for jobs."""

import pytest

from snakemake_executor_plugin_hutchbatch.doctor.permissions import (
    NEEDED,
    USEFUL,
    AccountContext,
    policy,
)

ROLE = "arn:aws:iam::000000000000:role/local-batchtask"
OBJECTS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket")
RULES = """
    rule all:
        input: "all.txt"
    rule a:
        output: "{x}.txt"
        shell: "echo {wildcards.x} > {output}"
    rule b:
        input: expand("{x}.txt", x=range(3))
        output: "all.txt"
        shell: "cat {input} > {output}"
    rule wrong:
        output: "wrong.txt"
        shell: "echo it went wrong; exit 3"
"""
#: Never called by a run without a waiting job, a Ctrl-C or a killed run before it.
ELSEWHERE = {
    "batch:GetJobQueueSnapshot",
    "batch:TerminateJob",
    "batch:CancelJob",
    "batch:ListJobs",
    "logs:FilterLogEvents",
    "servicequotas:GetServiceQuota",
}


@pytest.fixture
def only(workflow):
    """Gives user and jobs what doctor's policy has, apart from some actions."""
    context = AccountContext(
        "us-west-2", "000000000000", roles=(ROLE,), places=(f"{workflow.prefix}/",)
    )
    workflow.write("Snakefile", RULES)

    def give(actions):
        fault = workflow.cloud.fault
        fault(kind="only_allow", policy=policy([*actions, *OBJECTS], context), caller="user")
        for caller in ("role", "machine"):
            fault(kind="only_allow", policy=policy(OBJECTS, context), caller=caller)

    return give


def refused(workflow):
    return workflow.cloud.struck()["only_allow"]


def test_the_printed_policy_is_enough_for_a_run_and_each_of_its_actions_has_a_use(workflow, only):
    before = refused(workflow)
    asked = workflow.cloud.batch.service_faults.asked
    asked.clear()
    only([*NEEDED, *USEFUL])
    workflow.succeed("--container-image", "lab/policy:1")  # registered by no other test
    assert workflow.text("all.txt") == "0\n1\n2\n"
    output = workflow.fail("wrong.txt")
    assert "it went wrong" in output
    assert refused(workflow) == before
    used = asked["user"]
    assert used <= {*NEEDED, *USEFUL}
    assert {*NEEDED, *USEFUL} - used <= ELSEWHERE


def test_without_what_is_only_useful_a_run_still_succeeds(workflow, only):
    """Its jobs have their machine's role, so that no role must be passed to them."""
    only(NEEDED.keys() - {"iam:PassRole"})
    workflow.succeed(SNAKEMAKE_HUTCHBATCH_JOB_ROLE=None)
    assert workflow.text("all.txt") == "0\n1\n2\n"
    output = workflow.fail("wrong.txt", SNAKEMAKE_HUTCHBATCH_JOB_ROLE=None)
    assert "logs:GetLogEvents" in output  # what its job wrote cannot be shown


@pytest.mark.parametrize("role", ["job role", None])
def test_credentials_that_are_throttled_and_end_while_a_job_runs_are_asked_for_again(
    workflow, role
):
    faults = workflow.cloud.fault
    faults(kind="short_credentials", seconds_valid=3)
    faults(kind="throttle_credentials", calls=2)
    workflow.write(
        "Snakefile", 'rule a:\n    output: "a.txt"\n    shell: "sleep 5; echo a > {output}"\n'
    )
    changes = {} if role else {"SNAKEMAKE_HUTCHBATCH_JOB_ROLE": None}
    workflow.succeed(**changes)
    assert workflow.text("a.txt") == "a\n"


@pytest.mark.parametrize("action", ["iam:PassRole", "batch:TagResource"])
def test_what_is_needed_is_named_where_it_is_missing(workflow, only, action):
    only({*NEEDED, *USEFUL} - {action})
    new = f"lab/without-{action.replace(':', '-').lower()}:1"  # not registered yet
    assert action in workflow.fail("--container-image", new)
