"""Rules run in the conda environments that they name: built once, by a job of their own."""

import getpass
import json
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import conda_channel
import pytest
import warm_start
from workflows import Workflow

SECONDS = 120
CONDA = ("--sdm", "conda")


@pytest.fixture(scope="module")
def channels(tmp_path_factory):
    channel = conda_channel.stand_ins(tmp_path_factory.mktemp("channels") / "stand-ins")
    with conda_channel.ChannelServer(channel.folder.parent) as running:
        yield running


@pytest.fixture
def server(channels):
    channels.forget()
    return channels


def env(server, *dependencies):
    packages = "".join(f"  - {each}\n" for each in dependencies)
    return f"channels:\n  - {server.url}/stand-ins\ndependencies:\n{packages}"


def builds(workflow):
    """The jobs on Batch that build, of all tests so far, by id."""
    batch = workflow.client("batch")
    return {
        job["jobId"]
        for queue in batch.describe_job_queues()["jobQueues"]
        for job in batch.list_jobs(
            jobQueue=queue["jobQueueName"],
            filters=[{"name": "JOB_NAME", "values": [f"{getpass.getuser()}-conda-environment-*"]}],
        )["jobSummaryList"]
    }


def hutchbatch(workflow, *arguments, code=0):
    done = warm_start.hutchbatch(
        *arguments, cwd=workflow.folder, env=workflow.environment(), timeout=SECONDS
    )
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout


def until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


ALL_KINDS = """
    rule all:
        input: expand("many/{x}.txt", x=range(MANY)), "script.txt", "wrapped.txt", "second.txt", \
            "under.txt"
    rule many:
        output: "many/{x}.txt"
        conda: lambda wildcards: f"envs/{['old', 'new', 'both'][int(wildcards.x) % 3]}.yaml"
        shell: "tool > {output}"
    rule script:
        output: "script.txt"
        params: word="given"
        conda: "envs/both.yaml"
        script: "scripts/write.py"
    rule wrapped:
        output: "wrapped.txt"
        wrapper: "greeting"
    rule under:
        output: "under.txt"
        resources: hutchbatch_mode="snakemake"
        conda: "envs/old.yaml"
        shell: "tool > {output}"
    rule first:
        output: temp("first.txt")
        group: "pair"
        conda: "envs/old.yaml"
        shell: "tool > {output}"
    rule second:
        input: "first.txt"
        output: "second.txt"
        group: "pair"
        conda: "envs/new.yaml"
        shell: "cat {input} > {output}; tool >> {output}"
"""


def write_all_kinds(workflow, server, many):
    workflow.write("Snakefile", ALL_KINDS.replace("MANY", str(many)))
    workflow.write("envs/old.yaml", env(server, "tool =1.0"))
    workflow.write("envs/new.yaml", env(server, "tool >=2", "activated"))
    workflow.write("envs/both.yaml", env(server, "tool >=2", "python", "greetings"))
    workflow.write(
        "scripts/write.py",
        """
        import greetings, sys
        with open(snakemake.output[0], "w") as file:
            print(snakemake.params.word, sys.prefix, greetings.__file__, file=file)
        """,
    )
    # Its environment says the same as another one's: it is the same.
    workflow.write(
        "wrappers/greeting/environment.yaml", env(server, "tool >=2", "python", "greetings")
    )
    workflow.write(
        "wrappers/greeting/wrapper.py",
        """
        from snakemake.shell import shell
        shell("greet > {snakemake.output}")
        """,
    )
    return ("--wrapper-prefix", f"file://{workflow.folder}/wrappers/", *CONDA)


