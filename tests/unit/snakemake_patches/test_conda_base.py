"""Without conda on this machine, --sdm conda concerns only jobs that have an environment."""

import os
import subprocess
import sys

SNAKEFILE = """\
localrules: plain, with_environment
rule plain:
    output: "plain.txt"
    shell: "echo here > {output}"
rule with_environment:
    output: "with.txt"
    conda: "envs/a.yaml"
    shell: "echo here > {output}"
"""
#: Snakemake with this one patch.
RUN = """\
import sys
import snakemake.api, snakemake.workflow
from snakemake.cli import main
from snakemake_executor_plugin_hutchbatch.snakemake_patches import apply, table
(patch,) = [p for p in table.RUN if p.attribute == "Workflow.conda_base_path"]
apply._replace(patch)
main(sys.argv[1:])
"""


def run(folder, target):
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "envs").mkdir(exist_ok=True)
    (folder / "envs/a.yaml").write_text("dependencies: []\n")
    options = ["--cores", "1", "--shared-fs-usage", "none", "--software-deployment-method", "conda"]
    return subprocess.run(
        [sys.executable, "-c", RUN, target, *options],
        cwd=folder,
        env={**os.environ, "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_local_rule_without_an_environment_runs(tmp_path):
    done = run(tmp_path, "plain.txt")
    assert done.returncode == 0, done.stderr
    assert "not found" not in done.stderr  # bash says it of a program that there is not
    assert (tmp_path / "plain.txt").read_text() == "here\n"


def test_a_local_rule_with_an_environment_says_that_there_is_no_conda(tmp_path):
    done = run(tmp_path, "with.txt")
    assert done.returncode != 0
    assert "conda" in done.stderr
    assert not (tmp_path / "with.txt").exists()
