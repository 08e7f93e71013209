"""The texts of a folder: what run.sh calls, and what it quotes."""

import shlex
import subprocess

import pytest

from snakemake_executor_plugin_hutchbatch.containers.engines import Engine
from snakemake_executor_plugin_hutchbatch.rerun import scripts
from snakemake_executor_plugin_hutchbatch.rerun.engine import Chosen
from snakemake_executor_plugin_hutchbatch.rerun.scripts import Place

PLACE = Place("/work/it's here", "/venv/bin/python", "/work/it's here/.hutchbatch/python-1")
SHOW = 'printf "%s\\n" "$@"; env | grep ^APPTAINERENV_; printf "%s=%s\\n" A "$A"'


def called(tmp_path, chosen, user=(0, 0), program=None):
    """The words that run.sh would start, with the engine's program replaced by one that shows
    them."""
    folder = tmp_path / "it's here"
    (folder / ".hutchbatch").mkdir(parents=True)
    (folder / ".hutchbatch" / "variables.sh").write_text("")
    (folder / "variables.sh").write_text(scripts.variables({"A": "1 'two'\n$x"}, {}))
    place = Place(str(folder), "/bin/false", PLACE.python)
    text = scripts.run(place, chosen, "quay.io/x:1", "align s=A\nrm -rf /", ["A", "B"], user)
    bin = tmp_path / "bin"
    bin.mkdir()
    for name in (program or chosen.name,):
        (bin / name).write_text(f"#!/bin/sh\n{SHOW}\n")
        (bin / name).chmod(0o755)
    (folder / "run.sh").write_text(text)
    done = subprocess.run(
        ["bash", str(folder / "run.sh"), "--shell"],
        env={"PATH": f"{bin}:/usr/bin:/bin", "AWS_ACCESS_KEY_ID": "AKIA"},
        capture_output=True,
        text=True,
        check=True,
    )
    return folder, done.stdout


def test_a_container_has_the_folder_at_its_own_path_and_no_values_on_its_command_line(tmp_path):
    folder, shown = called(tmp_path, Chosen(Engine("podman", options=("--runtime", "runc"))))
    words = shown.splitlines()
    assert words[:4] == ["--runtime", "runc", "run", "--rm"]
    assert f"--mount=type=bind,source={folder},target={folder}" in words
    assert f"--mount=type=bind,source={folder}/.hutchbatch/scratch/hutchbatch-cache," in shown
    assert words[words.index("A") - 1 : words.index("A") + 1] == ["--env", "A"]
    image = words.index("quay.io/x:1")
    assert words[image + 1 : image + 5] == [
        "/bin/sh",
        f"{folder}/.hutchbatch/start.sh",
        str(folder),
        "--shell",
    ]
    assert shown.endswith("A=1 'two'\n$x\n")


def test_dockers_containers_leave_files_of_their_user(tmp_path):
    _, shown = called(tmp_path, Chosen(Engine("docker")), (1000, 100))
    assert "--user\n1000:100\n" in shown


def test_apptainer_gets_image_binds_and_the_variables_that_are_set(tmp_path):
    folder, shown = called(tmp_path, Chosen(program="apptainer"))
    words = shown.splitlines()
    assert words[0] == "exec"
    assert "docker://quay.io/x:1" in words
    assert str(folder) in words
    assert "APPTAINERENV_A=1 'two'" in words
    assert "APPTAINERENV_AWS_ACCESS_KEY_ID=AKIA" in words
    assert "APPTAINERENV_B" not in shown


def test_a_label_cannot_leave_its_comment():
    text = scripts.run(PLACE, Chosen(why="x"), "image", "a\nrm -rf /", [], (0, 0))
    assert not [line for line in text.splitlines() if line.startswith("rm")]


@pytest.mark.parametrize("value", ["plain", "it's", "a\nb", "$HOME `x`", ""])
def test_variables_are_what_they_were(tmp_path, value):
    file = tmp_path / "variables.sh"
    file.write_text(scripts.variables({"A": value}, {"TOKEN": "arn:secret\nB=1"}))
    script = f'set -eu; . {shlex.quote(str(file))}; printf %s "$A"; [ -z "${{B:-}}" ]'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == value
