"""``hutchbatch init``: its profile runs a workflow; what cannot be used is asked again."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import warm_start
import workflows
import yaml

from snakemake_executor_plugin_hutchbatch.doctor import snakemake_settings
from snakemake_executor_plugin_hutchbatch.local.batch.config import (
    BatchConfig,
    ComputeEnvironment,
    Queue,
)
from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud
from snakemake_executor_plugin_hutchbatch.settings.values import Mount

HUTCHBATCH = [sys.executable, "-m", "snakemake_executor_plugin_hutchbatch.cli.main"]
ROLE = "arn:aws:iam::000000000000:role/local-batchtask"
GIVEN = ("--bucket", "hutchbatch", "--job-role", ROLE)


#: Nobody's account: nothing may be asked.
NOBODY = {
    **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
    **{"AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-west-2"},
}


def init(folder, *arguments, env=None, **changes):
    environment = {**(env or NOBODY), **changes}
    return warm_start.hutchbatch("init", *arguments, cwd=folder, env=environment)


def written(folder, profile="profiles/hutch"):
    return yaml.safe_load((folder / profile / "config.yaml").read_text())


def test_the_profile_of_a_nextflow_config_runs_a_workflow_with_its_requests(workflow):
    workflow.write(
        "nextflow.config",
        """\
        process.executor = 'awsbatch'
        process.queue = 'mixed'
        aws {
            region = 'us-west-2'
            batch {
                cliPath = '/home/ec2-user/miniconda/bin/aws'
                jobRole = 'arn:aws:iam::000000000000:role/local-batchtask'
                volumes = ['/docker_scratch:/tmp:rw']
            }
        }
        workDir = 's3://hutchbatch/scratch-delete-30/nextflow'
        process {
            container = 'ubuntu:22.04'
            withName: 'first' {
                memory = { 1.GB * task.attempt }
                cpus = { 1 * task.attempt }
                errorStrategy = 'retry'
                time = '1 h'
            }
            withName: 'second' {
                queue = 'cpu-spot-40'
                container = 'quay.io/biocontainers/samtools:1.21--h50ea8bc_0'
            }
            withLabel: 'big' { memory = 64.GB }
        }
        """,
    )
    name = workflow.prefix.rpartition("/")[2]
    done = init(workflow.folder, "--from-nextflow", "nextflow.config", "--prefix", name)
    assert done.returncode == 0, done.stderr
    assert "withLabel big: memory = 64.GB: rules have no labels" in done.stdout
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "first.txt", "second.txt"
        rule first:
            output: "first.txt"
            shell: "test {resources.mem_mb} = 2000 && echo {threads} > {output}"
        rule second:
            output: "second.txt"
            shell: "echo > {output}"
        """,
    )
    # Only what costs a test's time is not the profile's.
    run = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--profile", "profiles/hutch"),
            *("--seconds-between-status-checks", "1"),
        ],
        cwd=workflow.folder,
        env=workflow.environment(SNAKEMAKE_HUTCHBATCH_JOB_ROLE=None),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:]
    assert workflow.text("first.txt").strip() == "2"
    jobs = workflow.jobs(run.stdout)  # of first, the last one: its second attempt
    needs = {n["type"]: n["value"] for n in jobs["first"]["container"]["resourceRequirements"]}
    assert needs == {"VCPU": "2", "MEMORY": "1908"}  # 2000 MB in MiB
    assert jobs["first"]["timeout"] == {"attemptDurationSeconds": 3600}
    assert jobs["first"]["container"]["image"] == "ubuntu:22.04"
    assert jobs["first"]["jobQueue"].endswith("/mixed")
    assert jobs["second"]["jobQueue"].endswith("/cpu-spot-40")
    image = "quay.io/biocontainers/samtools:1.21--h50ea8bc_0"
    assert jobs["second"]["container"]["image"] == image
    assert (Path(workflow.cloud.bucket_dir) / "scratch-delete-30/nextflow/runs").is_dir()


