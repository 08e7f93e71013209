"""Snakemake here sees that an environment has changed which it does not make."""

from types import SimpleNamespace

import pytest
from snakemake.deployment.conda import CondaEnvFileSpec, CondaEnvNameSpec
from snakemake.sourcecache import LocalSourceFile

from snakemake_executor_plugin_hutchbatch.snakemake_patches import software_stack


@pytest.fixture
def persistence():
    def exists(source):
        return source.get_filename() == "a.yaml"

    def opened(source, mode):
        return open(source.get_path_or_uri(secret_free=True), mode)  # noqa: PTH123

    def make(methods=("CONDA",)):
        workflow = SimpleNamespace(
            sourcecache=SimpleNamespace(exists=exists, open=opened),
            deployment_settings=SimpleNamespace(
                deployment_method=[SimpleNamespace(name=name) for name in methods]
            ),
        )
        return SimpleNamespace(dag=SimpleNamespace(workflow=workflow))

    return make


def job(spec, is_local=False):
    return SimpleNamespace(
        is_local=is_local, rule=SimpleNamespace(conda_env="given"), conda_env_spec=spec
    )


def test_a_changed_environment_file_changes_the_software_of_a_job(persistence, tmp_path):
    path = tmp_path / "a.yaml"
    spec = CondaEnvFileSpec(LocalSourceFile(str(path)))

    def seen(methods=("CONDA",), **about):
        patched = software_stack.software_stack_hash(lambda self, job: "plain")
        return patched(persistence(methods), job(spec, **about))

    path.write_text("one")
    first = seen()
    assert first == seen()
    path.write_text("two")
    assert seen() != first
    # Snakemake's own answer stands where it makes the environment, or none is used.
    assert seen(is_local=True) == seen(methods=()) == "plain"
    patched = software_stack.software_stack_hash(lambda self, job: "plain")
    assert patched(persistence(), job(CondaEnvNameSpec("mine"))) == "plain"
