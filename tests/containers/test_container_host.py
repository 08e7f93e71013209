"""Containers as ECS runs them: the host alone, without Batch around it."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest
from straight import until

from snakemake_executor_plugin_hutchbatch.local.hosts.choice import choose_host
from snakemake_executor_plugin_hutchbatch.local.hosts.containers import LABEL, ContainerHost
from snakemake_executor_plugin_hutchbatch.local.hosts.host import Launch, Mount
from snakemake_executor_plugin_hutchbatch.local.hosts.processes import OUT_OF_MEMORY

SCRATCH = Mount("/docker_scratch", "/tmp")


class Run:
    """A host, and what became of the last launch on it."""

    def __init__(self, directory, engine, image) -> None:
        self.engine = engine
        self.host = ContainerHost(directory, directory.parent / "keep", engine, {"GIVEN": "1"})
        self.label = f"--filter=label={LABEL}={directory}"
        self.image = image
        self.lines: list[str] = []
        self.number = 0

    def start(self, *command: str, on_line=None, **more):
        self.number += 1
        self.lines = []
        launch = Launch(
            **{
                "job_id": "11111111-2222:7",
                "attempt": self.number,
                "image": self.image,
                "command": command,
                "environment": {"AWS_BATCH_JOB_ID": "11111111-2222:7"},
                "vcpus": 1,
                "memory": 64,
                "mounts": (SCRATCH,),
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

    def left(self) -> list[str]:
        return self.engine.run("ps", "--all", "--quiet", self.label).stdout.split()


@pytest.fixture(scope="module")
def shared(tmp_path_factory, engine, images):
    runner = Run(tmp_path_factory.mktemp("host") / "hosts", engine, images["plain"])
    yield runner
    runner.host.close()
    assert runner.left() == []
    assert list((runner.host.directory / "containers").iterdir()) == []


@pytest.fixture
def run(shared):
    yield shared
    until(lambda: not shared.left())  # what has ended is removed


def test_output_comes_in_order_with_errors_in_it(run):
    assert run("sh", "-c", "echo one; echo two >&2; printf three").exit_code == 0
    assert run.lines == ["one", "two", "three"]


def test_output_comes_while_the_container_runs_and_kill_ends_it(run):
    seen: list[str] = []
    container = run.start("sh", "-c", "echo up; sleep 1000", on_line=seen.append)
    until(lambda: seen)
    container.kill()
    assert container.wait().exit_code == 137


@pytest.mark.parametrize("code", [3, 125, 126, 127])
def test_a_commands_exit_code_is_not_taken_for_the_engines(run, code):
    ended = run("sh", "-c", f"echo 'Error: mine' >&2; exit {code}")
    assert (ended.exit_code, ended.reason) == (code, None)
    assert run.lines == ["Error: mine"]


def test_the_environment_is_the_jobs_and_the_hosts_and_the_images(run, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_CONTROLLER", "x")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    variables = {"QUOTED": "a 'b' \"c\" $d\n=e", "EMPTY": "", "PATH": "/usr/bin:/bin"}
    assert run("env", "-0", environment=variables).exit_code == 0
    found = dict(entry.split("=", 1) for entry in "\n".join(run.lines).split("\0") if entry)
    for name in ("HOSTNAME", "HOME"):  # as Docker gives them
        found.pop(name)
    assert found == {"GIVEN": "1", **variables}


def test_the_entrypoint_stays_in_front_of_the_command(run, images):
    assert run("sh", "-c", "echo $ENTERED", image=images["entrypoint"]).exit_code == 0
    assert run.lines == ["yes"]
    assert run("-c", image=images["tool"]).exit_code == 0  # wc of nothing
    assert run.lines == ["0"]


def test_volumes_are_this_clouds_and_scratch_is_open_to_all(run):
    assert run("sh", "-c", "echo mine > /tmp/file; stat -c %a /tmp", user="1000").exit_code == 0
    assert run.lines == ["1777"]
    file = run.host.directory / "host" / "docker_scratch" / "file"
    assert file.read_text() == "mine\n"
    mounts = (Mount("/data", "/data", read_only=True), Mount(None, "/own"))
    script = "touch /own/x && echo wrote; touch /data/x || echo refused"
    assert run("sh", "-c", script, mounts=mounts).exit_code == 0
    assert {"wrote", "refused"} <= set(run.lines)
    assert not (run.host.directory / "host" / "data" / "x").exists()


def test_user_shared_memory_and_ulimits_are_the_definitions(run):
    script = "id -u; df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2; ulimit -n"
    limits = (("nofile", 123, 123),)
    assert (
        run("sh", "-c", script, user="1000:1000", shared_memory=32, ulimits=limits).exit_code == 0
    )
    assert run.lines == ["1000", str(32 * 1024), "123"]


def test_a_read_only_root_leaves_only_the_volumes_writable(run):
    script = "touch /tmp/x && echo scratch; touch /x || touch /var/x || touch /run/x"
    assert run("sh", "-c", script, read_only_root=True).exit_code == 1
    assert run.lines[0] == "scratch"


@pytest.mark.skipif(os.geteuid() != 0, reason="a rootless container has no such powers to give")
def test_only_a_privileged_container_has_the_hosts_powers(run):
    script = "while read name value; do [ $name = CapBnd: ] && echo $value; done < /proc/1/status"
    run("bash", "-c", script)
    (plain,) = run.lines
    run("bash", "-c", script, privileged=True)
    (privileged,) = run.lines
    assert int(plain, 16) & 1 << 21 == 0  # CAP_SYS_ADMIN, capabilities(7)
    assert int(privileged, 16) & 1 << 21


def test_too_much_memory_ends_as_on_aws(run):
    if not run.engine.memory:
        pytest.skip("this engine cannot limit memory here")
    ended = run("bash", "-c", "a=x; while :; do a=$a$a; done")
    assert (ended.exit_code, ended.reason) == (137, OUT_OF_MEMORY)
    ended = run("bash", "-c", "(a=x; while :; do a=$a$a; done); exit 9")
    assert (ended.exit_code, ended.reason) == (9, OUT_OF_MEMORY)


def test_a_kill_from_within_is_not_taken_for_a_lack_of_memory(run):
    ended = run("bash", "-c", "exit 137")
    assert (ended.exit_code, ended.reason) == (137, None)


def test_sigterm_comes_first_and_sigkill_after_the_grace(run):
    seen: list[str] = []
    script = "trap 'echo told; exit 9' TERM; echo up; while :; do sleep 0.05; done"
    container = run.start("sh", "-c", script, on_line=seen.append)
    until(lambda: seen)
    container.terminate()
    assert container.wait().exit_code == 9
    assert run.lines == ["up", "told"]
    seen.clear()
    stubborn = script.replace("exit 9", "echo no")
    container = run.start("sh", "-c", stubborn, on_line=seen.append)
    until(lambda: seen)
    container.terminate(grace=0.5)
    assert container.wait().exit_code == 137
    assert "told" in run.lines


def test_a_container_that_is_killed_before_it_starts_ends(run):
    container = run.start("sh", "-c", "sleep 1000")
    container.kill()
    assert container.wait().exit_code in (None, 137)


def test_what_cannot_start_is_reported_as_docker_does_and_has_no_output(run):
    ended = run("/bin/nothing")
    assert ended.exit_code is None
    assert ended.reason.startswith('CannotStartContainerError: Error response from daemon: exec: "')
    assert "/bin/nothing" in ended.reason
    assert run.lines == []


def test_an_image_that_cannot_be_had_is_reported_as_aws_does(run):
    ended = run("true", image="localhost:1/none:1")
    assert ended.exit_code is None
    assert ended.reason.startswith("CannotPullContainerError: pull image manifest has been retried")
    assert "connection refused" in ended.reason


#: A cloud's host with a container in it, which says so and stays.
OWNER = """
    import sys
    from pathlib import Path
    from snakemake_executor_plugin_hutchbatch.local.hosts.containers import ContainerHost
    from snakemake_executor_plugin_hutchbatch.containers.engines import find_engine
    from snakemake_executor_plugin_hutchbatch.local.hosts.host import Launch
    folder = Path(sys.argv[1])
    host = ContainerHost(folder / "hosts", folder / "keep", find_engine(sys.argv[2]), {})
    launch = Launch("job", 1, sys.argv[3], ("sh", "-c", "echo up; sleep 1000"), {}, 1, 64)
    host.start(launch, lambda line: print(line, flush=True)).wait()