@pytest.mark.parametrize("many", [6, pytest.param(48, marks=pytest.mark.thorough)])
def test_jobs_over_three_environments_make_three_builds_and_later_runs_none(
    workflow, server, tmp_path_factory, many
):
    before = builds(workflow)
    arguments = write_all_kinds(workflow, server, many)
    work = f"{workflow.prefix}-work/"
    shared = ("--hutchbatch-work-prefix", work)
    plan = json.loads(hutchbatch(workflow, "plan", "--json", "--", *place(workflow), *arguments))
    assert {e["name"]: e["state"] for e in plan["environments"]} == dict.fromkeys(
        ("envs/old.yaml", "envs/new.yaml", "envs/both.yaml"), "to be solved"
    )
    output = workflow.succeed(*arguments, *shared, "--jobs", "100")
    assert len(builds(workflow) - before) == 3
    assert output.count(": building it once, AWS Batch job ") == 3
    assert output.count(" was built in ") == 3
    # Each package was fetched once, for all environments together.
    fetched = server.downloads()
    assert sorted(set(fetched)) == sorted(fetched)
    roots = set()
    for x in range(many):
        words = workflow.text(f"many/{x}.txt").split()
        assert words[:2] == ["tool", "1.0" if x % 3 == 0 else "2.0"]
        roots.add(words[3])
    assert len(roots) == 3
    word, prefix, module = workflow.text("script.txt").split()
    assert word == "given"
    assert prefix in roots
    assert module.startswith(prefix)
    assert workflow.text("wrapped.txt").split() == ["greetings", "from", prefix]
    assert workflow.text("under.txt").split()[:2] == ["tool", "1.0"]
    versions = [line.split()[1] for line in workflow.text("second.txt").splitlines()]
    assert versions == ["1.0", "2.0"]
    assert not (workflow.stored / "first.txt").exists()

    # Another person's folder and results, the same work prefix: nothing is built or fetched.
    server.forget()
    other = Workflow(workflow.cloud, tmp_path_factory.mktemp("other"), f"{workflow.stored.name}-2")
    arguments = write_all_kinds(other, server, many)
    done = builds(workflow)
    again = other.succeed(*arguments, *shared, "--jobs", "100")
    assert builds(workflow) == done
    assert server.downloads() == []
    assert again.count(" is there.") == 3
    assert other.text("script.txt").split()[1] == prefix

    plan = json.loads(
        hutchbatch(other, "plan", "--json", "--", "-F", *place(other), *shared, *arguments)
    )
    assert [e["state"] for e in plan["environments"]] == ["built"] * 3
    table = hutchbatch(other, "envs")
    assert "3 environments" in table
    assert "envs/both.yaml" in table
    pins = hutchbatch(other, "envs", "--export", "envs/new.yaml")
    assert "@EXPLICIT" in pins
    assert f"{server.url}/stand-ins/linux-64/tool-2.0" in pins
    assert "0 of 3 environments" in hutchbatch(other, "envs", "--prune", "1")
    assert "3 conda environments: 3 were there already." in hutchbatch(other, "status")


def place(workflow):
    return ("--default-storage-provider", "s3", "--default-storage-prefix", workflow.prefix)


ONE = """
    rule all:
        input: "a.txt", "b.txt"
    rule a:
        output: "a.txt"
        conda: "envs/slow.yaml"
        shell: "cat $CONDA_PREFIX/deployed.txt > {output}"
    rule b:
        output: "b.txt"
        shell: "echo b > {output}"
"""


class Slow:
    """A workflow whose environment is there only when a test lets it."""

    def __init__(self, workflow, server, go: Path) -> None:
        self.workflow, self.go = workflow, go
        workflow.write("Snakefile", ONE)
        workflow.write("envs/slow.yaml", env(server, "wordlist"))
        workflow.write(
            "envs/slow.post-deploy.sh",
            f"""
            while [ ! -e {go} ]; do sleep 0.1; done
            echo once >> {go}.count
            echo deployed > $CONDA_PREFIX/deployed.txt
            """,
        )

    def start(self, log: Path, *arguments: str) -> subprocess.Popen:
        with log.open("w") as file:
            return subprocess.Popen(
                self.workflow.command(*CONDA, *arguments),
                cwd=self.workflow.folder,
                env=self.workflow.environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
            )


@pytest.fixture
def logs():
    # Jobs have a /tmp of their own.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.mark.thorough
def test_a_killed_controller_and_two_at_once_share_one_build(
    workflow, server, logs, tmp_path_factory
):
    before = builds(workflow)
    slow = Slow(workflow, server, logs / "go")
    shared = ("--hutchbatch-work-prefix", f"{workflow.prefix}-work/")
    first = slow.start(logs / "1", *shared)
    until(lambda: "building it once" in (logs / "1").read_text())
    # Other rules go on meanwhile, and status says for what the others wait.
    until((workflow.stored / "b.txt").exists)
    until(lambda: "job waits for the conda env" in hutchbatch(workflow, "status"))
    first.send_signal(signal.SIGKILL)
    first.wait(SECONDS)
    other = Workflow(workflow.cloud, tmp_path_factory.mktemp("other"), f"{workflow.stored.name}-2")
    beside = Slow(other, server, slow.go)
    runs = [slow.start(logs / "2", *shared), beside.start(logs / "3", *shared)]
    for log in ("2", "3"):
        until(lambda: "is building it, AWS Batch job" in (logs / log).read_text())  # noqa: B023
    slow.go.touch()
    for run, log in zip(runs, "23", strict=True):
        assert run.wait(SECONDS) == 0, (logs / log).read_text()
    assert workflow.text("a.txt") == other.text("a.txt") == "deployed\n"
    assert len(builds(workflow) - before) == 1
    assert Path(f"{slow.go}.count").read_text() == "once\n"