def test_without_a_terminal_only_what_nobody_can_guess_must_be_given(tmp_path):
    refused = init(tmp_path, "--site", "hutch")
    assert refused.returncode == 2
    assert refused.stderr.startswith("hutchbatch: Your PI's bucket in S3")
    assert "--bucket NAME" in refused.stderr
    assert not (tmp_path / "profiles").exists()

    done = init(tmp_path, *GIVEN, "--user", "jdoe")
    assert done.returncode == 0, done.stderr
    assert "No AWS credentials were found" in done.stderr
    assert "Site hutch is assumed: --site names another." in done.stderr
    profile = written(tmp_path)
    assert profile["default-storage-prefix"].startswith("s3://hutchbatch/")
    assert profile["hutchbatch-site"] == "hutch"
    assert profile["hutchbatch-user"] == "jdoe"
    assert profile["hutchbatch-job-role"] == ROLE
    # What the site says anyway is not in the profile, and counts.
    ours = {key for key in profile if key.startswith("hutchbatch-")}
    assert ours == {"hutchbatch-site", "hutchbatch-user", "hutchbatch-job-role"}
    read = snakemake_settings.read(str(tmp_path / "profiles/hutch"), ())
    assert read.places[-1].url == "s3://hutchbatch/scratch-delete-30/hutchbatch/"
    assert read.settings.value("scratch") == Mount("/docker_scratch", "/tmp")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A lab's account of today: one queue, and job definitions of Nextflow's."""
    environments = (ComputeEnvironment("default", 128, ("optimal",), "SPOT", 50),)
    config = BatchConfig((Queue("default", ("default",)),), environments)
    with LocalCloud(tmp_path_factory.mktemp("lab"), config=config) as cloud:
        workflows.Workflow(cloud, Path(), "").client("batch").register_job_definition(
            jobDefinitionName="nf-ubuntu",
            type="container",
            containerProperties={
                "image": "ubuntu",
                "resourceRequirements": [
                    {"type": "VCPU", "value": "1"},
                    {"type": "MEMORY", "value": "128"},
                ],
                "volumes": [{"name": "v", "host": {"sourcePath": "/var/lib/docker"}}],
                "mountPoints": [{"sourceVolume": "v", "containerPath": "/tmp"}],
            },
        )
        yield cloud


def test_a_run_that_names_no_site_says_what_its_account_shows(lab, tmp_path):
    workflow = workflows.Workflow(lab, tmp_path, "shown")
    workflow.write("Snakefile", "rule one:\n    output: 'one.txt'\n    shell: 'echo > {output}'\n")
    output = workflow.succeed("one.txt")
    assert "Site hutch-lab is assumed, with scratch /var/lib/docker:/tmp, because" in output
    (job,) = workflow.jobs(output).values()
    sources = [volume["host"]["sourcePath"] for volume in job["container"]["volumes"]]
    assert "/var/lib/docker" in sources
    assert "/docker_scratch" not in sources
    # The next start knows.
    before = lab.calls()["calls"]["DescribeJobDefinitions"]
    planned = warm_start.hutchbatch(
        *("plan", "--", *workflow.command("one.txt", "--forceall")[3:]),
        cwd=tmp_path,
        env=workflow.environment(),
    )
    assert "Site hutch-lab is assumed" in planned.stdout + planned.stderr
    assert lab.calls()["calls"]["DescribeJobDefinitions"] == before
    # A named site has its own place for control files, and says so where that is missing.
    workflow.client("s3").create_bucket(Bucket="fh-pi-roe-k-eco")
    storage = ("--default-storage-prefix", "s3://fh-pi-roe-k-eco/tcr")
    refused = workflow.fail("one.txt", "--hutchbatch-site", "hutch-lab", *storage)
    assert "fh-pi-roe-k-nextflow-scratch" in refused
    assert "--hutchbatch-work-prefix" in refused


def test_a_labs_account_is_found_out_and_checked(lab, tmp_path):
    env = lab.environment_for(NOBODY)
    refused = init(tmp_path, "--bucket", "hutchbatch", "--queue", "mixed", env=env)
    assert refused.returncode == 2
    assert "this account has no queue mixed; there are default" in refused.stderr

    terminal = Terminal(tmp_path, env=env)
    for question, answer in [
        ("You are arn:aws:iam::000000000000:user/local, region us-west-2.", ""),
        ("another site [hutch-lab]: ", "\n"),
        ("Your PI's bucket in S3", "fh-pi-doe-j-eco\n"),
        ("The folder in the bucket for this workflow [", "tcr\n"),
        ("The AWS region [us-west-2]: ", "\n"),
        ("[none]: ", "\n"),
        ("  default  spot  50", ""),
        ("[auto]: ", "cpu-spot-50\n"),
        ("Invalid answer: this account has no queue cpu-spot-50; there are default.", ""),
        ("[auto]: ", "\n"),
        ("Your HutchNet ID", "jdoe\n"),
        ("There is no bucket fh-pi-doe-j-nextflow-scratch yet", ""),
        ("[s3://fh-pi-doe-j-eco/tcr/.hutchbatch/]: ", "s3://fh-pi-doe-j-eco/delete10\n"),
        ("a job that hangs keeps its machine", ""),
        ("[60]: ", "soon\n"),
        ("Invalid answer: a run time is a whole number of minutes", ""),
        ("[60]: ", "none\n"),
        ("Use it:    snakemake --profile profiles/hutch", ""),
    ]:
        terminal.wait_for(question)
        terminal.type(answer)
    assert terminal.end() == 0
    profile = written(tmp_path)
    ours = {key: value for key, value in profile.items() if key.startswith("hutchbatch-")}
    assert ours == {
        "hutchbatch-site": "hutch-lab",
        "hutchbatch-user": "jdoe",
        "hutchbatch-work-prefix": "s3://fh-pi-doe-j-eco/delete10/",
    }
    assert profile["default-resources"] == ["mem_mb=1000"]
    # The wrong site is noticed.
    wrong = ("--hutchbatch-site", "hutch", "--default-storage-prefix", "s3://hutchbatch/x")
    seen = warm_start.hutchbatch(
        *("doctor", "--no-job", "--profile", "profiles/hutch", "--", *wrong), cwd=tmp_path, env=env
    )
    sentence = "jobs' scratch is /docker_scratch:/tmp, but job definitions of this account mount"
    assert f"{sentence} /var/lib/docker at /tmp" in seen.stdout


def test_a_profile_is_not_overwritten_unless_asked_for(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/config.yaml").write_text("jobs: 3\n")
    refused = init(tmp_path, *GIVEN, "--profile", "mine")
    assert refused.returncode == 1
    assert "mine/config.yaml exists already" in refused.stderr
    assert written(tmp_path, "mine") == {"jobs": 3}
    assert init(tmp_path, *GIVEN, "--profile", "mine", "--force").returncode == 0
    assert written(tmp_path, "mine")["executor"] == "hutchbatch"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--policy", "fast"], 2, "--policy 'fast': the policy is availability"),
        (["--bucket", "My Bucket"], 2, "a bucket's name looks like fh-pi-lastname-f-eco"),
        (["--prefix", "a b"], 2, "a folder looks like myproject"),
        (["--from-nextflow", "none.config"], 1, "none.config could not be read: No such file"),
        (["--from-nextflow", "bad.config"], 1, "bad.config: line 1: this { has no }"),
        (["--nextflow-profile", "x"], 2, "--nextflow-profile needs --from-nextflow"),
        (["--profile", "bad.config"], 1, "could not be written: File exists"),
        (["--site", "own.yaml"], 2, "--site 'own.yaml': own.yaml, line 1: scratch a: "),
        (["--runtime", "0"], 2, "--runtime '0': a run time is a whole number of minutes"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(tmp_path, arguments, code, sentence):
    (tmp_path / "bad.config").write_text("process {\n")
    (tmp_path / "own.yaml").write_text("scratch: a\n")
    done = init(tmp_path, *GIVEN, *arguments)
    assert done.returncode == code
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


class Terminal:
    """A person at a terminal, who waits for each question."""

    def __init__(self, folder, *arguments, env=None):
        self.screen = ""
        self._master, theirs = pty.openpty()
        self.process = subprocess.Popen(
            # A shell's background jobs, which tests may be, are started deaf to Ctrl-C.
            ["env", "--default-signal=INT", *HUTCHBATCH, "init", *arguments],
            cwd=folder,
            env=env or NOBODY,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def wait_for(self, text, seconds=120, meanwhile=lambda: None):
        deadline = time.monotonic() + seconds
        while text not in self.screen:
            assert time.monotonic() < deadline, self.screen
            if select.select([self._master], [], [], 2)[0]:
                self.screen += self._read()
            elif text not in self.screen:
                meanwhile()
        before, _, self.screen = self.screen.partition(text)
        return before

    def _read(self):
        try:
            return os.read(self._master, 4096).decode()
        except OSError:
            raise AssertionError(f"it ended: {self.screen}") from None

    def type(self, text):
        os.write(self._master, text.encode())

    def end(self):
        code = self.process.wait(timeout=120)
        os.close(self._master)
        return code


def test_a_person_is_asked_and_shown_what_is_wrong_with_an_answer(tmp_path):
    terminal = Terminal(tmp_path)
    for question, answer in [
        ("Your account cannot be asked", ""),
        ("another site [hutch]: ", "hutchlab\n"),
        ("Invalid answer: there is no such site: write hutch or hutch-lab", ""),
        ("another site [hutch]: ", "\n"),
        ("Your PI's bucket in S3", "fh_pi\n"),
        ("Invalid answer: a bucket's name looks like fh-pi-lastname-f-eco", ""),
        ("Your PI's bucket in S3", "s3://fh-pi-doe-j-eco\n"),
        ("The folder in the bucket for this workflow [", "tcr\n"),
        ("The AWS region [us-west-2]: ", "\n"),
        ("The IAM role for the jobs", "batchtask\n"),
        ("Invalid answer: a job role is an ARN", ""),
        ("[none]: ", f"{ROLE}\n"),
        ("  cpu-spot-30", ""),  # the site's: nobody could be asked
        ("[auto]: ", "\n"),
        ("[availability]: ", "capacity\n"),
        ("Your HutchNet ID", "jdoe\n"),
        ("[s3://fh-pi-doe-j-eco/scratch-delete-30/hutchbatch/]: ", "\n"),
        ("[60]: ", "\n"),
        ("Use it:    snakemake --profile profiles/hutch", ""),
    ]:
        terminal.wait_for(question)
        terminal.type(answer)
    assert terminal.end() == 0
    profile = written(tmp_path)
    assert profile["default-storage-prefix"] == "s3://fh-pi-doe-j-eco/tcr"
    assert profile["hutchbatch-policy"] == "capacity"
    assert profile["default-resources"] == ["mem_mb=1000", "runtime=60"]


def test_what_a_nextflow_config_says_is_not_asked_again(tmp_path):
    (tmp_path / "nextflow.config").write_text(
        f"process.queue = 'default'\naws.region = 'us-west-2'\naws.batch.jobRole = '{ROLE}'\n"
        "process.time = '2 h'\nworkDir = 's3://fh-pi-doe-j/scratch-delete-30/work'\n"
    )
    terminal = Terminal(tmp_path, "--from-nextflow", "nextflow.config", "--user", "jdoe")
    for question, answer in [
        ("for the workflow's files [fh-pi-doe-j]: ", "\n"),
        ("The folder in the bucket for this workflow [", "tcr\n"),
        ("Wrote profiles/hutch/config.yaml", ""),
    ]:
        terminal.wait_for(question)
        terminal.type(answer)
    assert terminal.end() == 0
    profile = written(tmp_path)
    assert profile["default-storage-prefix"] == "s3://fh-pi-doe-j/tcr"
    assert profile["hutchbatch-site"] == "hutch-lab"
    assert profile["hutchbatch-queue"] == "default"
    assert profile["hutchbatch-work-prefix"] == "s3://fh-pi-doe-j/scratch-delete-30/work/"
    assert profile["default-resources"] == ["mem_mb=1000", "runtime=120"]


def test_ctrl_c_ends_the_questions_and_writes_nothing(tmp_path):
    terminal = Terminal(tmp_path)
    terminal.wait_for("Whose AWS account do you use?")
    # One that comes between the question and the reading of its answer is lost in Python's input().
    terminal.wait_for(
        "nothing was written",
        meanwhile=lambda: os.killpg(terminal.process.pid, signal.SIGINT),
    )
    assert terminal.end() == 130
    assert list(tmp_path.iterdir()) == []
