"""Which variables a Snakefile sets, and what of them a container gets."""

import pytest

from snakemake_executor_plugin_hutchbatch.planning.workflow_variables import changed
from snakemake_executor_plugin_hutchbatch.supervisor.environment import OWN, step_environment
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Step, TaskSpec

BEFORE = {"PATH": "/home/jane/bin:/usr/bin", "LANG": "C", "EMPTY": "", "MYPATH": ""}


def test_what_was_set_or_changed_counts_and_nothing_else():
    now = {**BEFORE, "LANG": "C.UTF-8", "NEW": "1"}
    assert changed(BEFORE, now) == {"LANG": "C.UTF-8", "NEW": "1"}
    assert changed(BEFORE, {}) == {}


@pytest.mark.parametrize(
    ("now", "sent"),
    [
        ("/flow/bin:/home/jane/bin:/usr/bin", f"/flow/bin:{OWN}"),
        ("/home/jane/bin:/usr/bin:/flow/bin", f"{OWN}:/flow/bin"),
        ("/flow/bin", "/flow/bin"),
        ("/x/home/jane/bin:/usr/bin", "/x/home/jane/bin:/usr/bin"),
    ],
)
def test_of_a_longer_path_only_what_was_added_is_sent(now, sent):
    assert changed(BEFORE, {"PATH": now}) == {"PATH": sent}


def test_a_path_that_was_empty_is_sent_as_it_is():
    assert changed(BEFORE, {"MYPATH": "/flow/lib:"}) == {"MYPATH": "/flow/lib:"}


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "SNAKEMAKE_PROFILE", "HOME", "TMPDIR"])
def test_what_is_the_machines_or_a_credential_is_not_sent(name):
    assert changed(BEFORE, {name: "x"}) == {}


def test_in_the_container_its_own_value_takes_the_place_of_this_machines():
    step = Step("a", "true", environment={"PATH": f"/WORK/bin:{OWN}", "NEW_PATH": f"{OWN}:/x"})
    task = TaskSpec("a", "s3://b/status/", (step,), workdir_token="/WORK")
    made = step_environment({"PATH": "/opt/conda/bin:/bin"}, task, step, "/tmp/t", "/tmp/w")
    assert made["PATH"] == "/tmp/w/bin:/opt/conda/bin:/bin"
    assert made["NEW_PATH"] == ":/x"
