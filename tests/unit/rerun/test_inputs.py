"""Inputs that are gone, or newer than the job."""

import pytest

from snakemake_executor_plugin_hutchbatch.planning.snakemake_command import CONFIG
from snakemake_executor_plugin_hutchbatch.rerun.errors import RerunError
from snakemake_executor_plugin_hutchbatch.rerun.inputs import Found, check
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Input, Output, Step, TaskSpec

TASK = TaskSpec("x", "", (Step("x", "true", outputs=(Output("up", "s3://b/up", update=True),)),))


def found(path: str, changed: float | None) -> Found:
    return Found(Input(f"s3://b/{path}", path), changed)


def nobody(url: str) -> str | None:
    return None


def test_a_temporary_input_that_is_gone_names_who_made_it():
    with pytest.raises(RerunError) as error:
        check([found("in", 1.0), found("trim/A.fq", None)], TASK, 2.0, lambda url: "trim s=A")
    assert "1 input of this job is gone: trim/A.fq, made by trim s=A" in str(error.value)
    assert "snakemake --notemp trim/A.fq" in str(error.value)


def test_an_input_that_nobody_made_is_named_by_its_address():
    with pytest.raises(RerunError, match="2 inputs of this job are gone: s3://b/a, s3://b/c"):
        check([found("a", None), found("c", None)], TASK, 2.0, nobody)


def test_the_configuration_of_an_ended_run_is_asked_for():
    with pytest.raises(RerunError, match="--configfile FILE"):
        check([found(CONFIG, None)], TASK, 2.0, nobody)


def test_inputs_that_are_newer_than_the_job_are_named():
    warning = check([found("old", 90.0), found("new", 110.0)], TASK, 100.0, nobody)
    assert warning.startswith("This input has changed since the job ran: new.")
    assert check([found("new", 110.0)], TASK, None, nobody) is None
    # The job itself has written what it updates.
    assert check([found("up", 110.0)], TASK, 100.0, nobody) is None
