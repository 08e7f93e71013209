"""Whatever users set, a job's requests have sizes that AWS takes, or it is refused before."""

import dataclasses
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.planning import naming, sizes
from snakemake_executor_plugin_hutchbatch.planning.batch_requests import registration
from snakemake_executor_plugin_hutchbatch.planning.requirements import PlanError
from snakemake_executor_plugin_hutchbatch.planning.supervisor_bundle import (
    Bundle,
    container_command,
)
from snakemake_executor_plugin_hutchbatch.planning.work import TaskLocation
from snakemake_executor_plugin_hutchbatch.settings.values import Mount
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout
from snakemake_executor_plugin_hutchbatch.submission import job_definitions
from snakemake_executor_plugin_hutchbatch.submission.submit_job import environment, submit_request
from snakemake_executor_plugin_hutchbatch.supervisor import pinned, status_names
from snakemake_executor_plugin_hutchbatch.supervisor.s3_terms import Terms

RUN = "20261130-113000-abcdef"
TERMS = Terms(
    acl="bucket-owner-full-control",
    sse="aws:kms",
    sse_kms_key_id="arn:aws:kms:us-west-2:123456789012:key/" + "0" * 36,
)
SHORT = "s3://fh-pi-doe-j-eco/delete10/"
#: Everything that an environment variable can hold.
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"))
NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,30}\Z").filter(
    lambda name: not name.startswith(("AWS_BATCH", "HUTCHBATCH"))
)


def reserved(prefix, endpoint=None, terms=TERMS):
    return sizes.reserved(prefix, RUN, "us-gov-west-1", endpoint, terms.text())


def changed(**values):
    return dataclasses.replace(PLAN, **values)


def request(plan, prefix, endpoint=None):
    """The largest that a submission of this plan can become."""
    layout = WorkLayout(prefix)
    url = layout.run(RUN).private_task("n" * naming.MAX_NAME)
    place = TaskLocation(url, "0" * 64, 10**8, 9_999)
    bundle = Bundle(layout.supervisor("0" * 64))
    own = dataclasses.replace(plan, own_copies=True, vcpus=192, memory=10**7)
    variables = environment(own, place, bundle, "us-gov-west-1", endpoint, TERMS)
    assert pinned.task_url(variables) == url
    variables |= {"HUTCHBATCH_FENCE": "9" * 20, "HUTCHBATCH_TASK_INDEX": "9999"}
    variables[status_names.VARIABLE] = "9" * 9
    tags = {**plan.tags, naming.WILDCARDS_TAG: "w" * 256}
    definition = "arn:aws-us-gov:batch:us-gov-west-1:123456789012:job-definition/" + "d" * 128
    return submit_request(own, "n" * 128, definition + ":1000", variables, tags, 10_000)


def characters(plan, made):
    command = container_command(plan.aws_cli_path or "")
    return len(json.dumps(command)) + len(json.dumps(made["containerOverrides"]))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, TEXT, max_size=8), st.integers(0, 5))
@example({"LAB": "x" * 100_000, "NAME": "é" * 50}, 0)
@example({"TOO_LONG": "x" * 131_072}, 0)
@example({"QUOTES": '"\\' * 500}, 0)
def test_variables_of_any_size_reach_the_job_and_the_request_stays_small(variables, many):
    variables |= {f"MORE_{number}": "🧬" * 300 for number in range(many)}
    wanted = changed(environment=variables)
    try:
        plan = sizes.fitted(wanted, reserved(SHORT))
    except PlanError as error:
        assert "envvars:" in str(error)
        return
    made = request(plan, SHORT)
    assert characters(plan, made) <= 7500
    assert len(json.dumps(made)) <= 30 * 1024
    sent = {pair["name"]: pair["value"] for pair in made["containerOverrides"]["environment"]}
    travelling = {name: variables[name] for name in plan.in_task}
    assert travelling.keys().isdisjoint(sent)
    assert {**sent, **travelling}.items() >= variables.items()


def test_variables_that_fit_are_where_they_always_were():
    assert sizes.fitted(changed(environment={"LAB": "doe"}), reserved(SHORT)).in_task == ()


@pytest.mark.parametrize("many", [0, 50_000])
def test_the_value_of_a_secrets_variable_stays_on_the_users_machine(many):
    plan = changed(environment={"TOKEN": "hunter2", "LAB": "x" * many})
    found = sizes.fitted(plan, reserved(SHORT))
    assert set(found.environment) == {"LAB"}
    assert "TOKEN" not in found.in_task


def test_what_a_container_needs_at_its_start_is_not_moved():
    variables = {"https_proxy": "http://proxy:3128", "AWS_CA_BUNDLE": "/ca", "BIG": "x" * 3000}
    plan = sizes.fitted(changed(environment=variables), reserved(SHORT))
    assert plan.in_task == ("BIG",)
    with pytest.raises(PlanError, match=r"shorten NO_PROXY, or set it in the image"):
        sizes.fitted(changed(environment={"NO_PROXY": "x," * 3000}), reserved(SHORT))


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=400))
@example("scratch-delete-30/" + "long/" * 50)
@example("é" * 400)
@example("x" * 900)
def test_a_work_prefix_is_short_enough_or_refused(folder):
    prefix = f"s3://fh-pi-doe-j-eco/{folder}/"
    try:
        plan = sizes.fitted(PLAN, reserved(prefix))
    except PlanError as error:
        assert "--hutchbatch-work-prefix" in str(error)
        assert len(json.dumps(prefix)) > 300
        return
    assert characters(plan, request(plan, prefix)) <= 7500


def test_a_definition_that_aws_refuses_says_what_to_shorten():
    volumes = tuple(Mount(f"/lab/{number}", "/" + "x" * 200) for number in range(80))
    with pytest.raises(PlanError, match=r"AWS Batch takes 24,576: shorten hutchbatch_volumes"):
        sizes.fitted(changed(volumes=volumes), reserved(SHORT))
    arn = "arn:aws:ssm:us-west-2:1:parameter/" + "x" * 300
    secrets = {f"NAME_{number}": arn for number in range(60)}
    with pytest.raises(PlanError, match=r"shorten hutchbatch_secrets"):
        sizes.fitted(changed(secrets=secrets), reserved(SHORT))


def test_a_jobs_tags_are_counted_with_its_definitions():
    own = dict.fromkeys(("hutchbatch-run", "hutchbatch-rule", "hutchbatch-user"), "v")
    definitions = {*registration(PLAN)["tags"], job_definitions.MADE_ON}
    assert definitions == set(sizes.DEFINITION_TAGS)
    most = {f"k{number}": "v" for number in range(50 - len(own) - len(definitions) - 1)}
    assert sizes.fitted(changed(tags={**most, **own}), reserved(SHORT))
    with pytest.raises(PlanError, match=r"it has 51 tags .* remove 1 of hutchbatch_tags"):
        sizes.fitted(changed(tags={**most, **own, "more": ""}), reserved(SHORT))
    # Others may have tagged the definition since.
    assert sizes.tags_fit({*most, *own}, {*definitions, "aws:cloudformation:stack-name"})
    assert not sizes.tags_fit({*most, *own}, {*definitions, "cost-center"})
    long = {f"{'ä' * 120}{number}": "ü" * 256 for number in range(20)}
    with pytest.raises(PlanError, match=r"shorten hutchbatch_tags"):
        sizes.fitted(changed(tags=long), reserved(SHORT))
