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
            local_exec=False,
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
    assert seen(is_local=True) == seen()  # elsewhere it may be a job
    # Snakemake's own answer stands where no environment is used, or one without a file.
    assert seen(methods=()) == "plain"
    patched = software_stack.software_stack_hash(lambda self, job: "plain")
    assert patched(persistence(), job(CondaEnvNameSpec("mine"))) == "plain"


def test_a_dry_run_sees_what_the_run_sees_and_asks_no_conda(persistence, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("one")
    spec = CondaEnvFileSpec(LocalSourceFile(str(path)))

    def hashed(here, job):  # as Snakemake's own
        return "with conda" if job.conda_env else f"plain {job.container_img_url}"

    def seen(local_exec, is_local, environment=None):
        one = persistence()
        one.dag.workflow.local_exec = local_exec
        asked = SimpleNamespace(
            is_local=is_local,
            rule=SimpleNamespace(name="a", conda_env="given"),
            conda_env_spec=spec,
            conda_env=environment,
            container_img_url="image",
        )
        return software_stack.software_stack_hash(hashed)(one, asked)

    # Snakemake calls every job of a dry run local, and has made its environment known.
    assert seen(True, is_local=True, environment="made here") == seen(False, is_local=False)
