"""``hutchbatch logs`` of real jobs on the embedded cloud."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.cli import main
from snakemake_executor_plugin_hutchbatch.record.journal import PLACE, Journal
from snakemake_executor_plugin_hutchbatch.record.schema import (
    SINGLE,
    Attempt,
    Job,
    Placement,
    Run,
    Submission,
)

HUTCHBATCH = str(Path(sys.executable).with_name("hutchbatch"))
MANY = 10_500  # more than one answer of GetLogEvents holds


class Folder:
    """A folder with a record of a run, and jobs of Batch that a test sends itself."""

    def __init__(self, path, cloud, batch, definition):
        self.path, self.cloud, self.batch, self.definition = path, cloud, batch, definition
        self.journal = Journal(path / PLACE)
        run = Run("r1", time.time(), "jdoe", cloud.environment["AWS_REGION"])
        self.journal.put(run)

    def submit(self, name, script, **more):
        return self.batch.submit_job(
            jobName=name,
            jobQueue="mixed",
            jobDefinition=self.definition,
            containerOverrides={"command": ["sh", "-c", script]},
            **more,
        )["jobId"]

    def record(self, number, rule, batch_id, state="sent", **job):
        name = f"jdoe-{rule}-{number}"
        self.journal.put(
            Job("r1", number, rule, rule, 1, time.time(), state=state, **job),
            Submission(name, "r1", "mixed", 1, time.time(), batch_id=batch_id),
            Placement(name, SINGLE, "r1", number, batch_id=batch_id),
        )
        assert self.journal.flush()

    def wait(self, job_id, *states):
        deadline = time.monotonic() + 120
        while True:
            (job,) = self.batch.describe_jobs(jobs=[job_id])["jobs"]
            if job["status"] in states:
                return job
            assert time.monotonic() < deadline, job
            time.sleep(0.1)

    @property
    def environment(self):
        return self.cloud.environment_for(os.environ)


@pytest.fixture
def folder(cloud, tmp_path, workflow, monkeypatch):
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    batch = workflow.client("batch")
    definition = batch.register_job_definition(
        jobDefinitionName=tmp_path.name,
        type="container",
        containerProperties={
            "image": "busybox",
            "command": ["true"],
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "64"},
            ],
        },
    )["jobDefinitionArn"]
    made = Folder(tmp_path, cloud, batch, definition)
    yield made
    made.journal.close()


@pytest.fixture
def hutchbatch(capfd):
    def run(*arguments):
        capfd.readouterr()  # what the cloud says of a worker's first job
        code = main.main(arguments)
        reported = capfd.readouterr()
        return code, reported.out, reported.err

    return run


def test_the_whole_log_by_id_name_and_rule_and_what_it_is_not(folder, hutchbatch):
    big = folder.submit("jdoe-big-x0", f"seq {MANY}")
    job = folder.submit("jdoe-count-x1", "printf 'first \\033[31m\\ncaf\\303\\251\\n'; exit 3")
    array = folder.submit(
        "jdoe-many-x2", "echo child $AWS_BATCH_JOB_ARRAY_INDEX", arrayProperties={"size": 2}
    )
    folder.record(0, "count", job, state="failed")
    folder.wait(job, "FAILED")
    folder.wait(array, "SUCCEEDED")
    folder.wait(big, "SUCCEEDED")
    assert hutchbatch("logs", big) == (0, "".join(f"{n}\n" for n in range(1, MANY + 1)), "")
    whole = "first \x1b[31m\ncafé\n"
    assert hutchbatch("logs", job) == (0, whole, "")
    assert hutchbatch("logs", "count") == (0, whole, "")
    # Without any record: by id and by name, and a child of an array.
    elsewhere = ("-d", str(folder.path / "elsewhere"))
    assert hutchbatch("logs", "jdoe-count-x1", *elsewhere)[:2] == (0, whole)
    assert hutchbatch("logs", f"{array}:1", *elsewhere) == (0, "child 1\n", "")
    assert hutchbatch("logs", "jdoe-many-x2:0", *elsewhere) == (0, "child 0\n", "")
    # On a terminal nothing can drive it.
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [HUTCHBATCH, "logs", job], stdout=follower, stderr=follower, env=folder.environment
    ):
        os.close(follower)
        shown = b""
        while part := _read(leader):
            shown += part
    os.close(leader)
    assert shown == "first ?[31m\r\ncafé\r\n".encode()
    # A reader that has enough is no error.
    piped = f"{HUTCHBATCH} logs {big} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", piped], capture_output=True, env=folder.environment, check=True
    )
    assert done.stdout.splitlines()[1:] == [b"141"]
    assert done.stderr == b""
    # What cannot be shown is one sentence.
    for arguments, sentence in (
        ([array], "is an array of 2 jobs"),
        (["7a6280f6-164f-4200-bc88-a2d12bdaa224"], "AWS Batch does not know 7a6280f6"),
        (["jdoe-no-such"], "has no job named jdoe-no-such"),
        (["coutn"], "Did you mean count?"),
        (["count", "--run", "r7"], "There is no run r7"),
        ([job, "--attempt", "2"], "was started once so far"),
        ([job, "--since", "2099-01-01"], "has printed nothing since then"),
        (["count", *elsewhere], "There is no record of a run here"),
    ):
        code, out, err = hutchbatch("logs", *arguments)
        assert (code, out) == (1, ""), arguments
        assert sentence in err
        assert len(err.splitlines()) == 1
    assert hutchbatch("logs", "count", "--since", "1h")[1] == whole


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux tells that the other end is closed
        return b""


def test_each_start_has_its_log_and_the_rules_file_stands_in(folder, hutchbatch, workflow):
    folder.cloud.fault(kind="lose_host", name="jdoe-lost-*", after=0.5, times=1)
    retry = {"attempts": 2}
    job = folder.submit(
        "jdoe-lost-x", "echo start $AWS_BATCH_JOB_ATTEMPT; sleep 1", retryStrategy=retry
    )
    mute = folder.submit("jdoe-mute-x", "true")
    folder.record(0, "lost", job)
    workflow.stored.mkdir(parents=True, exist_ok=True)
    (workflow.stored / "mute.log").write_text("the rule's own words\n")
    gone = f"{workflow.prefix}/gone.log\n{workflow.prefix}/mute.log"
    folder.record(1, "mute", mute, logs=gone)
    # A job that Batch and CloudWatch have forgotten.
    folder.record(2, "old", "7a6280f6-164f-4200-bc88-a2d12bdaa225", "done", logs=gone)
    folder.journal.put(
        Attempt("7a6280f6-164f-4200-bc88-a2d12bdaa225", 1, "r1", log_stream="no/such/stream")
    )
    folder.journal.flush()
    assert len(folder.wait(job, "SUCCEEDED")["attempts"]) == 2
    assert hutchbatch("logs", "lost")[:2] == (0, "start 2\n")
    code, out, err = hutchbatch("logs", "lost", "--attempt", "1")
    assert (code, out) == (0, "start 1\n")
    assert "Start 1 of 2" in err
    folder.wait(mute, "SUCCEEDED")
    # Beside an output, unless it says the same.
    both = folder.submit("jdoe-both-x", "echo one; echo two; echo three")
    for name, text in (("same", "two\nthree\n"), ("own", "two\n\x1b[2Jfour\n"), ("empty", "")):
        (workflow.stored / f"{name}.log").write_text(text)
    logs = [f"{workflow.prefix}/{name}.log" for name in ("same", "own", "empty", "gone")]
    folder.record(3, "both", both, logs="\n".join(logs))
    folder.wait(both, "SUCCEEDED")
    code, out, err = hutchbatch("logs", "both")
    assert (code, out) == (0, "one\ntwo\nthree\ntwo\n\x1b[2Jfour\n")
    same, own = err.splitlines()
    assert logs[0] in same
    assert own.startswith(f"hutchbatch: Its log file {logs[1]} (of 20")
    for rule in ("mute", "old"):
        code, out, err = hutchbatch("logs", rule)
        assert (code, out) == (0, "the rule's own words\n")
        assert f"this is its log file, {workflow.prefix}/mute.log" in err


def test_a_running_job_is_followed_into_its_next_start_until_it_ends(folder):
    flag = folder.path / "flag"
    script = (
        f"echo start $AWS_BATCH_JOB_ATTEMPT; "
        f"while [ ! -e {flag}$AWS_BATCH_JOB_ATTEMPT ]; do sleep 0.1; done; "
        "echo end; [ $AWS_BATCH_JOB_ATTEMPT = 2 ]"
    )
    job = folder.submit("jdoe-slow-x", script, retryStrategy={"attempts": 2})
    with subprocess.Popen(
        [HUTCHBATCH, "logs", job, "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=folder.environment,
    ) as following:
        try:
            for start in ("1", "2"):
                assert following.stdout.readline() == f"start {start}\n"
                Path(f"{flag}{start}").touch()
                assert following.stdout.readline() == "end\n"
            out, err = following.communicate(timeout=120)
        finally:
            following.kill()
    assert (out, following.returncode) == ("", 0)
    assert "was started again" in err
