"""A whole run under exactly the policy that ``hutchbatch doctor`` prints, and what each part of it
is for: the local cloud evaluates it as IAM does, for users and for jobs."""

import json

import pytest
import warm_start

from snakemake_executor_plugin_hutchbatch.doctor.permissions import (
    NEEDED,
    USEFUL,
    AccountContext,
    of_controller,
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


def hutchbatch(workflow, *arguments, code=0):
    given = ("--default-storage-provider", "s3", "--default-storage-prefix", workflow.prefix)
    done = warm_start.hutchbatch(
        *arguments,
        *("--", *given, "--seconds-between-status-checks", "1"),
        cwd=workflow.folder,
        env=workflow.environment(),
        timeout=400,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == code
    return done.stdout


@pytest.fixture
def role_only(workflow):
    """Gives jobs what a policy has, beside their objects."""
    objects = policy(OBJECTS, AccountContext("us-west-2", "0", places=(f"{workflow.prefix}/",)))

    def give(*policies):
        workflow.cloud.reset()
        for each in (objects, *policies):
            workflow.cloud.fault(kind="only_allow", policy=each, caller="role")

    return give


def test_what_the_role_of_a_submitted_run_lacks_is_tried_and_named_and_the_policy_gives_it(
    workflow, role_only
):
    role_only()
    found = json.loads(hutchbatch(workflow, "doctor", "--detached", "--json", code=1))
    lacks = [f for f in found["findings"] if f["subject"] == "detached"]
    levels = {f["role_missing"][0][0]: f["level"] for f in lacks}
    needs = of_controller(AccountContext("us-west-2", "0", roles=(ROLE,)))
    # The local cloud has no quotas. A definition without RegisterJobDefinition is not registered.
    tried = needs.keys() - {"servicequotas:GetServiceQuota", "iam:PassRole"}
    assert levels == {a: "problem" if a in NEEDED else "warning" for a in tried}
    for each in lacks:
        assert needs[each["role_missing"][0][0]] in each["sentence"]
    assert found["policy"] is None  # the user's own
    printed = found["needed for submit"]
    assert printed["actions"].keys() == needs.keys()
    without = [s for s in printed["policy"]["Statement"] if s["Action"] != ["iam:PassRole"]]
    role_only({**printed["policy"], "Statement": without})
    found = json.loads(hutchbatch(workflow, "doctor", "--detached", "--json", code=1))
    (lack,) = (f for f in found["findings"] if f["subject"] == "detached")
    assert lack["role_missing"] == [["iam:PassRole", ""]]
    definitions = workflow.client("batch").describe_job_definitions(status="ACTIVE")
    names = [each["jobDefinitionName"] for each in definitions["jobDefinitions"]]
    assert not [name for name in names if "doctor" in name]


@pytest.mark.thorough
def test_a_submitted_run_needs_what_doctor_prints_and_nothing_more(workflow, role_only):
    context = AccountContext("us-west-2", "000000000000", roles=(ROLE,))
    needs = of_controller(context)
    asked = workflow.cloud.batch.service_faults.asked
    workflow.write("Snakefile", RULES)
    role_only(policy(needs, context))
    asked.clear()
    before = refused(workflow)
    hutchbatch(workflow, "submit", "--wait")
    assert workflow.text("all.txt") == "0\n1\n2\n"
    hutchbatch(workflow, "doctor", "--detached")
    assert refused(workflow) == before
    assert asked["role"] - {*OBJECTS} <= needs.keys()
