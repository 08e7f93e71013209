"""Finding an engine, and what is said where none serves. No engine is needed for these."""

import subprocess
import sys

import pytest

from snakemake_executor_plugin_hutchbatch.containers.engines import Engine, NoEngine, find_engine
from snakemake_executor_plugin_hutchbatch.containers.host_python import copy_python
from snakemake_executor_plugin_hutchbatch.containers.images import full_name
from snakemake_executor_plugin_hutchbatch.local.hosts.choice import NoContainers, choose_host
from snakemake_executor_plugin_hutchbatch.local.hosts.processes import ProcessHost


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    for shell in ("sh", "bash"):
        (tmp_path / shell).symlink_to(f"/bin/{shell}")
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def broken_podman(monkeypatch, tmp_path):
    program = tmp_path / "podman"
    program.write_text("#!/bin/sh\necho 'Error: cgroups: no such thing' >&2\nexit 125\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_what_was_looked_for_is_named_where_nothing_is_installed(nothing_installed):
    with pytest.raises(NoEngine, match="podman is not installed; docker is not installed"):
        find_engine("auto")


def test_an_engine_that_does_not_work_is_quoted(broken_podman):
    with pytest.raises(NoEngine, match=r"podman does not work \(cgroups: no such thing\)"):
        find_engine("podman")


def test_an_engine_that_is_asked_for_must_work(broken_podman, tmp_path):
    with pytest.raises(NoContainers, match="podman cannot run containers"):
        choose_host("podman", tmp_path / "cloud", print, True)


def test_auto_falls_back_to_processes_and_says_why(nothing_installed, tmp_path):
    said: list[str] = []
    host = choose_host("auto", tmp_path / "cloud", said.append, True)
    host.close()
    assert isinstance(host, ProcessHost)
    assert len(said) == 1 and "podman is not installed" in said[0]


def test_the_command_line_fails_with_the_sentence(nothing_installed, tmp_path):
    command = [
        "-m",
        "snakemake_executor_plugin_hutchbatch.cli.main",
        "local",
        "--containers",
        "docker",
    ]
    done = subprocess.run(
        [sys.executable, *command, "--dir", str(tmp_path / "cloud"), "--", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("hutchbatch: docker cannot run containers: docker is not")
    assert len(done.stderr.splitlines()) == 1


def test_a_jobs_ulimits_stay_within_what_the_engine_may_set():
    engine = Engine("podman", limits=(("nofile", 1000), ("nproc", 50)))
    assert engine.limit_options((("nofile", 20, 5000), ("core", 0, 0))) == [
        "--ulimit=nofile=20:1000",
        "--ulimit=nproc=50:50",
        "--ulimit=core=0:0",
    ]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("ubuntu", "docker.io/library/ubuntu"),
        ("biocontainers/samtools:1", "docker.io/biocontainers/samtools:1"),
        ("quay.io/biocontainers/samtools:1", "quay.io/biocontainers/samtools:1"),
        ("localhost:5000/x", "localhost:5000/x"),
        ("localhost/x", "localhost/x"),
    ],
)
def test_an_image_without_a_registry_is_docker_hubs_as_on_aws(image, name):
    assert full_name(image) == name


def test_the_hosts_python_runs_from_anywhere_and_leaks_nothing(tmp_path):
    copy_python(tmp_path / "first")
    (tmp_path / "first").rename(tmp_path / "moved")
    program = tmp_path / "moved" / "bin" / "python"
    script = (
        "import sys, ssl, lzma, ctypes, http.client, subprocess, os;"
        "print(sys.prefix, sys.executable, sorted(n for n in os.environ if n.startswith('LD_')));"
        "lines = open('/proc/self/maps').read().splitlines();"
        "files = {line.split()[-1] for line in lines if '.so' in line};"
        "print([name for name in files if '/moved/' not in name], flush=True);"
        "subprocess.run([sys.executable, '-c', 'print(1)'])"
    )
    done = subprocess.run(
        [str(program), "-IBS", "-c", script], capture_output=True, text=True, check=True, env={}
    )
    first, foreign, again = done.stdout.splitlines()
    assert first == f"{program.parents[1]} {program} []"
    assert (foreign, again) == ("[]", "1")