@pytest.mark.thorough
def test_environments_behind_a_checkpoint_are_built_once_its_jobs_are_known(workflow, server, logs):
    go = logs / "go"
    workflow.write(
        "Snakefile",
        f"""
        def chosen(wildcards):
            checkpoints.pick.get()
            return "late.txt"
        rule all:
            input: chosen
        checkpoint pick:
            output: "picked.txt"
            shell: "echo late > {{output}}"
        rule slow:
            input: "picked.txt"
            output: "slow.txt"
            shell: "while [ ! -e {go} ]; do sleep 0.1; done; echo slow > {{output}}"
        rule late:
            input: "slow.txt"
            output: "late.txt"
            conda: "envs/late.yaml"
            shell: "tool > {{output}}"
        """,
    )
    workflow.write("envs/late.yaml", env(server, "tool"))
    with (logs / "1").open("w") as file:
        run = subprocess.Popen(
            workflow.command(*CONDA),
            cwd=workflow.folder,
            env=workflow.environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    until(lambda: "Environment envs/late.yaml (1 package" in (logs / "1").read_text())
    go.touch()
    assert run.wait(SECONDS) == 0, (logs / "1").read_text()
    assert workflow.text("late.txt").startswith("tool 2.0")


@pytest.mark.thorough
def test_a_lost_machine_and_a_failed_build_are_those_of_the_environment(workflow, server):
    before = builds(workflow)
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "good.txt", expand("bad/{x}.txt", x=range(5)), "free.txt"
        rule good:
            output: "good.txt"
            conda: "envs/good.yaml"
            shell: "cat $CONDA_PREFIX/share/wordlist/list.txt > {output}"
        rule bad:
            output: "bad/{x}.txt"
            conda: "envs/bad.yaml"
            shell: "echo {wildcards.x} > {output}"
        rule free:
            output: "free.txt"
            shell: "echo free > {output}"
        """,
    )
    workflow.write("envs/good.yaml", env(server, "wordlist"))
    workflow.write("envs/bad.yaml", env(server, "faillink"))
    workflow.cloud.fault(kind="lose_host", name="*conda-environment-good*", after=0.2, times=1)
    output = workflow.fail(*CONDA, "--keep-going")
    assert workflow.text("good.txt") == "one\ntwo\n"
    assert workflow.text("free.txt") == "free\n"
    assert not (workflow.stored / "bad").exists()
    assert len(builds(workflow) - before) == 2
    assert output.count("Environment envs/bad.yaml could not be built: ") == 1
    assert output.count("[ENVIRONMENT]") == 5
    assert "bad: 5 ENVIRONMENT" in output
    assert "faillink" in output
    assert "2 conda environments: 1 built during this run" in hutchbatch(workflow, "status", code=1)


def test_what_cannot_be_had_is_said_before_any_job(workflow, server):
    before = workflow.submissions()
    workflow.write("Snakefile", ONE)
    workflow.write("envs/slow.yaml", env(server, "unmeetable"))
    output = workflow.fail(*CONDA)
    assert "envs/slow.yaml" in output
    assert "nobody-makes-this" in output
    assert "shutdown" not in output
    workflow.write("Snakefile", ONE.replace("envs/slow.yaml", "mine"))
    output = workflow.fail(*CONDA)
    assert "Rule a: its conda: names an environment of your machine, mine" in output
    assert workflow.submissions() == before
    # Without the option it is ignored, as in plain Snakemake.
    workflow.write("Snakefile", ONE.replace("cat $CONDA_PREFIX/deployed.txt", "echo b"))
    workflow.succeed("a.txt")


@pytest.mark.thorough
def test_environments_are_built_ahead_of_a_run(workflow, server):
    before = builds(workflow)
    workflow.write("Snakefile", ONE.replace("deployed.txt", "share/wordlist/list.txt"))
    workflow.write("envs/slow.yaml", env(server, "wordlist"))
    arguments = ("--", *place(workflow), *CONDA)
    assert "1 of 1 environment ready, 1 built now" in hutchbatch(
        workflow, "envs", "--build", *arguments
    )
    assert len(builds(workflow) - before) == 1
    assert not (workflow.stored / "b.txt").exists()
    assert "1 of 1 environment ready, 0 built now" in hutchbatch(
        workflow, "envs", "--build", *arguments
    )
    assert len(builds(workflow) - before) == 1
    shutil.rmtree(workflow.folder / ".snakemake")
    assert " is there." in workflow.succeed(*CONDA)
    assert workflow.text("a.txt") == "one\ntwo\n"


@pytest.mark.thorough
def test_without_the_extra_the_building_job_chooses_the_packages(workflow, server):
    before = builds(workflow)
    workflow.write("Snakefile", ONE.replace("deployed.txt", "share/wordlist/list.txt"))
    workflow.write("envs/slow.yaml", env(server, "wordlist"))
    workflow.write("none/sitecustomize.py", 'import sys\nsys.modules["rattler"] = None\n')
    output = workflow.succeed(*CONDA, PYTHONPATH=str(workflow.folder / "none"))
    assert "Environment envs/slow.yaml: building it once" in output
    assert workflow.text("a.txt") == "one\ntwo\n"
    assert len(builds(workflow) - before) == 1
    assert server.downloads("wordlist") == ["wordlist-2024-hd_0.conda"]