"""


def test_nothing_is_left_when_the_cloud_is_killed(tmp_path, engine, images):
    command = [sys.executable, "-c", textwrap.dedent(OWNER), str(tmp_path), engine.program]
    owner = subprocess.Popen([*command, images["plain"]], stdout=subprocess.PIPE, text=True)
    assert owner.stdout.readline() == "up\n"
    label = f"--filter=label={LABEL}={tmp_path}/hosts"
    assert engine.run("ps", "--quiet", label).stdout
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    until(lambda: not engine.run("ps", "--all", "--quiet", label).stdout)


def test_a_new_start_removes_what_an_old_one_left(tmp_path, engine, images):
    label = f"{LABEL}={tmp_path}/hosts"
    made = engine.run("create", f"--label={label}", "--network=host", images["plain"], "true")
    assert made.returncode == 0, made.stderr
    runner = Run(tmp_path / "hosts", engine, images["plain"])
    assert runner.left() == []
    runner.host.close()


def test_auto_takes_containers_where_the_image_is_here_and_else_processes(tmp_path, engine, images):
    said: list[str] = []
    host = choose_host("auto", tmp_path, said.append, True)
    lines: list[str] = []
    try:
        for image in (images["user"], "quay.io/biocontainers/samtools:1.21", images["user"]):
            command = ("sh", "-c", "id -u; echo $GIVEN")
            launch = Launch("job", 1, image, command, {}, 1, 64)
            host.given["GIVEN"] = "both"
            assert host.start(launch, lines.append).wait().exit_code == 0
    finally:
        host.close()
    assert lines == ["1000", "both", str(os.getuid()), "both", "1000", "both"]
    (sentence,) = said
    assert f"{engine.program} pull quay.io/biocontainers/samtools:1.21" in sentence


#: Sends one job and prints what became of it.
CLIENT = """
    import sys, time, boto3
    batch = boto3.client("batch")
    batch.register_job_definition(jobDefinitionName="one", type="container", containerProperties={
        "image": sys.argv[1], "command": ["sh", "-c", "test -e /etc/shadow || exit 7"],
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]})
    job = batch.submit_job(jobName="jdoe-one", jobQueue="mixed", jobDefinition="one")["jobId"]
    while (found := batch.describe_jobs(jobs=[job])["jobs"][0])["status"] not in (
            "SUCCEEDED", "FAILED"):
        time.sleep(0.1)
    print("exit code", found["container"]["exitCode"])
"""


def test_the_command_line_runs_jobs_in_containers(tmp_path, engine, images):
    tool = [sys.executable, "-m", "snakemake_executor_plugin_hutchbatch.cli.main", "local"]
    tool += ["--dir", str(tmp_path / "cloud"), "--containers", engine.program, "--"]
    client = [sys.executable, "-c", textwrap.dedent(CLIENT), images["plain"]]
    done = subprocess.run([*tool, *client], capture_output=True, text=True, check=False)
    assert done.stdout == "exit code 7\n", done  # this machine has that file, the image has not
