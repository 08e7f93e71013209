"""The embedded cloud as a whole: who may call, what it leaves behind, and ``hutchbatch local``."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from running import client_of, ended, output, processes_with, run_job, until

from snakemake_executor_plugin_hutchbatch.cli import main
from snakemake_executor_plugin_hutchbatch.local.cloud import DirectoryInUse, LocalCloud
from snakemake_executor_plugin_hutchbatch.local.environment import applied, script
from snakemake_executor_plugin_hutchbatch.local.kept import Kept
from snakemake_executor_plugin_hutchbatch.local.services import servers

HUTCHBATCH = [sys.executable, "-m", "snakemake_executor_plugin_hutchbatch.cli.main"]


def code(raised) -> str:
    return raised.value.response["Error"]["Code"]


# --- jobs ---


def test_a_job_runs_and_its_output_is_in_the_logs(batch, logs):
    job = run_job(batch, "echo", ["sh", "-c", "echo hello; exit 3"])
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 3)
    assert output(logs, job) == ["hello"]


def test_a_job_reaches_s3_by_its_role_and_has_no_region(batch, logs, s3):
    script = (
        "import boto3, os\n"
        "print(sorted(n for n in os.environ if 'REGION' in n or 'KEY' in n))\n"
        "boto3.client('s3').put_object(Bucket='hutchbatch', Key='from-job', Body=b'1')\n"
        "print(boto3.client('sts', region_name='us-west-2').get_caller_identity()['Arn'])"
    )
    job = run_job(batch, "role", ["python", "-c", script])
    assert output(logs, job) == ["[]", "arn:aws:iam::000000000000:role/ecsInstanceRole"]
    assert s3.get_object(Bucket="hutchbatch", Key="from-job")["Body"].read() == b"1"


def test_each_attempt_has_its_own_stream(batch, logs):
    retry = {"retryStrategy": {"attempts": 2}}
    script = "echo attempt $AWS_BATCH_JOB_ATTEMPT; test $AWS_BATCH_JOB_ATTEMPT = 2"
    job = run_job(batch, "again", ["sh", "-c", script], submission=retry)
    assert job["status"] == "SUCCEEDED"
    said = [output(logs, attempt) for attempt in job["attempts"]]
    assert said == [["attempt 1"], ["attempt 2"]]


def test_children_of_an_array_know_their_index(batch, logs):
    script = "echo index $AWS_BATCH_JOB_ARRAY_INDEX"
    array = {"arrayProperties": {"size": 3}}
    parent = run_job(batch, "array", ["sh", "-c", script], submission=array)
    children = batch.describe_jobs(jobs=[f"{parent['jobId']}:{n}" for n in range(3)])["jobs"]
    assert [output(logs, child) for child in children] == [[f"index {n}"] for n in range(3)]


def test_a_terminated_job_is_reported_first(batch, logs):
    batch.register_job_definition(
        jobDefinitionName="polite",
        type="container",
        containerProperties={
            "image": "i",
            "command": [
                "bash",
                "-c",
                "trap 'echo told; exit 9' TERM; echo up; while :; do :; done",
            ],
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "64"},
            ],
        },
    )
    job = batch.submit_job(jobName="jdoe-polite", jobQueue="mixed", jobDefinition="polite")["jobId"]

    def up():
        described = batch.describe_jobs(jobs=[job])["jobs"][0]
        if described["status"] != "RUNNING":
            return False
        try:
            return "up" in output(logs, described)
        except logs.exceptions.ResourceNotFoundException:
            return False

    until(up)
    batch.terminate_job(jobId=job, reason="enough")
    described = ended(batch, job)
    assert described["container"]["exitCode"] == 9
    assert output(logs, described) == ["up", "told"]


def test_a_command_that_is_not_there_fails_to_start(batch):
    job = run_job(batch, "missing", ["no-such-command"])
    assert job["status"] == "FAILED"
    assert job["container"]["reason"].startswith("CannotStartContainerError")


# --- who may call ---


@pytest.mark.parametrize("service", ["s3", "batch", "logs", "sts"])
@pytest.mark.parametrize("wrong", ["aws_access_key_id", "aws_secret_access_key"])
def test_other_credentials_are_refused(client, service, wrong):
    stranger = client(
        service, **{wrong: "AKIAIOSFODNN7EXAMPLE"}, config=Config(retries={"total_max_attempts": 1})
    )
    operation, asked = {
        "s3": ("get_object", {"Bucket": "hutchbatch", "Key": "x"}),
        "batch": ("describe_job_queues", {}),
        "logs": ("describe_log_groups", {}),
        "sts": ("get_caller_identity", {}),
    }[service]
    with pytest.raises(ClientError) as raised:
        getattr(stranger, operation)(**asked)
    assert code(raised) in {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "InvalidSignatureException",
    }


def request(url: str, body: bytes | None = None, **headers: str) -> int:
    asked = urllib.request.Request(url, body, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(asked) as answer:  # noqa: S310
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_unsigned_requests_are_refused(cloud):
    for url in (cloud.s3.url + "/hutchbatch/x", cloud.server.url + "/v1/describejobs"):
        assert request(url, b"{}") == 403
    assert request(cloud.server.url + "/", b"{}", **{"X-Amz-Target": "Logs_20140328.x"}) == 403
    assert request(cloud.server.url + "/credentials") == 403


def test_a_body_that_was_not_signed_is_refused(cloud, batch):
    caught = {}

    def keep(request, **_):
        caught.update(url=request.url, headers=dict(request.headers.items()))

    batch.meta.events.register("before-send.batch.DescribeJobs", keep)
    batch.describe_jobs(jobs=["x"])
    batch.meta.events.unregister("before-send.batch.DescribeJobs", keep)
    headers = {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in caught["headers"].items()
        if name != "Content-Length"
    }
    assert request(caught["url"], json.dumps({"jobs": ["x"]}).encode(), **headers) == 200
    assert request(caught["url"], json.dumps({"jobs": ["y"]}).encode(), **headers) == 403


def test_control_calls_ask_for_the_token(cloud):
    url = cloud.environment["HUTCHBATCH_LOCAL_CONTROL"] + "/calls"
    token = cloud.environment["HUTCHBATCH_LOCAL_CONTROL_TOKEN"]
    assert request(url) == 403
    assert request(url, **{"X-Hutchbatch-Control": "wrong"}) == 403
    assert request(url, **{"X-Hutchbatch-Control": token}) == 200


def test_faults_are_set_through_the_cloud(cloud, client):
    once = client("batch", config=Config(retries={"total_max_attempts": 1}))
    cloud.fault(kind="throttle", operation="DescribeJobQueues", calls=1)
    with pytest.raises(ClientError, match="TooManyRequests"):
        once.describe_job_queues()
    once.describe_job_queues()
    assert cloud.calls()["calls"]["DescribeJobQueues"] == 2


def test_an_outage_does_not_reach_the_jobs_own_role(cloud, batch):
    cloud.fault(kind="outage", seconds=3600)
    once = client_of(cloud, "logs", config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(Exception, match=r"closed|aborted|reset"):
        once.describe_log_groups()
    headers = {"Authorization": cloud.token}
    assert request(cloud.server.url + "/credentials", **headers) == 200
    cloud.reset()
    once.describe_log_groups()


# --- life ---


def test_it_listens_on_loopback_only(cloud):
    ports = {int(url.rpartition(":")[2]) for url in (cloud.s3.url, cloud.server.url)}
    listening = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        address, port = line.split()[1].split(":")
        if line.split()[3] == "0A":
            listening[int(port, 16)] = address
    assert {listening[port] for port in ports} == {"0100007F"}


def test_results_survive_and_a_second_run_sees_them(tmp_path):
    for expected in ([], ["kept"]):
        with LocalCloud(tmp_path) as running:
            s3 = client_of(running, "s3")
            found = s3.list_objects_v2(Bucket="hutchbatch").get("Contents", [])
            assert [each["Key"] for each in found] == expected
            s3.put_object(Bucket="hutchbatch", Key="kept", Body=b"1")
            scratch = tmp_path / "hosts" / "host" / "docker_scratch"
            assert not scratch.exists(), "a new host's scratch is empty"
            run_job(client_of(running, "batch"), "scratch", ["touch", "/tmp/left"])
            assert (scratch / "left").exists()
    assert (tmp_path / "s3" / "hutchbatch" / "kept").read_bytes() == b"1"


def test_a_second_one_in_the_same_folder_is_reported(tmp_path):
    with LocalCloud(tmp_path), pytest.raises(DirectoryInUse, match=str(os.getpid())):
        LocalCloud(tmp_path).start()
    with LocalCloud(tmp_path):
        pass


def leftovers(mark: str) -> list:
    return processes_with(mark) + [
        line for line in Path("/proc/mounts").read_text().splitlines() if mark in line
    ]


def submit_sleeper(batch) -> str:
    batch.register_job_definition(
        jobDefinitionName="sleeper",
        type="container",
        containerProperties={
            "image": "i",
            "command": ["sh", "-c", "(setsid sleep 4000 &) ; sleep 4000"],
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "64"},
            ],
        },
    )
    job = batch.submit_job(jobName="jdoe-s", jobQueue="mixed", jobDefinition="sleeper")["jobId"]
    until(lambda: batch.describe_jobs(jobs=[job])["jobs"][0]["status"] == "RUNNING")
    return job


@pytest.mark.parametrize("isolate", [True, False])
def test_stopping_kills_what_runs(tmp_path, isolate):
    with LocalCloud(tmp_path, isolate=isolate) as running:
        job = submit_sleeper(client_of(running, "batch"))
        until(lambda: processes_with(job))
    assert not leftovers(job) and not leftovers(str(tmp_path))


def test_an_endpoint_that_dies_is_reported(tmp_path):
    said: list[str] = []
    with LocalCloud(tmp_path, say=said.append) as running:
        os.kill(running.s3._process.pid, signal.SIGKILL)
        until(lambda: said)
    assert "S3 endpoint of the local cloud stopped by itself" in said[0]
    assert len(said) == 1


def test_capacity_can_be_given(tmp_path):
    with LocalCloud(tmp_path, capacity=(1, 512)) as running:
        batch = client_of(running, "batch")
        first = submit_sleeper(batch)
        second = batch.submit_job(jobName="jdoe-2", jobQueue="mixed", jobDefinition="sleeper")
        states = batch.describe_jobs(jobs=[first, second["jobId"]])["jobs"]
        assert {each["jobId"]: each["status"] for each in states} == {
            first: "RUNNING",
            second["jobId"]: "RUNNABLE",
        }


# --- the command line ---


def local(directory, *command: str, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*HUTCHBATCH, "local", "--dir", str(directory), *command],
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


@pytest.mark.parametrize(
    ("script", "expected"), [("exit 0", 0), ("exit 5", 5), ("kill -9 $$", 137)]
)
def test_the_commands_exit_code_is_passed_on(tmp_path, script, expected):
    assert local(tmp_path, "--", "sh", "-c", script).returncode == expected


def test_a_command_that_is_not_there_is_reported(tmp_path):
    done = local(tmp_path, "--", "no-such-command")
    assert (done.returncode, done.stderr) == (127, "no-such-command: command not found\n")


def test_the_command_is_led_to_the_local_cloud_whatever_was_set(tmp_path):
    script = (
        "import boto3; print(boto3.client('sts').get_caller_identity()['Account']);"
        "print(boto3.client('s3').list_buckets()['Buckets'][0]['Name']);"
        "print(len(boto3.client('batch').describe_job_queues()['jobQueues']));"
        "print(boto3.client('logs').describe_log_groups()['logGroups'][0]['logGroupName'])"
    )
    misleading = {
        "AWS_PROFILE": "lab",
        "AWS_SESSION_TOKEN": "x",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    environment = {**os.environ, **misleading}
    done = local(tmp_path, "--", sys.executable, "-c", script, env=environment)
    assert done.stdout.split() == ["000000000000", "hutchbatch", "5", "/aws/batch/job"], done.stderr


def test_what_a_person_has_set_as_job_role_stays():
    role = {"SNAKEMAKE_HUTCHBATCH_JOB_ROLE": "arn:aws:iam::1:role/mine"}
    assert applied({}, role)["SNAKEMAKE_HUTCHBATCH_JOB_ROLE"] == "arn:aws:iam::1:role/mine"
    assert applied({}, {})["SNAKEMAKE_HUTCHBATCH_JOB_ROLE"].endswith("role/local-batchtask")
    assert applied({}, {"NO_PROXY": "a.org"})["NO_PROXY"] == "a.org,127.0.0.1,localhost"


def test_the_script_for_other_terminals_does_what_a_command_gets():
    given = {"A": "it's $x", "AWS_REGION": "us-west-2"}
    role = "SNAKEMAKE_HUTCHBATCH_JOB_ROLE"
    for base in ({}, {role: "mine", "AWS_PROFILE": "lab", "NO_PROXY": "a.org"}):
        command = [shutil.which("sh"), "-c", f"{script(given)}\nenv -0"]
        done = subprocess.run(command, env=base, capture_output=True, text=True, check=True)
        found = dict(each.split("=", 1) for each in done.stdout.split("\0") if each)
        assert {n: v for n, v in found.items() if n not in ("PWD", "_", "SHLVL")} == applied(
            given, base
        )


def test_a_cloud_keeps_its_ports_and_keys_for_its_next_start(tmp_path):
    with LocalCloud(tmp_path) as first:
        before = first.environment
    with LocalCloud(tmp_path) as again:
        assert again.environment == before
        assert stat.S_IMODE((tmp_path / "kept.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "env.sh").stat().st_mode) == 0o600
    taken = servers.loopback_socket(int(before["AWS_ENDPOINT_URL_S3"].rpartition(":")[2]))
    said = []
    with taken, LocalCloud(tmp_path, say=said.append) as other:
        assert other.environment["AWS_ENDPOINT_URL_S3"] != before["AWS_ENDPOINT_URL_S3"]
        assert other.environment["AWS_ENDPOINT_URL_BATCH"] == before["AWS_ENDPOINT_URL_BATCH"]
    (sentence,) = (each for each in said if "is taken" in each)
    assert "Terminals that use it need the new env.sh" in sentence


@pytest.mark.parametrize(
    "spoilt",
    ["", "[]", "{}", "[" * 9_000, '{"port": "x"}', '{"access_key": "\\n"}', "link", "pipe"],
)
def test_what_was_kept_and_cannot_be_used_is_made_anew(tmp_path, spoilt):
    Kept().save(tmp_path, "http://h:1", "http://h:2")
    kept = tmp_path / "kept.json"
    if spoilt == "link":
        kept.rename(tmp_path / "elsewhere")
        kept.symlink_to(tmp_path / "elsewhere")
    elif spoilt == "pipe":
        kept.unlink()
        os.mkfifo(kept, 0o600)  # which nobody writes to
    else:
        kept.write_text(spoilt)
    found = Kept.load(tmp_path)
    assert (found.port, found.user.access_key[:4]) == (0, "AKIA")
    kept.unlink()
    Kept(port=7).save(tmp_path, "http://h:1", "http://h:2")
    kept.chmod(0o644)  # others might have written it
    assert Kept.load(tmp_path).port == 0


def test_a_shell_has_the_cloud_and_its_exit_code_counts(tmp_path):
    shell = tmp_path / "shell"
    shell.write_text("#!/bin/sh\necho $AWS_ENDPOINT_URL_S3; exit 7\n")
    shell.chmod(0o755)
    done = local(tmp_path / "cloud", "--shell", env={**os.environ, "SHELL": str(shell)})
    assert (done.returncode, done.stdout[:17]) == (7, "http://127.0.0.1:")
    done = local(tmp_path / "cloud", "--shell", "--", "true")
    assert (done.returncode, "give one of them" in done.stderr) == (2, True)


def test_an_upload_that_breaks_off_makes_no_noise(tmp_path):
    script = """
        import boto3, botocore.config, socket, urllib.parse
        s3 = boto3.client("s3", config=botocore.config.Config(signature_version="s3v4"))
        asked = {"Bucket": "hutchbatch", "Key": "broken"}
        url = urllib.parse.urlsplit(s3.generate_presigned_url("put_object", asked))
        with socket.create_connection((url.hostname, url.port)) as connection:
            head = f"PUT {url.path}?{url.query} HTTP/1.1\\r\\nHost: {url.netloc}\\r\\n"
            connection.sendall((head + "Content-Length: 99\\r\\n\\r\\nhalf").encode())
        print(s3.list_objects_v2(Bucket="hutchbatch")["KeyCount"])
    """
    done = local(tmp_path, "--", sys.executable, "-c", textwrap.dedent(script))
    assert (done.stdout, done.stderr) == ("0\n", "")


class Staying:
    """``hutchbatch local`` alone, up."""

    def __init__(self, directory: Path, *command: str) -> None:
        self.process = subprocess.Popen(
            [*HUTCHBATCH, "local", "--dir", str(directory), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def environment(self) -> dict[str, str]:
        """Of a shell that has done what it says."""
        typed = self.process.stdout.readline()
        if not typed:
            raise AssertionError(self.process.stderr.read())
        done = subprocess.run(
            ["bash", "-c", f"{typed}env -0"], capture_output=True, text=True, check=True
        )
        return dict(each.split("=", 1) for each in done.stdout.split("\0") if each)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_alone_it_stays_up_and_ends_when_told(tmp_path, number):
    staying = Staying(tmp_path)
    given = staying.environment()
    session = boto3.Session(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
    batch = session.client(
        "batch", endpoint_url=given["AWS_ENDPOINT_URL_BATCH"], region_name="us-west-2"
    )
    job = submit_sleeper(batch)
    staying.process.send_signal(number)
    _, reported = staying.process.communicate()
    assert staying.process.returncode == 0, reported
    assert str(tmp_path / "s3" / "hutchbatch") in reported
    assert not leftovers(job) and not leftovers(str(tmp_path))


def test_only_the_main_thread_takes_signals(tmp_path):
    """Python's handlers run there, and a signal that another thread takes does not wake it."""
    staying = Staying(tmp_path)
    staying.environment()
    main = Path(f"/proc/{staying.process.pid}/task")
    wanted = 1 << signal.SIGTERM - 1 | 1 << signal.SIGINT - 1
    for thread in main.iterdir():
        (mask,) = re.findall(r"SigBlk:\t(\w+)", (thread / "status").read_text())
        blocked = int(mask, 16) & wanted
        assert blocked == (0 if int(thread.name) == staying.process.pid else wanted)
    staying.process.terminate()
    staying.process.communicate()
    assert staying.process.returncode == 0


