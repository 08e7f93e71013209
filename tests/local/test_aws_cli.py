"""The real AWS CLI, as SciComp's pages use it."""

import json
import subprocess
import textwrap
import uuid

import pytest
from running import ended, output, run_job


@pytest.fixture
def run(aws, cloud, tmp_path):
    def run(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [aws, *arguments],
            env=cloud.environment_for({"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture
def definition(batch):
    """An image in the fetch-and-run manner: it gets a script from S3 and runs it."""
    script = """
        import os, subprocess, sys, boto3
        assert os.environ["BATCH_FILE_TYPE"] == "script"
        bucket, _, key = os.environ["BATCH_FILE_S3_URL"].removeprefix("s3://").partition("/")
        boto3.client("s3").download_file(bucket, key, "/tmp/script")
        sys.exit(subprocess.call(["bash", "/tmp/script", *sys.argv[1:]]))
    """
    name = f"fetch-and-run-{uuid.uuid4().hex[:8]}"
    batch.register_job_definition(
        jobDefinitionName=name,
        type="container",
        containerProperties={
            "image": "fredhutch/fetch-and-run",
            "command": ["python3", "-c", textwrap.dedent(script)],
            "jobRoleArn": "arn:aws:iam::000000000000:role/fh-pi-doe-j-batchtask",
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "512"},
            ],
            "volumes": [{"name": "docker_scratch", "host": {"sourcePath": "/docker_scratch"}}],
            "mountPoints": [{"sourceVolume": "docker_scratch", "containerPath": "/tmp"}],
        },
    )
    return name, ["python3", "-c", textwrap.dedent(script)]


def test_a_job_is_submitted_followed_and_read(run, batch, definition, tmp_path):
    name, command = definition
    (tmp_path / "script.sh").write_text('echo "hello $1 from $AWS_BATCH_JQ_NAME"\n')
    run("s3", "cp", "script.sh", "s3://hutchbatch/scripts/my script#1.sh")
    job = {
        "jobName": "jdoe-test-job",
        "jobQueue": "mixed",
        "jobDefinition": name,
        "containerOverrides": {
            "command": [*command, "world"],
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "256"},
            ],
            "environment": [
                {"name": "BATCH_FILE_TYPE", "value": "script"},
                {
                    "name": "BATCH_FILE_S3_URL",
                    "value": "s3://hutchbatch/scripts/my script#1.sh",
                },
            ],
        },
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    answer = json.loads(run("batch", "submit-job", "--cli-input-json", "file://job.json"))
    assert answer["jobName"] == "jdoe-test-job"
    ended(batch, answer["jobId"])
    (described,) = json.loads(run("batch", "describe-jobs", "--jobs", answer["jobId"]))["jobs"]
    assert described["status"] == "SUCCEEDED", described
    listed = json.loads(
        run("batch", "list-jobs", "--job-queue", "mixed", "--job-status", "SUCCEEDED")
    )
    assert answer["jobId"] in [each["jobId"] for each in listed["jobSummaryList"]]
    stream = described["container"]["logStreamName"]
    where = ("--log-group-name", "/aws/batch/job", "--log-stream-name", stream)
    events = json.loads(run("logs", "get-log-events", *where))["events"]
    assert [event["message"] for event in events] == ["hello world from mixed"]
    text = run("logs", "filter-log-events", where[0], where[1], "--output", "text")
    assert "hello world" in text


def test_an_array_job_is_submitted_with_options(run, batch, definition):
    name, _ = definition
    overrides = {"command": ["sh", "-c", "exit $AWS_BATCH_JOB_ARRAY_INDEX"]}
    answer = json.loads(
        run(
            *("batch", "submit-job", "--job-name", "jdoe-array", "--job-queue", "mixed"),
            *("--job-definition", name, "--array-properties", "size=3"),
            *("--container-overrides", json.dumps(overrides)),
        )
    )
    job = ended(batch, answer["jobId"])
    assert job["arrayProperties"]["statusSummary"]["FAILED"] == 2
    listed = json.loads(
        run(
            *("batch", "list-jobs", "--array-job-id", answer["jobId"]),
            *("--job-status", "FAILED"),
        )
    )
    codes = {each["container"]["exitCode"] for each in listed["jobSummaryList"]}
    assert codes == {1, 2}


def test_folders_are_copied_both_ways(run, cloud, tmp_path):
    there = tmp_path / "there"
    (there / "sub dir").mkdir(parents=True)
    names = ["a.txt", "sub dir/b#1.txt", "sub dir/c+d%.txt", "ü.txt"]
    for name in names:
        (there / name).write_text(name)
    (there / "large").write_bytes(bytes(9 * 1024 * 1024))
    prefix = f"s3://hutchbatch/{uuid.uuid4().hex}"
    run("s3", "cp", "--recursive", "--only-show-errors", "there", f"{prefix}/x")
    run("s3", "cp", "--recursive", "--only-show-errors", f"{prefix}/x", f"{prefix}/y")
    run("s3", "cp", "--recursive", "--only-show-errors", f"{prefix}/y", "back")
    run("s3", "sync", "--only-show-errors", f"{prefix}/y", "synced")
    for name in names:
        assert (tmp_path / "back" / name).read_text() == name
        assert (tmp_path / "synced" / name).read_text() == name
    assert (tmp_path / "back/large").stat().st_size == 9 * 1024 * 1024
    listed = run("s3", "ls", "--recursive", f"{prefix}/")
    assert len(listed.splitlines()) == 2 * (len(names) + 1)
    run("s3", "rm", "--recursive", "--only-show-errors", prefix)
    assert not (cloud.bucket_dir / prefix.rpartition("/")[2]).exists()


def test_it_runs_within_jobs_too(aws, batch, logs):
    job = run_job(batch, "cli-in-job", [aws, "s3", "ls", "s3://"], memory=512)
    assert "hutchbatch" in output(logs, job)[0]


def test_buckets_and_identity(run):
    assert "hutchbatch" in run("s3", "ls")
    assert json.loads(run("sts", "get-caller-identity"))["Account"] == "000000000000"
    assert "NoSuchBucket" in run("s3", "ls", "s3://no-such-bucket", code=255)
