"""``hutchbatch doctor`` on the embedded cloud: what is fine, what is missing, a job that runs."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.cli import main
from snakemake_executor_plugin_hutchbatch.doctor.probes import NOBODYS

COMMANDS = Path(__file__).parents[2] / "docs" / "commands.md"
ROLE = "arn:aws:iam::000000000000:role/local-batchtask"
PROFILE = """\
    executor: hutchbatch
    default-storage-provider: s3
    default-storage-prefix: {prefix}
    storage-s3-region: us-west-2
    hutchbatch-job-role: {role}
    hutchbatch-work-prefix: s3://hutchbatch/delete10/{name}
    """


@dataclass
class Finished:
    """How the command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def doctor(workflow, monkeypatch, capsys):
    """Runs ``hutchbatch doctor`` in this process, which saves its imports; the profile is there."""
    name = workflow.prefix.rpartition("/")[2]
    text = PROFILE.format(prefix=workflow.prefix, role=ROLE, name=name)
    workflow.write("hutch/config.yaml", text)
    monkeypatch.chdir(workflow.folder)

    def run(*arguments, profile="hutch", **changes):
        environment = workflow.environment(SNAKEMAKE_HUTCHBATCH_JOB_ROLE=None, **changes)
        for gone in set(os.environ) - set(environment):
            monkeypatch.delenv(gone)
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        capsys.readouterr()
        try:
            code = main.main(["doctor", "--profile", profile, *arguments])
        except SystemExit as ended:  # argparse's
            code = ended.code
        done = Finished(code, *capsys.readouterr())
        print(done.stdout, done.stderr)
        return done

    return run


def reported(done, level):
    """The texts of the findings of a level, by subject."""
    lines = [line.partition(" ")[2].strip() for line in done.stdout.splitlines()]
    picked = [
        t
        for t, whole in zip(lines, done.stdout.splitlines(), strict=True)
        if whole.startswith(level)
    ]
    return [tuple(text.split(": ", 1)) for text in picked]


def files_of(workflow):
    root = Path(workflow.cloud.bucket_dir)
    places = (workflow.stored, root / "delete10" / workflow.stored.name)
    return [f for place in places for f in place.rglob("*") if f.is_file()]


DISK = r"\(\S+ .B, \S+ .B of it free\)"


def test_all_is_fine_and_a_job_really_ran(doctor, workflow):
    done = doctor()
    assert done.returncode == 0, done.stdout + done.stderr
    assert reported(done, "problem") == reported(done, "warning") == []
    (shown, *_) = re.findall(r"```text\n(ok .*?)```", COMMANDS.read_text(), re.S)
    shown = shown.replace("(set by you)", "(assumed)")
    name = workflow.prefix.rpartition("/")[2]
    shown = shown.replace("s3://hutchbatch/tcr", workflow.prefix)
    shown = shown.replace("scratch-delete-30/hutchbatch", f"delete10/{name}")
    # Without colours: it is no terminal. Another machine has another disk.
    assert re.sub(DISK, "", done.stdout).startswith(re.sub(DISK, "", shown))
    assert "hutchbatch: job " in done.stderr
    assert workflow.submissions() == 2  # the refused probe and the job
    assert files_of(workflow) == []


def left_behind(workflow):
    """What a first contact has not removed: files, definitions in use, jobs that live."""
    batch = workflow.client("batch")
    found = batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    names = [definition["jobDefinitionName"] for definition in found]
    definitions = [name for name in names if "first-contact" in name]
    live = [
        job["jobName"]
        for state in ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
        for job in batch.list_jobs(jobQueue="cpu-spot-50", jobStatus=state)["jobSummaryList"]
        if "first-contact" in job["jobName"]
    ]
    return [*files_of(workflow), *definitions, *live]


def test_a_first_contact_answers_seven_questions_in_lines_for_others(doctor, workflow):
    done = doctor("--first-contact", "--wait", "2")
    assert done.returncode == 0
    block = done.stdout.partition("Please send these lines")[2]
    lines = re.findall(r"^(\d)\. (.*?): (.*)$", block, re.M)
    assert [int(number) for number, _, _ in lines] == list(range(1, 8))
    answers = {question: line for _, question, line in lines}
    assert re.match(r"runs with [\d,]+ characters of command", answers["start-up command"])
    assert "/docker_scratch at /tmp: " in answers["scratch"]
    assert "metadata token 200" in answers["machine's role"]
    assert "1 and 1 attempts of 5 allowed" in answers["failing array child"]
    assert "a job definition was" in answers["printed policy"]
    assert "not provoked" in answers["spot loss"]
    assert "Left behind: nothing." in block
    assert "000000000000" not in block
    assert "arn:aws" not in block
    assert left_behind(workflow) == []


