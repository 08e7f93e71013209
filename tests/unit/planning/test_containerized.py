"""The environment that a containerized image holds for a rule."""

import subprocess

import pytest

from snakemake_executor_plugin_hutchbatch.planning.containerized import activation_text


@pytest.fixture
def root(tmp_path):
    """An image's environments, of which one is ``a1``."""
    home = tmp_path / "conda envs"
    tool = home / "a1" / "bin" / "tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho tool of $CONDA_PREFIX\n")
    tool.chmod(0o755)
    script = home / "a1" / "etc" / "conda" / "activate.d" / "x.sh"
    script.parent.mkdir(parents=True)
    script.write_text("export FROM_SCRIPT=$NOT_SET_ANYWHERE.yes\nfalse\n")
    return home


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_command_runs_in_the_environment_and_then_strictly(root, shell):
    text = activation_text("envs/it's.yaml", ["b2", "a1"], str(root))
    text += "set -eu; tool; echo $FROM_SCRIPT ${PYTHONPATH-none} $CONDA_DEFAULT_ENV; false; echo no"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": "mine"}
    done = subprocess.run(
        [shell, "-c", text], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout == f"tool of {root}/a1\n.yes none {root}/a1\n"
    assert done.returncode == 1


def test_an_image_without_the_environment_says_what_happened(root):
    text = activation_text("envs/it's.yaml", ["b2"], str(root)) + "echo no"
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no environment for envs/it's.yaml. Was the file changed" in done.stderr


def test_an_image_that_holds_no_environments_is_used_as_it_is(tmp_path):
    text = activation_text("envs/a.yaml", ["b2"], str(tmp_path / "none")) + "echo runs"
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)
    assert done.stdout == "runs\n"
