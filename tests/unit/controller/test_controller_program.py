"""The program of a detached run's job, as a process, with a stand-in for Snakemake."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import boto3
import psutil
import pytest

from snakemake_executor_plugin_hutchbatch.aws.lease_gate import EXIT_LOST
from snakemake_executor_plugin_hutchbatch.controller import documents
from snakemake_executor_plugin_hutchbatch.controller.document_store import DocumentStore
from snakemake_executor_plugin_hutchbatch.controller.documents import Cancel, Outcome, Request
from snakemake_executor_plugin_hutchbatch.controller.lease import Lease
from snakemake_executor_plugin_hutchbatch.controller.program import EXIT_AGAIN, EXIT_WRONG
from snakemake_executor_plugin_hutchbatch.controller.state_restore import fetch
from snakemake_executor_plugin_hutchbatch.planning import source_archive
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout

#: Its times are for days.
PROGRAM = """
import os, sys
from snakemake_executor_plugin_hutchbatch.controller import (
    __main__, keeping, lease, program, saving
)
lease.SECONDS, lease.MARGIN, lease.SLACK = 4.0, 2.0, 1.0
keeping.RENEW_SECONDS = keeping.AGAIN_SECONDS = program.WAIT_SECONDS = 0.3
saving.FIRST_SAVE = saving.SAVE_SECONDS = 0.3
program.CANCEL_SECONDS = 1.0
sys.exit(__main__.main(sys.argv[1:], os.environ))
"""
#: Leaves metadata, a process of its own in another session, and does what its argument says.
SNAKEMAKE = """
import os, pathlib, signal, subprocess, sys, time
assert pathlib.Path("Snakefile").stat().st_mtime < 1e9
metadata = pathlib.Path(".snakemake/metadata")
(metadata / os.environ["HUTCHBATCH_LEASE"].split("/")[-2]).write_text("{}")
orphan = subprocess.Popen(["sleep", "300"], start_new_session=True)
pathlib.Path("pids").write_text(f"{os.getpid()} {orphan.pid}")
what = sys.argv[1]
if what == "end":
    sys.exit(int(sys.argv[2]))
if what == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if what == "act":
    # The real Snakemake is needed for the plugin, whose gate is to be tried.
    sys.path.remove(os.environ["PYTHONPATH"])
    del sys.modules["snakemake"]
    import boto3, snakemake_executor_plugin_hutchbatch
    s3 = boto3.client("s3")
    here = os.environ["HUTCHBATCH_LEASE"].split("/")[-2]
    while True:
        s3.put_object(Bucket="hutchbatch", Key=f"acts/{here}/{time.monotonic_ns()}", Body=b"")
        time.sleep(0.01)
if what == "deaf":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
print("waiting", flush=True)
try:
    time.sleep(300)
except KeyboardInterrupt:
    sys.exit(1)
