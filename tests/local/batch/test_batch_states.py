"""A single job's way, and what AWS says of it."""

from __future__ import annotations

import pytest

from snakemake_executor_plugin_hutchbatch.local.batch import BatchConfig
from snakemake_executor_plugin_hutchbatch.local.hosts.host import Exit, Mount


def test_a_job_passes_its_states_in_order(aws):
    job = aws.submit()
    aws.clock.run()
    assert aws.states[job] == ["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]


def test_delays_hold_a_job_in_runnable_and_starting(make_cloud):
    aws = make_cloud(BatchConfig(runnable_delay=60, starting_delay=30, check_answers=True))
    job = aws.submit()
    seen = [aws.status(job)]
    for seconds in (59, 1, 29, 1, 10):
        aws.clock.advance(seconds)
        seen.append(aws.status(job))
    assert seen == ["RUNNABLE", "RUNNABLE", "STARTING", "STARTING", "RUNNING", "SUCCEEDED"]


def test_times_are_milliseconds_of_the_clock(aws):
    begin = round(aws.clock() * 1000)
    job = aws.submit()
    aws.clock.advance(12)
    found = aws.job(job)
    assert (found["createdAt"], found["startedAt"], found["stoppedAt"]) == (
        begin,
        begin,
        begin + 10_000,
    )


def test_the_log_stream_is_known_from_running_on(make_cloud):
    aws = make_cloud(BatchConfig(starting_delay=5, check_answers=True), lines=("hello",))
    job = aws.submit()
    assert "logStreamName" not in aws.job(job)["container"]
    assert "taskArn" in aws.job(job)["container"]
    aws.clock.advance(5)
    container = aws.job(job)["container"]
    stream = f"tool/default/{container['taskArn'].rpartition('/')[2]}"
    assert container["logStreamName"] == stream
    assert aws.lines == [(stream, "hello")]
    assert aws.service.log_group(stream) == "/aws/batch/job"


def test_the_definitions_log_group_and_prefix_are_honoured(aws):
    options = {"awslogs-group": "/lab/jobs", "awslogs-stream-prefix": "align"}
    aws.define("logged", logConfiguration={"logDriver": "awslogs", "options": options})
    job = aws.submit(jobDefinition="logged")
    stream = aws.job(job)["container"]["logStreamName"]
    assert stream.startswith("align/default/")
    assert aws.service.log_group(stream) == "/lab/jobs"


@pytest.mark.parametrize(
    ("how", "status", "status_reason", "container"),
    [
        (Exit(0), "SUCCEEDED", "Essential container in task exited", {"exitCode": 0}),
        (Exit(3), "FAILED", "Essential container in task exited", {"exitCode": 3}),
        (
            Exit(137, "OutOfMemoryError: Container killed due to memory usage"),
            "FAILED",
            "Essential container in task exited",
            {
                "exitCode": 137,
                "reason": "OutOfMemoryError: Container killed due to memory usage",
            },
        ),
        (
            Exit(None, "CannotPullContainerError: no such image"),
            "FAILED",
            "Task failed to start",
            {"reason": "CannotPullContainerError: no such image"},
        ),
    ],
)
def test_an_ending_is_reported_as_aws_reports_it(make_cloud, how, status, status_reason, container):
    aws = make_cloud(plan=lambda _: (1.0, how))
    job = aws.submit()
    aws.clock.run()
    found = aws.job(job)
    assert (found["status"], found["statusReason"]) == (status, status_reason)
    for place in (found["container"], found["attempts"][0]["container"]):
        assert {key: place[key] for key in ("exitCode", "reason") if key in place} == container


def test_a_container_that_never_started_has_no_start_and_no_log(make_cloud):
    aws = make_cloud(plan=lambda _: (0.0, Exit(None, "CannotPullContainerError: no")))
    job = aws.submit()
    aws.clock.run()
    found = aws.job(job)
    assert "startedAt" not in found
    assert "startedAt" not in found["attempts"][0]
    assert "logStreamName" not in found["container"]


def test_a_job_that_takes_too_long_is_stopped_and_not_retried(aws):
    aws.host._plan = lambda _: (1000.0, Exit(0))
    job = aws.submit(timeout={"attemptDurationSeconds": 60}, retryStrategy={"attempts": 3})
    aws.clock.run()
    found = aws.job(job)
    assert found["statusReason"] == "Job attempt duration exceeded timeout"
    assert len(found["attempts"]) == 1
    assert found["stoppedAt"] - found["startedAt"] == 60_000
    assert found["timeout"] == {"attemptDurationSeconds": 60}


def test_a_stubborn_container_is_killed_after_thirty_seconds(make_cloud):
    aws = make_cloud(seconds=1000.0, stubborn=True)
    job = aws.submit()
    aws.call("TerminateJob", jobId=job, reason="enough")
    aws.clock.advance(29)
    assert aws.status(job) == "RUNNING"
    aws.clock.advance(1)
    assert aws.job(job)["container"]["exitCode"] == 137


def test_a_launch_carries_everything_resolved(aws):
    aws.define(
        "full",
        more={"parameters": {"in": "a.bam", "out": "b.bam"}},
        command=["sort", "Ref::in", "Ref::out", "Ref::unknown"],
        environment=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        volumes=[{"name": "scratch", "host": {"sourcePath": "/docker_scratch"}}, {"name": "any"}],
        mountPoints=[
            {"sourceVolume": "scratch", "containerPath": "/tmp"},
            {"sourceVolume": "any", "containerPath": "/data", "readOnly": True},
        ],
        linuxParameters={"sharedMemorySize": 256},
        ulimits=[{"name": "nofile", "softLimit": 1024, "hardLimit": 4096}],
        user="nobody",
        privileged=False,
        readonlyRootFilesystem=True,
    )
    override = {
        "environment": [{"name": "B", "value": "3"}],
        "resourceRequirements": [{"type": "MEMORY", "value": "2048"}],
    }
    job = aws.submit(jobDefinition="full", parameters={"out": "c.bam"}, containerOverrides=override)
    launch = aws.host.launches[-1]
    assert launch.command == ("sort", "a.bam", "c.bam", "Ref::unknown")
    assert dict(launch.environment) == {
        "A": "1",
        "B": "3",
        "AWS_BATCH_CE_NAME": "mixed",
        "AWS_BATCH_JOB_ATTEMPT": "1",
        "AWS_BATCH_JOB_ID": job,
        "AWS_BATCH_JQ_NAME": "mixed",
    }
    assert (launch.vcpus, launch.memory, launch.shared_memory) == (1.0, 2048, 256)
    assert launch.mounts == (Mount("/docker_scratch", "/tmp"), Mount(None, "/data", True))
    assert launch.ulimits == (("nofile", 1024, 4096),)
    assert (launch.user, launch.privileged, launch.read_only_root) == ("nobody", False, True)


def test_an_override_replaces_the_command(aws):
    aws.submit(containerOverrides={"command": ["echo", "hi"]})
    assert aws.host.launches[-1].command == ("echo", "hi")


def test_deprecated_sizes_do_not_override_resource_requirements(aws):
    job = aws.submit(containerOverrides={"vcpus": 2, "memory": 4096})
    container = aws.job(job)["container"]
    assert (container["vcpus"], container["memory"]) == (1, 1024)


def test_secrets_come_from_the_config_or_the_task_fails_to_start(make_cloud):
    config = BatchConfig(secrets={"arn:known": "s3cret"}, check_answers=True)
    aws = make_cloud(config)
    role = {"executionRoleArn": "arn:aws:iam::000000000000:role/ecsTaskExecutionRole"}
    aws.define("good", secrets=[{"name": "TOKEN", "valueFrom": "arn:known"}], **role)
    aws.define("bad", secrets=[{"name": "TOKEN", "valueFrom": "arn:unknown"}], **role)
    aws.submit(jobDefinition="good")
    assert aws.host.launches[-1].environment["TOKEN"] == "s3cret"
    found = aws.job(aws.submit(jobDefinition="bad"))
    assert found["statusReason"] == "Task failed to start"
    assert found["container"]["reason"].startswith("ResourceInitializationError")


@pytest.mark.parametrize("operation", ["CancelJob", "TerminateJob"])
def test_a_waiting_job_can_be_cancelled(make_cloud, operation):
    aws = make_cloud(machine=(1, 4096))
    aws.submit()
    waiting = aws.submit()
    aws.call(operation, jobId=waiting, reason="not needed")
    found = aws.job(waiting)
    assert (found["status"], found["statusReason"]) == ("FAILED", "not needed")
    assert (found["isCancelled"], found["isTerminated"]) == (
        operation == "CancelJob",
        operation == "TerminateJob",
    )


def test_cancel_leaves_a_running_job_alone_and_terminate_ends_it(aws):
    job = aws.submit(retryStrategy={"attempts": 5})
    aws.call("CancelJob", jobId=job, reason="x")
    assert aws.status(job) == "RUNNING"
    aws.call("TerminateJob", jobId=job, reason="enough")
    aws.clock.advance(0)
    found = aws.job(job)
    assert (found["status"], found["statusReason"]) == ("FAILED", "enough")
    assert found["container"]["exitCode"] == 143
    assert len(found["attempts"]) == 1


def test_a_job_terminated_while_starting_never_runs(make_cloud):
    aws = make_cloud(BatchConfig(starting_delay=5, check_answers=True))
    job = aws.submit()
    aws.call("TerminateJob", jobId=job, reason="enough")
    aws.clock.run()
    assert aws.job(job)["statusReason"] == "enough"
    assert aws.host.launches == []


def test_ended_jobs_stay_as_they_are(aws):
    job = aws.submit()
    aws.clock.run()
    aws.call("TerminateJob", jobId=job, reason="too late")
    assert aws.status(job) == "SUCCEEDED"


def test_bulk_calls_take_unknown_jobs_and_name_malformed_ones(aws):
    job = aws.submit()
    unknown = "00000000-0000-0000-0000-000000000000"
    answer = aws.call("TerminateJobs", jobs=[job, unknown, "nonsense"], reason="stop")
    aws.clock.advance(0)
    assert answer["successful"] == [job, unknown]
    assert [each["code"] for each in answer["errors"]] == ["ValidationException"]
    assert aws.status(job) == "FAILED"


def test_stopping_the_service_kills_what_runs(aws):
    job = aws.submit(retryStrategy={"attempts": 3})
    aws.service.stop()
    assert aws.status(job) == "FAILED"
    later = aws.submit()
    assert aws.status(later) == "RUNNABLE"
