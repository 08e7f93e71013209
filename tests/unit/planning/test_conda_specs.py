"""Which environments jobs need, by what their files say."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sample_plan import PLAN
from snakemake.deployment.conda import CondaEnvDirSpec, CondaEnvFileSpec, CondaEnvNameSpec
from snakemake.sourcecache import LocalSourceFile

from snakemake_executor_plugin_hutchbatch.planning import fingerprint
from snakemake_executor_plugin_hutchbatch.planning.conda_specs import CondaSpecs
from snakemake_executor_plugin_hutchbatch.planning.prepare import mode_line
from snakemake_executor_plugin_hutchbatch.planning.requirements import PlanError
from snakemake_executor_plugin_hutchbatch.software.conda.config import Config
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    CondaEnvironment,
    Step,
    TaskSpec,
)


@dataclass
class Files:
    """Stands for Snakemake's source cache, and counts what is read."""

    read: list = field(default_factory=list)

    def exists(self, source):
        return Path(source.get_path_or_uri(secret_free=True)).exists()

    def open(self, source, mode="r"):
        path = Path(source.get_path_or_uri(secret_free=True))
        self.read.append(path.name)
        return path.open(mode)


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = Files()

    def make(spec, containerized=False, wrapper=None, **resources):
        rule = SimpleNamespace(conda_env="given", is_containerized=containerized, wrapper=wrapper)
        workflow = SimpleNamespace(sourcecache=files)
        return SimpleNamespace(
            rule=rule,
            conda_env_spec=spec,
            dag=SimpleNamespace(workflow=workflow),
            files=files,
            resources=resources,
        )

    return make


def at(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    return CondaEnvFileSpec(LocalSourceFile(str(path)))


def test_files_count_by_what_they_say_and_are_read_once(job, tmp_path):
    spec = at(tmp_path / "envs" / "a.yaml", "dependencies: [samtools]\n")
    specs = CondaSpecs(Config(), {})
    first = specs.of(job(spec))
    assert first.name == "envs/a.yaml"
    again = job(spec)
    assert specs.of(again) is first
    assert again.files.read == ["a.yaml"]
    same = CondaSpecs(Config(), {}).of(
        job(at(tmp_path / "copy" / "b.yml", "dependencies: [samtools]\n"))
    )
    assert same.digest == first.digest
    digests = {first.digest}
    url = "https://conda.anaconda.org/conda-forge/linux-64/samtools-1.21-h50ea8bc_0.conda"
    for name, content in (
        ("a.linux-64.pin.txt", f"@EXPLICIT\n{url}#{'a' * 32}\n"),
        ("a.post-deploy.sh", "true\n"),
    ):
        (tmp_path / "envs" / name).write_text(content)
        digests.add(CondaSpecs(Config(), {}).of(job(spec)).digest)
    assert len(digests) == 3
    on_disk = CondaSpecs(Config(), {}).on_disk(tmp_path / "envs" / "a.yaml")
    assert on_disk.digest in digests


@pytest.mark.parametrize(
    ("file", "wrapper", "name"),
    [
        # As Snakemake has it of a Snakefile in workflow/, with --directory .test/deep
        ("workflow/rules/../envs/a.yaml", None, "../../workflow/envs/a.yaml"),
        (
            "wrappers/v7.2.0/bio/bwa/mem/environment.yaml",
            "v7.2.0/bio/bwa/mem",
            "v7.2.0/bio/bwa/mem",
        ),
        ("own/environment.yaml", "v7.2.0/bio/bwa/mem", "../../own/environment.yaml"),
    ],
)
def test_environments_are_called_as_their_users_know_them(
    job, tmp_path, monkeypatch, file, wrapper, name
):
    for folder in (".test/deep", "workflow/rules"):
        (tmp_path / folder).mkdir(parents=True)
    path = tmp_path / file
    path.parent.resolve().mkdir(parents=True, exist_ok=True)
    path.write_text("dependencies: [samtools]\n")
    monkeypatch.chdir(tmp_path / ".test/deep")
    spec = CondaEnvFileSpec(LocalSourceFile(str(path)))
    assert CondaSpecs(Config(), {}).of(job(spec, wrapper=wrapper)).name == name


def test_channels_of_condas_configuration_and_a_gpu_make_another_environment(job, tmp_path):
    spec = at(tmp_path / "a.yaml", "dependencies: [samtools]\n")
    plain = CondaSpecs(Config(), {})
    mirrored = CondaSpecs(Config(alias="https://mirror.example.org"), {})
    digests = {
        plain.of(job(spec)).digest,
        mirrored.of(job(spec)).digest,
        plain.of(job(spec, gpu=1)).digest,
    }
    assert len(digests) == 3


def test_jobs_of_one_image_with_its_environments_and_jobs_without_need_none(job, tmp_path):
    spec = at(tmp_path / "envs" / "a.yaml", "dependencies: []\n")
    assert CondaSpecs(Config(), {}).of(job(spec, containerized=True)) is None
    assert CondaSpecs(Config(), {}).of(job(None)) is None


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (CondaEnvNameSpec("mine"), "conda env export --from-history -n mine > envs/mine.yaml"),
        (CondaEnvDirSpec("/opt/mine"), "conda env export --from-history -p /opt/mine"),
        (CondaEnvFileSpec(LocalSourceFile("none.yaml")), "none.yaml does not exist"),
        (CondaEnvFileSpec(LocalSourceFile(__file__)), "cannot be used: it is no"),
    ],
)
def test_what_jobs_cannot_have_is_refused_with_what_to_do(job, spec, words):
    with pytest.raises(PlanError, match=r"^its ") as refused:
        CondaSpecs(Config(), {}).of(job(spec))
    assert words in str(refused.value)


def task(spec, key=None):
    step = Step("align", "bwa mem", conda=key, conda_spec=spec)
    environments = (CondaEnvironment(key, "a", "s3://b/m", "0"),) if key else ()
    return TaskSpec("align", "s3://b/work/status/", (step,), environments=environments)


def test_a_changed_environment_is_another_job_and_one_that_was_built_meanwhile_is_not():
    one = fingerprint.of(task("a"), PLAN, {})
    assert one != fingerprint.of(task("b"), PLAN, {})
    assert one != fingerprint.of(task(None), PLAN, {})
    completed = replace(task("a", "KEY"), identity=one)
    assert fingerprint.of(completed, PLAN, {}) == one
    assert fingerprint.is_own(completed)


def test_the_line_about_a_rule_names_its_environment():
    line = mode_line(replace(PLAN, conda={"d1": "envs/a.yaml"}))
    assert f"in {PLAN.image} with envs/a.yaml on queue" in line
