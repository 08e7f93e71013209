"""Local rules that cannot run here are refused before anything is submitted."""

from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.io import flag

from snakemake_executor_plugin_hutchbatch.planning import launch, rule_checks


def checked(environment: object, conda: bool = True, base: str | None = None, **about: Any) -> Any:
    deployment = SimpleNamespace(conda_base_path=base, deployment_method=set())
    job: Any = SimpleNamespace(
        is_local=True,
        is_norun=False,
        is_group=lambda: False,
        rule=SimpleNamespace(name="fetch", is_handover=False, conda_env=environment),
        conda_env_spec=environment,
        container_img_url=None,
        input=[],
        output=[],
        dag=SimpleNamespace(workflow=SimpleNamespace(deployment_settings=deployment)),
    )
    vars(job).update(about)
    site: Any = SimpleNamespace(conda=object() if conda else None)
    return rule_checks.check(job, site, {})


@pytest.fixture
def programs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("BASH_FUNC_conda%%", raising=False)
    return tmp_path


def test_a_local_rule_with_an_environment_needs_conda_here(programs, monkeypatch):
    (said,) = rule_checks.refusals([checked("envs/a.yaml")])
    assert said.startswith("Rule fetch: it is a local rule: its conda: needs conda on this machine")
    fine = [
        checked(None),
        checked("envs/a.yaml", conda=False),  # without --sdm conda it is ignored
        checked("envs/a.yaml", is_norun=True),
        checked("envs/a.yaml", conda_env_spec=None),  # its function gives none for this job
        checked("envs/a.yaml", base="/opt/conda"),
    ]
    monkeypatch.setenv("BASH_FUNC_conda%%", "() { :; }")
    fine.append(checked("envs/a.yaml"))
    monkeypatch.delenv("BASH_FUNC_conda%%")
    (programs / "conda").write_text("#!/bin/sh\n")
    (programs / "conda").chmod(0o755)
    fine.append(checked("envs/a.yaml"))
    assert rule_checks.refusals(fine) == []


def test_what_a_local_rule_lacks_in_snakemakes_own_job_is_said_before_a_run_is_submitted(
    programs, monkeypatch
):
    monkeypatch.setenv("BASH_FUNC_conda%%", "() { :; }")  # here it would do
    with launch.receiving(lambda launched: None):
        (said,) = rule_checks.refusals([checked("envs/a.yaml")])
        assert said.startswith(
            "Rule fetch: it is a local rule, and the job in which Snakemake runs"
        )
        (said,) = rule_checks.refusals([checked(None, output=[flag("x", "local")])])
        assert "local()" in said
        assert rule_checks.refusals([checked(None), checked("envs/a.yaml", conda=False)]) == []