"""
SECONDS = 60


class Run:
    """A submitted run, and its controller."""

    def __init__(self, cloud, folder, name, *arguments, **changes):
        folder.mkdir()
        self.id, self.folder = name, folder
        (folder / "snakemake").mkdir()
        (folder / "snakemake" / "__init__.py").touch()
        (folder / "snakemake" / "__main__.py").write_text(SNAKEMAKE)
        prefix = f"s3://hutchbatch/program-{folder.parent.name}/"
        self.environment = cloud.environment_for({**os.environ})
        given = self.environment
        self.s3 = boto3.client(
            "s3",
            region_name=given["AWS_REGION"],
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=given["AWS_ENDPOINT_URL_S3"],
        )
        self.prefix, self.layout = prefix, WorkLayout(prefix).detached(name)
        self.documents = DocumentStore(self.s3, self.layout, name)
        code = source_archive.pack({"sub/Snakefile": b"rule a:"})
        digest = hashlib.sha256(code).hexdigest()
        self.put(WorkLayout(prefix).sources(digest), code)
        request = Request(
            id=name, user="jdoe", created=1.0, host="h", folder="/f", arguments=arguments,
            code=digest, storage_prefix="s3://b/r", region="us-west-2", job_name="j", queue="q",
            directory="sub", attempts=2, variables={"PYTHONPATH": str(folder)},
        )  # fmt: skip
        self.documents.put_request(request)
        self.digest = hashlib.sha256(documents.dumps(request)).hexdigest()
        self.code = WorkLayout(prefix).sources(digest)
        self.processes = []
        self.attempt = 0

    def put(self, url, content):
        bucket, _, key = url.removeprefix("s3://").partition("/")
        self.s3.put_object(Bucket=bucket, Key=key, Body=content)

    def start(self):
        self.attempt += 1
        place = self.folder / f"start-{self.attempt}"
        place.mkdir()
        self.processes.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, self.prefix, self.id, self.digest],
                cwd=place,
                env={**self.environment, "AWS_BATCH_JOB_ATTEMPT": str(self.attempt)},
                stdout=(place / "log").open("w"),
                stderr=subprocess.STDOUT,
            )
        )
        return self

    @property
    def place(self):
        return self.folder / f"start-{self.attempt}"

    @property
    def log(self):
        return (self.place / "log").read_text()

    @property
    def pids(self):
        """The stand-in and its child, once they are there."""
        path = self.place / "workflow" / "sub" / "pids"
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []

    def waiting(self):
        until(lambda: "\nwaiting" in self.log)
        assert len(self.pids) == 2
        return self

    def signal(self, number):
        self.processes[-1].send_signal(number)
        return self

    def ended(self):
        """The exit code. Nothing that it started is left."""
        code = self.processes[-1].wait(SECONDS)
        until(lambda: not any(map(lives, self.pids)))
        return code

    def saved(self):
        """The starts of whose metadata something was saved."""
        target = self.folder / f"fetched-{time.monotonic_ns()}"
        fetch(self.s3, self.layout, self.id, target)
        return sorted(path.name for path in (target / "metadata").iterdir())


def lives(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


@pytest.fixture
def run(cloud, tmp_path):
    runs = []

    def make(name, *arguments):
        runs.append(Run(cloud, tmp_path / name, name, *arguments))
        return runs[-1]

    yield make
    for each in runs:
        for process in each.processes:
            process.kill()
            process.wait()
            print(each.id, each.log)


def test_snakemake_ends_by_itself(run):
    good, bad = run("good", "end", "0").start(), run("bad", "end", "3").start()
    assert (good.ended(), bad.ended()) == (0, 3)
    outcome = bad.documents.outcome()
    assert (outcome.exit_code, outcome.fence, outcome.cancelled_by) == (3, 1, "")
    assert bad.saved() == ["start-1"]
    # One that comes later, and one whose object something else has taken the place of.
    bad.start()
    good.put(good.layout.outcome, b"[]")
    good.start()
    assert (bad.ended(), good.ended()) == (3, EXIT_WRONG)
    assert not bad.pids
    assert "cannot be continued" in good.log


def test_a_host_whose_clock_is_wrong_leads_a_run(run, cloud):
    wrong = run("wrong", "end", "0")
    cloud.fault(kind="skew", seconds=18_000)
    try:
        assert wrong.start().ended() == 0
    finally:
        cloud.reset()
    assert wrong.documents.outcome().exit_code == 0


def test_a_controller_that_is_stopped_saves_and_is_started_again(run):
    stopped, killed = run("stopped", "wait").start(), run("killed", "wait").start()
    stopped.waiting().signal(signal.SIGTERM)
    killed.waiting()
    until(killed.saved)
    killed.signal(signal.SIGKILL)
    assert stopped.ended() == EXIT_AGAIN
    assert stopped.documents.outcome() is None
    assert stopped.saved() == ["start-1"]
    # The kernel ends its Snakemake; what that started ends with the container.
    snakemake, orphan = killed.pids
    until(lambda: not lives(snakemake))
    os.kill(orphan, signal.SIGKILL)
    # The lease was given back, and need not expire.
    stopped.start().waiting().signal(signal.SIGTERM)
    assert stopped.ended() == EXIT_AGAIN
    assert stopped.saved() == ["start-1", "start-2"]


def test_a_controller_that_lost_the_lease_ends_and_writes_nothing(run):
    lost = run("lost", "wait").start().waiting()
    other = Lease("lost", "another", 7, 1, 90.0)
    content = json.dumps(vars(other)).encode()
    lost.put(lost.layout.lease, content)
    assert lost.ended() == EXIT_LOST
    assert lost.documents.outcome() is None
    bucket, _, key = lost.layout.lease.removeprefix("s3://").partition("/")
    assert lost.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == content


def test_of_two_controllers_one_acts_also_where_the_other_was_frozen(run, cloud):
    raced = run("raced", "act").start()
    acts = [cloud.bucket_dir / "acts" / f"start-{number}" for number in (1, 2)]
    until(acts[0].exists)
    first = psutil.Process(raced.processes[0].pid)
    frozen = [first, *first.children(recursive=True)]
    raced.start()
    until(lambda: "Another controller has this run" in raced.log)
    for process in frozen:
        process.suspend()
    until(acts[1].exists)
    for process in frozen:
        process.resume()
    assert raced.processes[0].wait(SECONDS) == EXIT_LOST
    count = len(list(acts[1].iterdir()))
    until(lambda: len(list(acts[1].iterdir())) > count + 10)
    raced.signal(signal.SIGTERM)
    assert raced.ended() == EXIT_AGAIN
    # Nothing of the first is younger than anything of the second.
    times = [[path.stat().st_mtime_ns for path in each.iterdir()] for each in acts]
    assert max(times[0]) < min(times[1])
    assert raced.saved() == ["start-1", "start-2"]


def test_a_run_is_cancelled_whether_snakemake_hears_it_or_not(run):
    runs = [run("heard", "wait"), run("deaf", "deaf"), run("before", "wait")]
    for each in runs[:2]:
        each.start()
    for each in runs[:2]:
        each.waiting()
    for each in runs:
        each.documents.put_cancel(Cancel(each.id, "jdoe", "laptop", 1.0))
    runs[2].start()
    for each in runs:
        assert each.ended() == EXIT_WRONG
        outcome = each.documents.outcome()
        assert (outcome.exit_code, outcome.cancelled_by) == (EXIT_WRONG, "jdoe")
    assert not runs[2].pids


def test_a_snakemake_that_is_killed_is_started_again_as_long_as_batch_does(run):
    dying = run("dying", "die").start()
    assert dying.ended() == EXIT_AGAIN
    assert dying.documents.outcome() is None
    assert dying.start().ended() == 128 + signal.SIGKILL
    outcome = dying.documents.outcome()
    assert outcome.exit_code == 128 + signal.SIGKILL
    assert "killed by signal 9" in outcome.sentence


def test_what_was_not_submitted_is_not_run(run):
    runs = code, asked, none = run("code", "wait"), run("asked", "wait"), run("none", "wait")
    code.put(code.code, source_archive.pack({"Snakefile": b"rule b:"}))
    other = replace(asked.documents.request(), arguments=("end", "0"))
    asked.put(asked.layout.request, documents.dumps(other))
    bucket, _, key = none.layout.request.removeprefix("s3://").partition("/")
    none.s3.delete_object(Bucket=bucket, Key=key)
    for each in runs:
        each.start()
    for each in runs:
        assert each.ended() == EXIT_WRONG
        assert not each.pids
    assert "has changed" in code.log
    assert "has changed" in asked.log


def test_an_outcome_that_stands_is_not_replaced(run):
    one = run("one", "wait")
    first, second = Outcome("one", 0, 1.0, 1), Outcome("one", 1, 2.0, 2)
    assert one.documents.put_outcome(first) == first
    assert one.documents.put_outcome(second) == first
    assert documents.dumps(one.documents.outcome()) == documents.dumps(first)