def test_jobs_begin_with_no_signal_blocked_or_ignored(tmp_path):
    script = (
        "import boto3, sys; sys.path.insert(0, sys.argv[1]);"
        "from running import output, run_job;"
        "job = run_job(boto3.client('batch'), 'mask', ['grep', 'Sig', '/proc/self/status']);"
        "print(output(boto3.client('logs'), job))"
    )
    done = local(tmp_path, "--", sys.executable, "-c", script, str(Path(__file__).parent))
    for name in ("SigBlk", "SigIgn"):
        assert f"{name}:\\t0000000000000000" in done.stdout, done


def test_nothing_is_left_when_it_is_killed(tmp_path):
    staying = Staying(tmp_path)
    given = staying.environment()
    session = boto3.Session(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
    batch = session.client(
        "batch", endpoint_url=given["AWS_ENDPOINT_URL_BATCH"], region_name="us-west-2"
    )
    job = submit_sleeper(batch)
    s3 = given["AWS_ENDPOINT_URL_S3"]
    staying.process.kill()
    staying.process.communicate()
    until(lambda: not leftovers(job) and not leftovers(str(tmp_path)))
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(s3)  # noqa: S310
    with LocalCloud(tmp_path) as again:
        assert not list((again.directory / "hosts" / "containers").iterdir())


def test_a_command_ends_when_its_cloud_is_killed(tmp_path):
    staying = Staying(tmp_path, "--", "sh", "-c", "echo up; exec sleep 4001")
    assert staying.process.stdout.readline() == "up\n"
    staying.process.kill()
    staying.process.communicate()
    until(lambda: not processes_with("sleep\x004001"))


def test_ctrl_c_is_the_commands_to_handle(tmp_path):
    script = "trap 'echo caught; exit 42' INT; echo up; while :; do sleep 0.05; done"
    staying = Staying(tmp_path, "--", "bash", "-c", script)
    assert staying.process.stdout.readline() == "up\n"
    os.killpg(staying.process.pid, signal.SIGINT)  # as a terminal does
    output, reported = staying.process.communicate()
    assert (staying.process.returncode, output) == (42, "caught\n"), reported
    assert not leftovers(str(tmp_path))


def test_sigterm_is_passed_on_to_the_command(tmp_path):
    script = "trap 'exit 43' TERM; echo up; while :; do sleep 0.05; done"
    staying = Staying(tmp_path, "--", "bash", "-c", script)
    assert staying.process.stdout.readline() == "up\n"
    staying.process.terminate()
    staying.process.communicate()
    assert staying.process.returncode == 43


def test_a_second_start_in_the_same_folder_is_reported_in_a_sentence(tmp_path):
    with LocalCloud(tmp_path):
        done = local(tmp_path, "--", "true")
    assert done.returncode == 1
    assert "in use by another hutchbatch local" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["nanio", "starlette", "uvicorn"])
