"""Without the lease nothing is changed on AWS: real clients of botocore against the local cloud."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.aws import lease_gate
from snakemake_executor_plugin_hutchbatch.aws.lease_gate import EXIT_LOST, VARIABLE, Hold

#: Says when it has read, then makes one call of each kind.
SCRIPT = """
import sys, threading, boto3, snakemake_executor_plugin_hutchbatch
batch, s3 = boto3.client("batch"), boto3.resource("s3").meta.client
batch.describe_job_queues(), s3.list_objects_v2(Bucket="hutchbatch")
print("read", flush=True)
job = {"jobName": "gated", "jobQueue": "default", "jobDefinition": "no-such"}
calls = {
    "submit": lambda: batch.submit_job(**job),
    "register": lambda: batch.register_job_definition(jobDefinitionName="gated", type="container"),
    "terminate": lambda: batch.terminate_job(jobId="x", reason="y"),
    "cancel": lambda: batch.cancel_job(jobId="x", reason="y"),
    "put": lambda: s3.put_object(Bucket="hutchbatch", Key="gated/x", Body=b"x"),
    "delete": lambda: s3.delete_object(Bucket="hutchbatch", Key="kept"),
    "upload": lambda: s3.create_multipart_upload(Bucket="hutchbatch", Key="gated/y"),
}
def call(name):
    try:
        calls[name]()
    except Exception as error:
        pass
threads = [threading.Thread(target=call, args=[name]) for name in calls]
[thread.start() for thread in threads], [thread.join() for thread in threads]
print("all done", flush=True)
"""
CHANGES = ("SubmitJob", "RegisterJobDefinition", "TerminateJob", "CancelJob")


@pytest.fixture
def gated(cloud, tmp_path):
    """Starts ``SCRIPT`` under a lease; returns the process, once it has read, and the file."""
    path = tmp_path / "lease.json"
    processes = []

    def start(hold):
        lease_gate.write(path, hold)
        environment = cloud.environment_for({**os.environ, VARIABLE: str(path)})
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout.readline() == "read\n"
        return process, path

    cloud.reset()
    shutil.rmtree(cloud.bucket_dir / "gated", ignore_errors=True)
    yield start
    for process in processes:
        process.kill()
        process.communicate()


def changes(cloud):
    calls = cloud.calls()["calls"]
    stored = [p for p in (cloud.bucket_dir / "gated").rglob("*") if p.is_file()]
    return {name: calls[name] for name in CHANGES if calls.get(name)}, stored


UNCERTAIN = Hold("run-1", 2, 0.0, os.getpid())


def test_calls_wait_while_the_lease_is_uncertain_and_none_is_sent_once_it_is_lost(gated, cloud):
    process, path = gated(UNCERTAIN)
    (cloud.bucket_dir / "kept").write_text("kept")
    time.sleep(1)
    assert process.poll() is None
    assert changes(cloud) == ({}, [])
    lease_gate.write(path, replace(UNCERTAIN, lost=True))
    assert process.wait(20) == EXIT_LOST
    assert process.stdout.read() == ""
    assert changes(cloud) == ({}, [])
    assert (cloud.bucket_dir / "kept").exists()


def test_calls_are_sent_once_the_lease_holds_again(gated, cloud):
    process, path = gated(UNCERTAIN)
    lease_gate.write(path, replace(UNCERTAIN, until=lease_gate.now() + 60))
    assert process.wait(20) == 0
    assert process.stdout.read() == "all done\n"
    made, stored = changes(cloud)
    assert set(made) == set(CHANGES)
    assert stored


def test_a_process_whose_keeper_has_died_ends(gated, cloud):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    process, _ = gated(replace(UNCERTAIN, keeper=dead.pid))
    assert process.wait(20) == EXIT_LOST
    assert changes(cloud) == ({}, [])


def test_a_request_that_waited_for_long_is_signed_again(tmp_path):
    path, clock = tmp_path / "lease.json", [1000.0]
    lease_gate.write(path, replace(UNCERTAIN, until=1.0))

    def sleep(seconds):
        clock[0] += 100
        if clock[0] > 1000 + lease_gate.STALE_SECONDS:
            lease_gate.write(path, replace(UNCERTAIN, until=1e6))

    gate = lease_gate.Gate(path, clock=lambda: clock[0], sleep=sleep)
    with pytest.raises(lease_gate.EndpointConnectionError):
        gate.before_send(event_name="before-send.batch.SubmitJob", request=None)
    gate.before_send(event_name="before-send.batch.SubmitJob", request=None)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"id": 1})])
def test_a_file_that_says_nothing_is_no_lease(tmp_path, text):
    path = tmp_path / "lease.json"
    path.write_text(text)
    assert lease_gate.own({VARIABLE: str(path)}) is None
    assert lease_gate.own({}) is None


NOW = f"""
import sys
sys.path[:] = {sys.path!r}
from snakemake_executor_plugin_hutchbatch.aws import lease_gate
print(lease_gate.now())
"""


def test_the_clock_is_the_same_for_all_processes():
    there = subprocess.run(
        [sys.executable, "-c", NOW], capture_output=True, text=True, check=True
    ).stdout
    assert 0 <= lease_gate.now() - float(there) < 60
