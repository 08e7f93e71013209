"""Snakemake in a container, whose rules have conda environments: they came with the job."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import patched_conda
from snakemake_executor_plugin_hutchbatch.supervisor.activation import Ready
from snakemake_executor_plugin_hutchbatch.supervisor.fence import Stamp
from snakemake_executor_plugin_hutchbatch.supervisor.storage_overlay import with_patched_storage

from .conftest import ACCESS, BUCKET, REGION, SECRET, Store
from .test_activation import environment

SNAKEFILE = """
rule a:
    output: "a.txt"
    conda: "envs/a.yaml"
    shell: "(tool; echo $CONDA_PREFIX $OWN $ORDER ${{PYTHONPATH-none}}) > {output}"
rule b:
    output: "b.txt"
    conda: "envs/b.yaml"
    script: "b.py"
rule c:
    output: "c.txt"
    conda: "envs/unknown.yaml"
    shell: "touch {output}"
"""
FILES = {
    "Snakefile": SNAKEFILE,
    "b.py": "import os\nopen(snakemake.output[0], 'w').write(os.environ['CONDA_PREFIX'])\n",
    "envs/a.yaml": "channels: [conda-forge]\ndependencies: [tool]\n",
    "envs/a.post-deploy.sh": "echo deployed\n",
    "envs/b.yaml": "dependencies: [other]\n",
    "envs/b.linux-64.pin.txt": "@EXPLICIT\n",
    "envs/unknown.yaml": "dependencies: []\n",
}


class Snakemake:
    """Snakemake in a job's folder, without any conda."""

    def __init__(self, endpoint: str, store: Store, folder: Path) -> None:
        self._store, self._work = store, folder / "work"
        for name, text in FILES.items():
            path = self._work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.a = environment(folder / "a", {"activate.d/x.sh": "ORDER=$ORDER$NOWHERE.x\n"})
        self.b = environment(folder / "b")
        plugins = folder / "plugins"
        known = {
            self._digest("a", None, "envs/a.post-deploy.sh"): Ready("a", str(self.a), {"OWN": "1"}),
            self._digest("b", "envs/b.linux-64.pin.txt", None): Ready("b", str(self.b), {}),
        }
        environ = {
            **{"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(folder)},
            **{"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET},
            patched_conda.VARIABLE: str(plugins / patched_conda.FILE),
        }
        also = {patched_conda.FILE: patched_conda.dumps(known)}
        self._environ = with_patched_storage(environ, str(plugins), Stamp(7, 1, "job"), also)
        self._options = [
            *("--default-storage-provider", "s3", "--software-deployment-method", "conda"),
            *("--default-storage-prefix", store.url("results"), "--cores", "1"),
            *("--storage-s3-endpoint-url", endpoint, "--storage-s3-region", REGION),
            *("--storage-s3-access-key", ACCESS, "--storage-s3-secret-key", SECRET),
        ]

    def _digest(self, name: str, pins: str | None, deploy: str | None) -> str:
        parts = (FILES[p].encode() if p else None for p in (f"envs/{name}.yaml", pins, deploy))
        environment, *beside = parts
        return patched_conda.digest(environment or b"", *beside)

    def run(self, target: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "snakemake", target, *self._options],
            cwd=self._work,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )

    def made(self, target: str) -> str:
        done = self.run(target)
        assert done.returncode == 0, done.stderr
        return self._store.get(f"results/{target}").decode()


@pytest.fixture
def snakemake(endpoint: str, store: Store, tmp_path: Path) -> Snakemake:
    assert BUCKET in store.url("")
    return Snakemake(endpoint, store, tmp_path)


def test_a_command_under_snakemake_runs_in_the_environment_of_its_files(
    snakemake: Snakemake,
) -> None:
    assert snakemake.made("a.txt").splitlines() == ["tool of a", f"{snakemake.a} 1 .x none"]


def test_a_script_under_snakemake_has_its_environment(snakemake: Snakemake) -> None:
    assert snakemake.made("b.txt") == str(snakemake.b)


def test_an_environment_that_did_not_come_with_the_job_is_named(snakemake: Snakemake) -> None:
    done = snakemake.run("c.txt")
    assert done.returncode != 0
    assert "unknown.yaml is none of those that were made for this job" in done.stderr


def test_what_files_say_counts_and_which_of_them_says_it() -> None:
    parts = (b"a", b"b", b"c"), (b"a", None, b"b"), (b"a", b"b", None), (b"a", None, None)
    assert len({patched_conda.digest(*each) for each in parts}) == len(parts)
    assert os.environ.get(patched_conda.VARIABLE) is None
