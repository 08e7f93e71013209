"""Whether a run uses the environments that its rules name."""

from types import SimpleNamespace
from typing import Any

from snakemake_executor_plugin_hutchbatch.run.environments import without_method


def job(environment: object) -> Any:
    return SimpleNamespace(is_group=lambda: False, rule=SimpleNamespace(conda_env=environment))


def test_environments_that_a_run_would_ignore_are_not_called_built():
    specs: Any = object()
    said = without_method([job(None), job("envs/a.yaml")], None)
    assert said is not None
    assert "--software-deployment-method conda" in said
    assert without_method([job(None)], None) is None
    assert without_method([job("envs/a.yaml")], specs) is None