def test_ctrl_c_ends_a_first_contact_and_leaves_nothing(doctor, workflow):
    workflow.cloud.fault(kind="starve")
    environment = workflow.environment(SNAKEMAKE_HUTCHBATCH_JOB_ROLE=None)
    command = [sys.executable, "-m", "snakemake_executor_plugin_hutchbatch.cli.main", "doctor"]
    process = subprocess.Popen(
        [*command, "--profile", "hutch", "--first-contact"],
        cwd=workflow.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    batch = workflow.client("batch")
    for _ in range(600):
        waiting = batch.list_jobs(jobQueue="cpu-spot-50", jobStatus="RUNNABLE")["jobSummaryList"]
        if sum("first-contact" in job["jobName"] for job in waiting) >= 3:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, reported = process.communicate(timeout=120)
    assert process.returncode == 130, reported
    assert "CancelJob ended it" in output or "not asked: interrupted" in output
    assert "Left behind: nothing." in output
    assert left_behind(workflow) == []


def test_a_helpdesk_gets_everything_but_credentials(doctor, workflow):
    done = doctor(
        *("--no-job", "--json", "--", "--hutchbatch-queue", "mixed,cpu-spot-50"),
        *("--storage-s3-region", "eu-west-1"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told_all = json.loads(done.stdout)
    assert told_all["user"] == "arn:aws:iam::000000000000:user/local"
    assert told_all["region"] == "us-west-2"
    assert told_all["policy"] is None
    assert told_all["versions"]["snakemake"].startswith("9.")
    (queues,) = (f for f in told_all["findings"] if f["subject"] == "queues")
    assert "jobs go to mixed, then cpu-spot-50 (set by you)" in queues["sentence"]
    (warned,) = (f for f in told_all["findings"] if f["level"] == "warning")
    assert "is in region us-west-2, not eu-west-1" in warned["sentence"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert workflow.cloud.environment[name] not in done.stdout + done.stderr


def test_probes_of_permissions_leave_nothing_behind(doctor, workflow):
    assert doctor("--no-job").returncode == 0
    batch = workflow.client("batch")
    made = batch.describe_job_definitions(jobDefinitionName=NOBODYS)["jobDefinitions"]
    states = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
    jobs = [
        job["jobName"]
        for state in states
        for job in batch.list_jobs(jobQueue="cpu-spot-50", jobStatus=state)["jobSummaryList"]
    ]
    assert made == []
    assert NOBODYS not in jobs
    assert files_of(workflow) == []


DENIED = {
    "batch:SubmitJob": "problem",
    "batch:RegisterJobDefinition": "problem",
    "batch:TagResource": "problem",
    "batch:DescribeJobs": "problem",
    "batch:DescribeJobQueues": "warning",
    "batch:DescribeComputeEnvironments": "warning",
    "batch:DescribeJobDefinitions": "warning",
    "batch:ListJobs": "warning",
    "batch:GetJobQueueSnapshot": "warning",
    "batch:TerminateJob": "warning",
    "batch:CancelJob": "warning",
    "logs:GetLogEvents": "warning",
    "logs:FilterLogEvents": "warning",
    "s3:GetObject": "problem",
    "s3:DeleteObject": "problem",
}


def test_every_missing_permission_is_named_with_a_policy_that_gives_it(doctor, workflow):
    for action in DENIED:
        workflow.cloud.fault(kind="deny", action=action)
    done = doctor("--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    levels = {a: f["level"] for f in found["findings"] for a in f["missing"]}
    assert levels == DENIED
    allowed = [a for s in found["policy"]["Statement"] for a in s["Action"]]
    assert sorted(allowed) == sorted(DENIED)
    (job,) = (f for f in found["findings"] if f["subject"] == "job")
    assert job["sentence"] == "No job was run"


@pytest.mark.parametrize(
    ("fault", "level", "sentence"),
    [
        (
            {"kind": "deny", "action": "s3:DeleteObject", "caller": "role"},
            "problem",
            "role/local-batchtask is not allowed to use s3:DeleteObject on s3://",
        ),
        ({"kind": "no_image"}, "problem", "[IMAGE]"),
        ({"kind": "starve"}, "warning", "AWS has no spare machines for queue cpu-spot-50"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_job_that_does_not_end_well_says_why(doctor, workflow, fault, level, sentence):
    workflow.cloud.fault(**fault)
    wait = ("--wait", "0.1") if fault["kind"] == "starve" else ()
    done = doctor(*wait)
    found = dict(reported(done, level))
    assert sentence in found["job"], done.stdout
    assert done.returncode == (1 if level == "problem" else 0)
    assert ("helps the jobs' role" in done.stdout) is (fault["kind"] == "deny")
    waiting = workflow.client("batch").list_jobs(jobQueue="cpu-spot-50", jobStatus="RUNNABLE")
    assert waiting["jobSummaryList"] == []


@pytest.mark.parametrize(
    ("options", "changes", "subject", "sentence"),
    [
        (["--hutchbatch-queue", "mixd"], {}, "queues", "Did you mean --hutchbatch-queue mixed?"),
        (["--hutchbatch-region", "us-wst-2"], {}, "region", "Did you mean"),
        (["--hutchbatch-job-role", ROLE.replace("0:r", "1:r")], {}, "job role", "to account"),
        (["--default-storage-prefix", "s3://no-such-bucket/x"], {}, "bucket", "There is no bucket"),
        ([], {"AWS_SECRET_ACCESS_KEY": "wrong"}, "credentials", "AWS does not accept"),
        (
            [],
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            "credentials",
            "No AWS credentials were found",
        ),
    ],
)
def test_what_is_wrong_is_a_problem_with_what_to_do(doctor, options, changes, subject, sentence):
    done = doctor("--no-job", "--", *options, **changes)
    assert done.returncode == 1
    assert sentence in dict(reported(done, "problem"))[subject], done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_settings_that_are_missing_are_named(doctor, workflow):
    workflow.write("bare/config.yaml", "executor: hutchbatch\n")
    done = doctor("--no-job", profile="bare")
    problems = dict(reported(done, "problem"))
    assert problems["bucket"].startswith("No storage location set")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--", "--nonsense"], 2, "unrecognized arguments: --nonsense"),
        (["--", "--hutchbatch-policy", "fast"], 1, "the policy is availability"),
        (["--profile", "nowhere"], 2, "profile directory given (nowhere), but no"),
        (["--image", "shub://some/thing"], 2, "AWS Batch runs Docker images"),
        (["--wait", "long"], 2, "is not a number of minutes"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(doctor, arguments, code, sentence):
    done = doctor(*arguments)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
