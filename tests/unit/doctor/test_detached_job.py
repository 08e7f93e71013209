"""What a job that ran as Snakemake's own has found, as its doctor reports it."""

import json

import pytest

from snakemake_executor_plugin_hutchbatch.doctor import detached_job, permissions
from snakemake_executor_plugin_hutchbatch.doctor.detached_job import Answer

CONTEXT = permissions.AccountContext("us-west-2", "123456789012", roles=("arn:role",))
NEEDS = permissions.of_controller(CONTEXT)
ARN = "arn:aws:sts::123456789012:assumed-role/ecsInstanceRole/i-0123"


def stored(**changes):
    found = {"arn": ARN, "tried": list(NEEDS), "refused": [], "definition": "", "lease": ""}
    return json.dumps({**found, **changes})


def test_people_s_own_permissions_and_unused_roles_are_not_needed():
    assert "logs:FilterLogEvents" not in NEEDS
    assert "iam:PassRole" in NEEDS
    without = permissions.AccountContext("us-west-2", "123456789012")
    assert NEEDS.keys() - permissions.of_controller(without).keys() == {"iam:PassRole"}
    assert {*NEEDS} <= {*permissions.NEEDED, *permissions.USEFUL}


def test_each_missing_permission_is_named_with_its_consequence():
    found = detached_job.answer(stored(refused=["batch:SubmitJob", "logs:GetLogEvents"]), NEEDS)
    submit, logs = detached_job.findings(found, NEEDS, "default")
    assert (submit.level, logs.level) == ("problem", "warning")
    assert "The role ecsInstanceRole of Snakemake's job does not have batch:Sub" in submit.sentence
    assert "(no job can be submitted)" in submit.sentence
    assert logs.role_missing == (("logs:GetLogEvents", ""),)


def test_without_conditional_writes_there_is_no_lease():
    found = detached_job.answer(stored(lease="S3 answers 501."), NEEDS)
    (lease,) = detached_job.findings(found, NEEDS, "default")
    assert lease.level == "problem"
    assert "S3 answers 501" in lease.sentence
    (fine,) = detached_job.findings(detached_job.answer(stored(), NEEDS), NEEDS, "default")
    assert fine.level == "ok"
    assert f"all {len(NEEDS)} permissions" in fine.sentence


@pytest.mark.parametrize(
    "text", ["", "[]", stored(refused="all"), stored(arn=1), stored(tried=None), "{", "[" * 100_000]
)
def test_what_is_no_answer_counts_for_none(text):
    assert detached_job.answer(text, NEEDS) is None


def test_only_actions_that_were_asked_about_count():
    found = detached_job.answer(stored(refused=["x" * 9, "batch:ListJobs", 7]), NEEDS)
    assert found == Answer(ARN, tuple(NEEDS), ("batch:ListJobs",), "", "")