def test_a_missing_extra_is_reported_in_a_sentence(name):
    script = (
        f"import sys; sys.modules[{name!r}] = None\n"
        "from snakemake_executor_plugin_hutchbatch.cli import main\n"
        "sys.exit(main.main(['local', '--', 'true']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert 'pip install "snakemake-executor-plugin-hutchbatch[local]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_help_shows_an_example(capsys):
    with pytest.raises(SystemExit):
        main.main(["local", "--help"])
    assert "snakemake --executor hutchbatch" in capsys.readouterr().out


def test_without_its_host_folder_scratch_is_on_a_small_root_disk(cloud, batch, logs):
    cloud.fault(kind="no_scratch", mb=8)
    program = """
        import os
        state = os.statvfs("/tmp")
        print(state.f_blocks * state.f_frsize, oct(os.stat("/tmp").st_mode))
        with open("/proc/self/mountinfo") as file:
            print([line.split()[3] for line in file if line.split()[4] == "/tmp"][-1])
    """
    job = run_job(batch, "no-scratch", ["python", "-c", textwrap.dedent(program)])
    assert output(logs, job) == [f"{8 * 2**20} 0o40755", "/docker_scratch"]


# --- machines and what they cost ---


def test_the_metadata_service_names_the_machine_and_how_it_is_paid(batch, logs):
    ask = (
        'M=$AWS_EC2_METADATA_SERVICE_ENDPOINT; T=$(curl -s -X PUT "$M/latest/api/token" '
        '-H "X-aws-ec2-metadata-token-ttl-seconds: 60"); for n in instance-type '
        'instance-life-cycle; do curl -s "$M/latest/meta-data/$n" -H "X-aws-ec2-metadata-token: '
        '$T"; echo; done'
    )
    job = run_job(batch, "machine", ["sh", "-c", ask])
    assert output(logs, job) == ["c6i.large", "on-demand"]  # of the queue mixed


def test_spot_prices_are_those_of_all_zones_page_by_page(client):
    ec2 = client("ec2")
    asked = {"InstanceTypes": ["m6i.large", "c6i.large"], "ProductDescriptions": ["Linux/UNIX"]}
    pages = ec2.get_paginator("describe_spot_price_history").paginate(
        **asked, PaginationConfig={"PageSize": 4}
    )
    prices = [page["SpotPriceHistory"] for page in pages]
    assert [len(page) for page in prices] == [4, 2]
    found = {(p["InstanceType"], p["AvailabilityZone"]) for page in prices for p in page}
    assert len(found) == 6
    assert all(float(p["SpotPrice"]) > 0 for page in prices for p in page)


def test_spot_prices_need_their_permission(cloud, client):
    ec2 = client("ec2")
    allowed = {"Effect": "Allow", "Action": "batch:*", "Resource": "*"}
    cloud.fault(kind="only_allow", policy={"Statement": [allowed]}, caller="user")
    try:
        with pytest.raises(ClientError, match="UnauthorizedOperation"):
            ec2.describe_spot_price_history()
    finally:
        cloud.reset()
    with pytest.raises(ClientError, match="InvalidAction"):
        ec2.describe_instances()
