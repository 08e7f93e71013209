"""Containers as processes, with namespaces and without."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from running import processes_with, until

from snakemake_executor_plugin_hutchbatch.local.hosts.host import Launch, Mount
from snakemake_executor_plugin_hutchbatch.local.hosts.processes import (
    BOOT,
    OUT_OF_MEMORY,
    ProcessHost,
)

SCRATCH = Mount("/docker_scratch", "/tmp")
TOOLS = Mount("/home/ec2-user/miniconda", "/home/ec2-user/miniconda")


class Run:
    """A host, and what became of the last launch on it."""

    def __init__(self, directory: Path, isolate: bool) -> None:
        self.said: list[str] = []
        self.host = ProcessHost(directory, {"GIVEN": "1"}, say=self.said.append, isolate=isolate)
        self.lines: list[str] = []
        self.number = 0

    def start(self, *command: str, on_line=None, **more):
        self.number += 1
        self.lines = []
        launch = Launch(
            **{
                "job_id": "11111111-2222",
                "attempt": self.number,
                "image": "bash",
                "command": command,
                "environment": {
                    "AWS_BATCH_JOB_ID": "11111111-2222",
                    "AWS_BATCH_JOB_ATTEMPT": str(self.number),
                    **more.pop("environment", {}),
                },
                "vcpus": 1,
                "memory": 512,
                **more,
            }
        )

        def output(line: str) -> None:
            self.lines.append(line)
            if on_line:
                on_line(line)

        return self.host.start(launch, output)

    def __call__(self, *command: str, **more):
        return self.start(*command, **more).wait()


@pytest.fixture(params=["isolated", "plain"])
def run(request, tmp_path):
    runner = Run(tmp_path, request.param == "isolated")
    yield runner
    runner.host.close()
    if request.param == "isolated" and os.geteuid() == 0:
        assert runner.host.refused is None, "namespaces should work for root"
    assert not processes_with(str(tmp_path)), "processes are left behind"
    assert str(tmp_path) not in Path("/proc/mounts").read_text(), "mounts are left behind"
    assert not list((tmp_path / "containers").iterdir()), "files are left behind"


@pytest.fixture
def isolated(tmp_path):
    runner = Run(tmp_path, True)
    yield runner
    runner.host.close()


@pytest.fixture
def plain(tmp_path):
    runner = Run(tmp_path, False)
    yield runner
    runner.host.close()


def test_output_comes_in_order_with_errors_in_it(run):
    assert run("sh", "-c", "echo one; echo two >&2; printf three").exit_code == 0
    assert run.lines == ["one", "two", "three"]


def test_output_comes_while_the_container_runs(run):
    seen: list[str] = []
    container = run.start("sh", "-c", "echo up; sleep 1000", on_line=seen.append)
    until(lambda: seen)
    container.kill()
    assert container.wait().exit_code == 137


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("true", 0)])
def test_exit_codes(plain, script, code):
    assert plain("sh", "-c", script).exit_code == code


def test_a_signal_is_128_more(plain):
    assert plain("sh", "-c", "kill -TERM $$").exit_code == 143


def test_nothing_of_our_environment_leaks_in(run, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_CONTROLLER", "x")
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("PYTHONPATH", "/x")
    assert run("sh", "-c", "env -0 | tr '\\0\\n' '\\n '").exit_code == 0
    names = {line.partition("=")[0] for line in run.lines}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {
        "PATH",
        "HOME",
        "HOSTNAME",
        "GIVEN",
        "AWS_BATCH_JOB_ID",
        "AWS_BATCH_JOB_ATTEMPT",
    }


def test_no_files_of_ours_are_open_in_it(run):
    script = "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd')))"
    with Path(__file__).open() as held:
        os.set_inheritable(held.fileno(), False)
        run("python", "-I", "-S", "-c", script)
    assert run.lines == ["[0, 1, 2, 3]"]  # 3 is the listing's own


def test_the_running_python_comes_first_on_the_path(run):
    run("python3", "-c", "import sys, boto3; print(sys.prefix)")
    assert run.lines == [sys.prefix]


def test_home_is_empty_and_writable(run):
    run("sh", "-c", 'ls -A "$HOME"; touch "$HOME/x" && echo written')
    assert run.lines == ["written"]


def test_a_missing_command_is_reported_as_docker_does(run):
    exit = run("no-such-command")
    assert exit.exit_code is None
    assert exit.reason.startswith("CannotStartContainerError")
    assert '"no-such-command": executable file not found in $PATH' in exit.reason


def test_no_command_at_all_is_reported(run):
    assert "must name one" in run().reason


def test_children_do_not_outlive_the_command(run):
    code = run("sh", "-c", "(setsid sleep 1000 &) ; (env -i setsid sleep 1001 &) ; exit 4")
    assert code.exit_code == 4


def test_a_handler_gets_sigterm_and_chooses_the_code(run):
    script = "trap 'echo told; exit 7' TERM; echo up; while :; do sleep 0.05; done"
    started: list[str] = []
    container = run.start("bash", "-c", script, on_line=started.append)
    until(lambda: "up" in started)
    container.terminate()
    assert container.wait().exit_code == 7
    assert "told" in run.lines


def test_who_ignores_sigterm_is_killed_after_the_grace(run):
    started: list[str] = []
    container = run.start("bash", "-c", "trap '' TERM; echo up; sleep 1000", on_line=started.append)
    until(lambda: started)
    container.terminate(grace=0.1)
    assert container.wait().exit_code == 137


def test_a_container_killed_at_once_still_ends(run):
    container = run.start("sleep", "1000")
    container.kill()
    assert container.wait().exit_code == 137


def test_closing_the_host_kills_everything(run):
    containers = [run.start("sleep", "1000") for _ in range(3)]
    run.host.close()
    assert [each.wait().exit_code for each in containers] == [137] * 3


def memory_can_be_limited() -> bool:
    return os.geteuid() == 0 and any(
        os.access(path, os.W_OK) for path in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory.max")
    )


def test_too_much_memory_is_reported_as_ecs_does(run):
    script = "x = bytearray(512 << 20); print(len(x))"
    exit = run("python", "-I", "-S", "-c", script, memory=64)
    if memory_can_be_limited():
        assert (exit.exit_code, exit.reason) == (137, OUT_OF_MEMORY)
    else:
        assert exit.exit_code == 0


def test_a_child_killed_for_memory_is_reported_too(run):
    script = f"{sys.executable} -I -S -c 'bytearray(512 << 20)'"
    exit = run("sh", "-c", script + "; exit $?", memory=64)
    if memory_can_be_limited():
        assert (exit.exit_code, exit.reason) == (137, OUT_OF_MEMORY)


# --- volumes ---


def test_scratch_is_a_folder_of_the_local_host_shared_by_its_jobs(isolated, tmp_path):
    isolated("sh", "-c", "echo x > /tmp/left; stat -c %a /tmp", mounts=(SCRATCH,))
    assert isolated.lines == ["1777"]
    assert (tmp_path / "host/docker_scratch/left").read_text() == "x\n"
    isolated("cat", "/tmp/left", mounts=(SCRATCH,))
    assert isolated.lines == ["x"]
    assert not Path("/tmp/left").exists()


def test_the_hosts_tools_are_the_running_python_and_read_only(isolated):
    script = (
        "import sys, boto3; print(sys.prefix)\n"
        "try: open(sys.prefix + '/x', 'w')\n"
        "except OSError as error: print(error.strerror)"
    )
    isolated("/home/ec2-user/miniconda/bin/python", "-c", script, mounts=(SCRATCH, TOOLS))
    assert isolated.lines == ["/home/ec2-user/miniconda", "Read-only file system"]


def test_mount_points_are_not_made_on_this_machine(isolated):
    mounts = (Mount("/a", "/nowhere/deep/data"), Mount("/b", "/home/nobody-here/x"))
    code = isolated("sh", "-c", "touch /nowhere/deep/data/x && ls /nowhere/deep", mounts=mounts)
    assert code.exit_code == 0, isolated.lines
    assert not Path("/nowhere").exists() and not Path("/home/nobody-here").exists()


def test_the_hosts_cache_is_a_part_of_its_scratch_at_a_path_of_its_own(isolated):
    cache = Mount("/docker_scratch/hutchbatch-cache", "/hutchbatch")
    shown = "[ /tmp/hutchbatch-cache -ef /hutchbatch ] && stat -c %a /hutchbatch"
    assert isolated("sh", "-c", shown, mounts=(SCRATCH, cache)).exit_code == 0
    assert isolated.lines == ["1777"]


def test_a_mount_within_a_mount(isolated, tmp_path):
    mounts = (Mount("/inner", "/tmp/inner"), SCRATCH)
    isolated("sh", "-c", "touch /tmp/outer /tmp/inner/x", mounts=mounts)
    assert (tmp_path / "host/docker_scratch/outer").exists()
    assert (tmp_path / "host/inner/x").exists()


def test_a_read_only_volume(isolated):
    code = isolated("touch", "/data/x", mounts=(Mount("/data", "/data", read_only=True),))
    assert code.exit_code == 1


def test_an_anonymous_volume_is_new_for_each_container(isolated):
    mounts = (Mount(None, "/data"),)
    isolated("sh", "-c", "ls -A /data; touch /data/x", mounts=mounts)
    isolated("sh", "-c", "ls -A /data", mounts=mounts)
    assert isolated.lines == []


def test_the_rest_of_the_machine_is_there(isolated):
    code = isolated("sh", "-c", "test -e /etc/passwd -a -e /dev/null -a -d /usr/bin && pwd")
    assert (code.exit_code, isolated.lines) == (0, ["/"])


def test_it_sees_its_own_processes_only(isolated):
    isolated("sh", "-c", "echo $$; ls -d /proc/[0-9]* | wc -l", mounts=(SCRATCH,))
    assert isolated.lines[0] == "1" and int(isolated.lines[1]) <= 3


def test_an_environment_under_tmp_works_although_tmp_is_the_scratch(tmp_path):
    """A clone and its virtual environment in /tmp, the plugin installed as editable."""
    home = tmp_path / "clone"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True)
    package = Path(__file__).parents[2] / "snakemake_executor_plugin_hutchbatch" / "local" / "hosts"
    source = home / "src" / "own_package"
    shutil.copytree(package, source / "local" / "hosts")
    shutil.copy(package.parent / "json_types.py", source / "local")
    (source / "local" / "__init__.py").touch()
    (source / "__init__.py").touch()
    site = next((home / "venv/lib").glob("python3*")) / "site-packages"
    (site / "editable.pth").write_text(f"{home / 'src'}\n")
    script = (
        "from pathlib import Path\n"
        "from own_package.local.hosts.host import Launch, Mount\n"
        "from own_package.local.hosts.processes import ProcessHost\n"
        f"host = ProcessHost(Path({str(tmp_path / 'cloud')!r}), {{}})\n"
        "mounts = Mount('/docker_scratch', '/tmp'), Mount('/x/miniconda', '/x/miniconda')\n"
        "for python in 'python', '/x/miniconda/bin/python':\n"
        "    script = 'import sys, own_package as o; print(sys.prefix, o.__file__)'\n"
        "    command = python, '-c', script\n"
        "    launch = Launch('id', 1, 'i', command, {}, 1, 256, mounts=mounts)\n"
        "    print(host.start(launch, print).wait().exit_code)\n"
    )
    command = [home / "venv/bin/python", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    init = source / "__init__.py"
    assert done.stdout.splitlines() == [
        f"{home}/venv {init}",
        "0",
        f"/x/miniconda {init}",
        "0",
    ], done.stderr


# --- without namespaces ---


def test_scratch_is_this_machines_tmp_where_nothing_can_be_mounted(plain, tmp_path):
    plain("sh", "-c", f"ls -d {tmp_path}", mounts=(SCRATCH, TOOLS))
    assert plain.lines == [str(tmp_path)]


def test_the_hosts_cache_is_dispensable_where_nothing_can_be_mounted(plain):
    cache = Mount("/docker_scratch/hutchbatch-cache", "/hutchbatch")
    shown = "[ ! -e /hutchbatch ]"
    assert plain("sh", "-c", shown, mounts=(SCRATCH, cache)).exit_code == 0


def test_other_volumes_are_refused_clearly_where_nothing_can_be_mounted(plain):
    exit = plain("true", mounts=(SCRATCH, Mount("/data", "/data")))
    assert exit.exit_code is None
    assert "/data at /data needs a mount" in exit.reason


def test_a_system_that_refuses_is_reported_once_and_jobs_run_without(tmp_path):
    runner = Run(tmp_path, True)
    order = runner.host.order

    def impossible(launch, private):
        reported = order(launch, private)
        return {**reported, "root": "/proc/no-such-directory"} if reported["isolate"] else reported

    runner.host.order = impossible
    for _ in range(2):
        assert runner("sh", "-c", "echo ran", mounts=(SCRATCH,)).exit_code == 0
        assert runner.lines == ["ran"]
    assert len(runner.said) == 1 and "does not allow private mounts" in runner.said[0]
    runner.host.close()


# --- as an ordinary user ---


def as_ordinary_user(tmp_path: Path, order: dict) -> tuple[dict, str]:
    """The helper alone, run by nobody with the system's Python (the tests' may be unreadable)."""
    if os.geteuid() == 0:
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    else:
        prefix = []
    modules = Path(__file__).parents[2] / "snakemake_executor_plugin_hutchbatch/local/hosts"
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    home = Path("/tmp") / f"hutchbatch-ordinary-{os.getpid()}"
    home.mkdir()
    try:
        for name in ("root", "scratch"):
            (home / name).mkdir()
            if os.geteuid() == 0:
                os.chown(home / name, 65534, 65534)
        shutil.copytree(modules, home / "hosts")
        order = json.loads(
            json.dumps(order).replace("HERE", str(home)).replace("NAME", f"ordinary-{os.getpid()}")
        )
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = subprocess.Popen(
                [*prefix, python, "-I", "-S", "-c", BOOT, str(home / "hosts")],
                stdin=theirs.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={},
                start_new_session=True,
            )
            theirs.close()
            ours.sendall(json.dumps(order).encode() + b"\n")
            output, _ = process.communicate()
            answers: dict = {}
            for line in ours.makefile("rb"):
                answers.update(json.loads(line))
        return answers, output.decode()
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(home)


ORDER = {
    # Tests in other processes must not find these by their mark.
    "environment": {"PATH": "/usr/bin:/bin", "HOSTNAME": "hutchbatch-NAME"},
    "directory": "/",
    "isolate": True,
    "root": "HERE/root",
    "hidden": [],
    "binds": [["HERE/scratch", "/tmp", False, 0], ["/usr", "/home/ec2-user/miniconda", True, 0]],
    "memory": None,
    "name": "ordinary",
    "ulimits": [],
    "marks": ["HOSTNAME=hutchbatch-NAME"],
}


def user_namespaces_allowed() -> bool:
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    command = ["unshare", "--user", "--map-current-user", "--mount", "true"]
    done = subprocess.run(
        (prefix if os.geteuid() == 0 else []) + command, capture_output=True, check=False
    )
    return done.returncode == 0


def test_an_ordinary_user_gets_mounts_from_a_user_namespace(tmp_path):
    script = "id -u; echo x > /tmp/x; ls -A /tmp; touch /home/ec2-user/miniconda/x; echo $$"
    answers, output = as_ordinary_user(tmp_path, {**ORDER, "command": ["sh", "-c", script]})
    if not user_namespaces_allowed():
        assert "refused" in answers
        return
    assert answers["exit"] == 0, output
    lines = output.splitlines()
    assert lines[1] == "x" and lines[-1] == "1"
    assert "Read-only file system" in output


def test_an_ordinary_user_without_namespaces_leaves_no_process(tmp_path):
    script = "(env -i setsid sleep 1717 &) ; exit 2"
    order = {**ORDER, "isolate": False, "binds": [], "command": ["sh", "-c", script]}
    answers, _ = as_ordinary_user(tmp_path, order)
    assert os.waitstatus_to_exitcode(answers["exit"]) == 2
    assert not processes_with("sleep\x001717")


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces are sure to work for root alone")
def test_the_folder_of_the_person_is_hidden_from_jobs_but_not_the_python_in_it(monkeypatch):
    # Not below /tmp, which a job's scratch hides anyway.
    with tempfile.TemporaryDirectory(dir=Path.home()) as launch:
        library = Path(launch, "venv", "lib")
        library.mkdir(parents=True)
        Path(launch, "data.txt").touch()
        said = []

        def lines(hidden):
            found = []
            host = ProcessHost(Path(launch, "cloud"), {}, said.append, launched_in=hidden)
            look = f'ls -d {launch}; ls {launch}; touch $HOME/x && echo "$HOME"'
            launched = Launch("j", 1, "bash", ("sh", "-c", look), {}, 1, 512, (SCRATCH, TOOLS))
            assert host.start(launched, found.append).wait().exit_code == 0
            host.close()
            return found

        assert lines(None)[:3] == [launch, "cloud", "data.txt"]
        hidden = lines(Path(launch))
        assert not any(line == launch for line in hidden)
        assert "No such file" in hidden[0]
        assert hidden[-1] == "/hutchbatch-job/home"
        monkeypatch.syspath_prepend(str(library))
        assert lines(Path(launch))[:2] == [launch, "venv"]
        assert said == []


@pytest.mark.parametrize("isolate", [True, False])
def test_programs_of_the_persons_path_stand_for_those_of_images(tmp_path, isolate):
    # Below /tmp, which a job's scratch hides; what it links to is beside it.
    tools, launch = tmp_path / "tools" / "bin", tmp_path / "launch" / "bin"
    for folder in (tools, launch, tmp_path / "tools" / "lib"):
        folder.mkdir(parents=True)
    (tmp_path / "tools" / "lib" / "samtools").write_text("#!/bin/sh\necho samtools of mine\n")
    (tmp_path / "tools" / "lib" / "samtools").chmod(0o755)
    (tools / "samtools").symlink_to("../lib/samtools")
    said = []
    host = ProcessHost(
        tmp_path / "cloud",
        {},
        said.append,
        isolate,
        launched_in=tmp_path / "launch",
        search_path=f"{launch}:relative/bin:{tools}:/no/such/folder:/usr/bin",
        words="Images are not used here.",
    )
    lines: list[str] = []
    for number in (1, 2):
        script = ("sh", "-c", 'samtools; echo "$PATH"')
        launched = Launch("j", number, "samtools:1.20", script, {}, 1, 512, (SCRATCH, TOOLS))
        assert host.start(launched, lines.append).wait().exit_code == 0
    host.close()
    assert lines[:2] == lines[2:]
    assert lines[0] == "samtools of mine"
    python = str(Path(sys.executable).parent)
    assert lines[1].split(":")[:3] == [python, str(tools), "/usr/bin"]
    assert said == ["Images are not used here."], "once"


def test_without_isolation_the_person_learns_that_jobs_see_this_machine(tmp_path):
    said = []
    host = ProcessHost(tmp_path, {}, said.append, isolate=True, launched_in=tmp_path)
    host.found_refused("Operation not permitted")
    assert "works here and fails on AWS" in said[0]
