"""Local rules that cannot run here are refused before anything is submitted."""

from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.io import flag

from snakemake_executor_plugin_hutchbatch.aws import lease_gate
from snakemake_executor_plugin_hutchbatch.planning import launch, rule_checks
from snakemake_executor_plugin_hutchbatch.planning.detached_rules import SentRules


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
    programs,
):
    in_container = checked(None, container_img_url="docker://lab/tool:1")
    with launch.receiving(lambda launched: None):
        workflow = in_container.job.dag.workflow
        workflow.deployment_settings.deployment_method = [SimpleNamespace(name="APPTAINER")]
        site: Any = SimpleNamespace(conda=None)
        (said,) = rule_checks.refusals([rule_checks.check(in_container.job, site, {})])
        assert "no Apptainer for its container:" in said
        (said,) = rule_checks.refusals([checked(None, output=[flag("x", "local")])])
        assert "local()" in said
        assert rule_checks.refusals([checked(None), in_container]) == []


@pytest.mark.parametrize(
    ("methods", "controls", "left"),
    [
        (["CONDA"], True, {"fetch", "nothing"}),
        (["CONDA"], False, {"fetch", "align", "write", "nothing"}),
        ([], True, {"fetch", "align", "nothing"}),
    ],
)
def test_local_rules_that_need_more_than_a_plain_python_are_jobs_where_snakemake_is_one(
    methods, controls, left, monkeypatch
):
    monkeypatch.delenv(lease_gate.VARIABLE, raising=False)

    def rule(name: str, **about: Any) -> Any:
        what: dict[str, Any] = {"conda_env": None, "norun": False, "script": None, "shellcmd": None}
        return SimpleNamespace(name=name, notebook=None, wrapper=None, **{**what, **about})

    rules = [
        rule("fetch", shellcmd="curl"),
        rule("align", conda_env="a.yaml", shellcmd="bwa"),
        rule("write", script="write.R"),
        rule("nothing", norun=True, conda_env="a.yaml"),
        rule("job", conda_env="a.yaml", script="x.py"),
    ]
    deployment = SimpleNamespace(deployment_method=[SimpleNamespace(name=m) for m in methods])
    workflow: Any = SimpleNamespace(
        rules=rules,
        deployment_settings=deployment,
        _localrules={"fetch", "align", "write", "nothing"},
    )
    if controls:
        monkeypatch.setenv(lease_gate.VARIABLE, "/lease.json")
    sent = SentRules()
    dag: Any = SimpleNamespace(workflow=workflow)
    sent.send(dag)
    assert workflow._localrules == left
    jobs: list[Any] = [
        SimpleNamespace(rule=each, is_group=lambda: False, is_local=each.name in left)
        for each in rules
    ]
    said = list(sent.notes(jobs))
    assert any("fetch" in note and "no other program" in note for note in said)
    went = sorted({"align", "write"} - left)
    assert any(f" {', '.join(went)}: conda:, scripts" in note for note in said) is bool(went)
