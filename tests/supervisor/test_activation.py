"""A command in a conda environment: what its shell has, as after ``conda activate``."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import activation

SHELLS = [name for name in ("bash", "sh", "dash", "zsh", "ksh") if shutil.which(name)]


def environment(root: Path, scripts: Mapping[str, str] = {}) -> Path:
    """An environment with a program; ``scripts``: by their path below ``etc/conda``."""
    (root / "bin").mkdir(parents=True)
    tool = root / "bin" / "tool"
    tool.write_text(f"#!/bin/sh\necho {shlex.quote('tool of ' + root.name)}\n")
    tool.chmod(0o755)
    for name, text in scripts.items():
        path = root / "etc" / "conda" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def run(
    shell: str,
    prefix: Path,
    command: str,
    environ: Mapping[str, str] = {},
    own: Mapping[str, str] = {},
) -> subprocess.CompletedProcess[str]:
    """As a supervisor runs it. Snakemake's strict mode follows activation."""
    has = {"PATH": "/usr/local/bin:/usr/bin:/bin", **environ}
    strict = "set -euo pipefail; " if shell == "bash" else "set -eu; "
    made = activation.activated(strict + command, shell, has, str(prefix), own)
    return subprocess.run(
        [shell, "-c", made.command],
        check=False,
        capture_output=True,
        text=True,
        env=dict(made.environ),
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_has_what_conda_gives_it(tmp_path: Path, shell: str) -> None:
    prefix = environment(tmp_path / "it's an env")
    shown = (
        "tool; echo $CONDA_PREFIX; echo $CONDA_DEFAULT_ENV; echo $CONDA_SHLVL; "
        'echo "$CONDA_PROMPT_MODIFIER|"; echo ${PATH%%:*}; echo "$OWN"; '
        "echo ${R_LIBS-no} ${PYTHONPATH-no} ${PERLLIB-no} ${PERL5LIB-no}"
    )
    foreign = dict.fromkeys(("R_LIBS", "PYTHONPATH", "PERLLIB", "PERL5LIB"), "mine")
    own = {"OWN": "it's $HOME", "NOT A NAME": "x", "LEFT": activation.UNSET}
    done = run(shell, prefix, shown, foreign, own)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        *("tool of it's an env", str(prefix), str(prefix), "1", f"({prefix}) |"),
        *(f"{prefix}/bin", "it's $HOME", "no no no no"),
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_run_in_order_in_the_commands_shell_before_it_is_strict(
    tmp_path: Path, shell: str
) -> None:
    scripts = {
        # conda sorts by code point, whatever the locale.
        "activate.d/b.sh": 'ORDER="${ORDER}b"; echo $NOWHERE\n',
        "activate.d/B.sh": 'ORDER="$ORDER$CONDA_PREFIX:B"; false\n',
        "activate.d/c.sh": 'export PYTHONPATH=from-script; tool > /dev/null && ORDER="${ORDER}c"\n',
        "activate.d/d.fish": "exit 7\n",
        "activate.d/folder.sh/x": "",
    }
    prefix = environment(tmp_path / "e", scripts)
    done = run(shell, prefix, 'echo "$ORDER" $PYTHONPATH', {"LC_ALL": "en_US.UTF-8"})
    assert done.stdout.splitlines()[-1] == f"{prefix}:Bbc from-script"
    assert done.returncode == 0


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_that_fails_ends_the_command_only_where_it_exits(
    tmp_path: Path, shell: str
) -> None:
    failing = environment(tmp_path / "a", {"activate.d/a.sh": "no-such-program\nfalse\n"})
    assert run(shell, failing, "echo runs").stdout == "runs\n"
    leaving = environment(tmp_path / "b", {"activate.d/a.sh": "exit 3\n"})
    done = run(shell, leaving, "echo runs")
    assert (done.stdout, done.returncode) == ("", 3)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_that_is_strict_from_the_start_does_not_end_at_a_variable_that_is_not_set(
    tmp_path: Path, shell: str
) -> None:
    made = activation.activated("echo runs", shell, {}, str(environment(tmp_path / "e")), {})
    done = subprocess.run(
        [shell, "-u", "-c", made.command], check=False, capture_output=True, text=True, env={}
    )
    assert done.stdout == "runs\n"


def test_an_environment_that_the_image_has_activated_is_left_first(tmp_path: Path) -> None:
    leave = {
        "deactivate.d/a.sh": "LEFT=${LEFT}a\n",
        "deactivate.d/b.sh": "LEFT=${LEFT-}b; unset OF_BASE\n",
        "env_vars.d/base.json": json.dumps({"BASE_DATA": "/base", "SHARED": "base"}),
    }
    base = environment(tmp_path / "base", leave)
    state = base / "conda-meta" / "state"
    state.parent.mkdir()
    state.write_text(json.dumps({"env_vars": {"SET_BY_HAND": "1"}}))
    prefix = environment(tmp_path / "e")
    has = {
        "PATH": f"/first:{base}/bin:/usr/bin:/bin",
        "CONDA_PREFIX": str(base),
        "CONDA_SHLVL": "1",
        **{"OF_BASE": "x", "BASE_DATA": "/base", "SHARED": "base", "SET_BY_HAND": "1"},
    }
    shown = (
        "echo $PATH; echo $LEFT $CONDA_SHLVL $CONDA_PREFIX_1 "
        "${OF_BASE-no} ${BASE_DATA-no} ${SET_BY_HAND-no} $SHARED; tool"
    )
    done = run("bash", prefix, shown, has, {"SHARED": "own"})
    assert done.stdout.splitlines() == [
        f"{prefix}/bin:/first:/usr/bin:/bin",
        f"ba 2 {base} no no no own",
        "tool of e",
    ]


def test_what_an_image_changes_when_its_bash_starts_does_not_come_first(tmp_path: Path) -> None:
    other = environment(tmp_path / "other")
    start = tmp_path / "start"
    start.write_text(f"export PATH={other}/bin:$PATH CONDA_PREFIX={other}\n")
    prefix = environment(tmp_path / "e")
    done = run("bash", prefix, "tool; echo $CONDA_PREFIX", {"BASH_ENV": str(start)})
    assert done.stdout == f"tool of e\n{prefix}\n"


def test_another_kind_of_shell_gets_the_variables(tmp_path: Path) -> None:
    prefix = environment(tmp_path / "e", {"activate.d/a.sh": "exit 3\n"})
    has = {"PATH": "/usr/bin:/bin", "PYTHONPATH": "mine"}
    made = activation.activated("print(1)", "/usr/bin/python3", has, str(prefix), {"OWN": "x"})
    assert made.command == "print(1)"
    assert made.environ["PATH"] == f"{prefix}/bin:/usr/bin:/bin"
    assert made.environ["OWN"] == "x"
    assert made.environ["CONDA_PREFIX"] == str(prefix)
    assert "PYTHONPATH" not in made.environ


def test_programs_are_looked_for_in_the_environment_first(tmp_path: Path) -> None:
    prefix = environment(tmp_path / "e")
    made = activation.activated("x", "bash", {"PATH": os.defpath}, str(prefix), {})
    assert shutil.which("tool", path=made.programs["PATH"]) == f"{prefix}/bin/tool"
    assert made.environ == {"PATH": os.defpath}  # the shell itself comes from the image


@pytest.mark.parametrize("damage", ["", "[]", '{"env_vars": 1}', "{"])
def test_variables_that_cannot_be_read_are_none(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "etc" / "conda" / "env_vars.d"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(damage)
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "state").write_text(damage)
    assert activation.variables_of(str(tmp_path)) == {}
