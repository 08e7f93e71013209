"""Who may call what: signatures, regions, tokens, bodies, permissions, credentials of jobs."""

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from running import client_of, output, run_job

from snakemake_executor_plugin_hutchbatch.doctor import permissions

BUCKET = "hutchbatch"
ROLE = "arn:aws:iam::000000000000:role/local-batchtask"
ONCE = Config(retries={"total_max_attempts": 1})
CALLS = {
    "batch": lambda client: client.describe_job_queues(),
    "s3": lambda client: client.list_objects_v2(Bucket=BUCKET),
    "logs": lambda client: client.describe_log_groups(),
    "sts": lambda client: client.get_caller_identity(),
}


def refusal(call, *arguments, **more) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(*arguments, **more)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize("name", CALLS)
def test_a_signature_for_another_region_is_refused(cloud, name):
    client = client_of(cloud, name, region_name="eu-west-1", config=ONCE)
    if name == "s3":
        CALLS[name](client)  # boto3 reads the right region in the answer, and signs again
        # … which others must do themselves:
        raw = signed(cloud, "GET", "/hutchbatch/none", region="eu-west-1")
        status, headers, body = send(raw)
        assert (status, headers["x-amz-bucket-region"]) == (400, "us-west-2")
        assert b"<Code>AuthorizationHeaderMalformed</Code>" in body
        assert b"<Region>us-west-2</Region>" in body
        return
    code, words = refusal(CALLS[name], client)
    assert code in ("InvalidSignatureException", "SignatureDoesNotMatch")
    assert "valid region" in words


def signed(cloud, method, path, body=b"", region="us-west-2", **headers):
    """A request to S3, signed as it is."""
    url = cloud.environment["AWS_ENDPOINT_URL_S3"] + path
    request = AWSRequest(method=method, url=url, data=body, headers=headers)
    keys = Credentials(cloud.user.access_key, cloud.user.secret_key)
    S3SigV4Auth(keys, "s3", region).add_auth(request)
    return request.prepare()


def send(request, body=None, **changed):
    headers = {**request.headers, **changed}
    asked = urllib.request.Request(  # noqa: S310  loopback
        request.url,
        data=request.body if body is None else body,
        headers={name: value for name, value in headers.items() if value is not None},
        method=request.method,
    )
    try:
        with urllib.request.urlopen(asked) as answer:  # noqa: S310
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_a_body_that_is_not_the_signed_one_is_refused_and_not_stored(cloud, s3):
    request = signed(cloud, "PUT", "/hutchbatch/access/body", b"right")
    status, _, body = send(request, b"wrong")
    assert (status, b"XAmzContentSHA256Mismatch" in body) == (400, True)
    assert refusal(s3.head_object, Bucket=BUCKET, Key="access/body")[0] == "404"
    assert send(request)[0] == 200


def test_headers_that_matter_must_be_signed(cloud):
    request = signed(cloud, "PUT", "/hutchbatch/access/header", b"x")
    status, _, body = send(request, **{"x-amz-acl": "public-read"})
    assert (status, b"which were not signed" in body) == (403, True)
    del request.headers["X-Amz-Content-SHA256"]
    assert b"InvalidRequest" in send(request)[2]


def test_the_token_of_a_role_must_be_there_and_right(cloud):
    keys = {
        "aws_access_key_id": cloud.role.access_key,
        "aws_secret_access_key": cloud.role.secret_key,
        "config": ONCE,
    }
    good = cloud.role.token_until(datetime(2100, 1, 1, tzinfo=UTC))
    ended = cloud.role.token_until(datetime(2001, 1, 1, tzinfo=UTC))
    codes = {}
    for name, call in CALLS.items():
        tried = [
            refusal(call, client_of(cloud, name, aws_session_token=token, **keys))[0]
            for token in (None, "x.9999999999", ended)
        ]
        codes[name] = tried
        call(client_of(cloud, name, aws_session_token=good, **keys))
    assert codes == {
        "batch": ["UnrecognizedClientException"] * 2 + ["ExpiredTokenException"],
        "logs": ["UnrecognizedClientException"] * 2 + ["ExpiredTokenException"],
        "s3": ["InvalidToken"] * 2 + ["ExpiredToken"],
        "sts": ["InvalidClientTokenId"] * 2 + ["ExpiredToken"],
    }


# -- permissions


def statement(action, resource="*"):
    return {"Effect": "Allow", "Action": action, "Resource": resource}


@pytest.fixture
def only(cloud):
    """Gives the user these permissions and no others."""

    def give(*statements, caller="user"):
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        cloud.fault(kind="only_allow", policy=document, caller=caller)

    yield give
    cloud.reset()


def test_permissions_are_of_single_objects(s3, only):
    for key in ("access/mine/a", "access/other/a"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    mine = f"arn:aws:s3:::{BUCKET}/access/mine/*"
    only(statement(["s3:GetObject", "s3:DeleteObject"], mine))
    s3.get_object(Bucket=BUCKET, Key="access/mine/a")
    code, words = refusal(s3.get_object, Bucket=BUCKET, Key="access/other/a")
    assert code == "AccessDenied"
    assert "s3:GetObject on resource" in words
    assert refusal(s3.put_object, Bucket=BUCKET, Key="access/mine/a")[0] == "AccessDenied"
    assert refusal(s3.list_objects_v2, Bucket=BUCKET)[0] == "AccessDenied"
    # Who may not list learns of no object whether it is there.
    assert refusal(s3.get_object, Bucket=BUCKET, Key="access/mine/none")[0] == "AccessDenied"
    only(statement("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"))
    assert refusal(s3.get_object, Bucket=BUCKET, Key="access/mine/none")[0] == "NoSuchKey"


def test_permissions_of_batch_are_of_queues_definitions_jobs_and_roles(batch, only):
    arn = "arn:aws:batch:us-west-2:000000000000"
    container = {
        "image": "x",
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "64"},
        ],
    }
    own = f"{arn}:job-definition/hutchbatch-*"
    only(
        statement("batch:RegisterJobDefinition", own),
        statement("batch:SubmitJob", [own, f"{arn}:job-queue/mixed"]),
        statement("batch:TerminateJob", f"{arn}:job/*"),
    )
    form = {"type": "container", "containerProperties": container}
    code, words = refusal(batch.register_job_definition, jobDefinitionName="other", **form)
    assert (code, "batch:RegisterJobDefinition" in words) == ("AccessDeniedException", True)
    batch.register_job_definition(jobDefinitionName="hutchbatch-x", **form)
    with_role = {**form, "containerProperties": {**container, "jobRoleArn": ROLE}}
    words = refusal(batch.register_job_definition, jobDefinitionName="hutchbatch-x", **with_role)[1]
    assert f"iam:PassRole on resource: {ROLE}" in words
    job = {"jobName": "a", "jobDefinition": "hutchbatch-x"}
    assert "job-queue/cpu-spot-50" in refusal(batch.submit_job, jobQueue="cpu-spot-50", **job)[1]
    tagged = {**job, "jobQueue": "mixed", "tags": {"a": "b"}}
    assert "batch:TagResource" in refusal(batch.submit_job, **tagged)[1]
    made = batch.submit_job(jobQueue="mixed", **job)["jobId"]
    assert "batch:CancelJob" in refusal(batch.cancel_job, jobId=made, reason="r")[1]
    batch.terminate_job(jobId=made, reason="r")


def test_a_bulk_call_says_of_each_job_that_it_may_not_be_ended(cloud, only):
    only(statement("batch:TerminateJob", "arn:aws:batch:*:job/0*"))
    ids = [f"{n}0000000-0000-0000-0000-000000000000" for n in range(2)]
    key = cloud.user.access_key
    from snakemake_executor_plugin_hutchbatch.local.batch import http  # noqa: PLC0415

    asked = {"jobs": ids, "reason": "r"}
    answer = http._permitted(cloud.batch, "TerminateJobs", key, asked, 100)
    assert answer["successful"] == ids[:1]
    assert [(e["job"], e["code"]) for e in answer["errors"]] == [(ids[1], "AccessDeniedException")]


def test_permissions_of_logs_are_of_groups(logs, only):
    group = "arn:aws:logs:us-west-2:000000000000:log-group:/aws/batch/job:*"
    only(statement(["logs:FilterLogEvents", "logs:GetLogEvents"], group))
    logs.filter_log_events(logGroupName="/aws/batch/job")
    assert refusal(logs.filter_log_events, logGroupName="/other")[0] == "AccessDeniedException"
    asked = {"logGroupName": "/aws/batch/job", "logStreamName": "none"}
    assert refusal(logs.get_log_events, **asked)[0] == "ResourceNotFoundException"


def test_doctors_policy_is_one_that_is_understood(cloud):
    context = permissions.AccountContext("us-west-2", "000000000000", places=("s3://b/c",))
    actions = [*permissions.NEEDED, *permissions.USEFUL, "s3:GetObject", "s3:ListBucket"]
    cloud.fault(kind="only_allow", policy=permissions.policy(actions, context))
    batch = client_of(cloud, "batch")
    batch.describe_job_queues()
    assert refusal(batch.deregister_job_definition, jobDefinition="x:1")[0] == (
        "AccessDeniedException"
    )


@pytest.mark.parametrize(
    "form", [{"policy": {"Statement": [{"Effect": "allow"}]}}, {"policy": "x"}, {"polcy": {}}]
)
def test_a_policy_that_is_not_understood_is_refused(cloud, form):
    with pytest.raises(ValueError, match=r".+"):
        cloud.fault(kind="only_allow", **form)


# -- credentials of jobs

WHO = (
    "import boto3, botocore.config as c; o = c.Config(retries={'total_max_attempts': 1});"
    "s = boto3.Session(region_name='us-west-2'); k = s.get_credentials();"
    "print(s.client('sts', config=o).get_caller_identity()['Arn'], k.method)"
)


def test_jobs_have_their_job_role_or_else_their_machines(batch, logs):
    with_role = run_job(batch, "who-role", ["python", "-c", WHO], jobRoleArn=ROLE)
    assert output(logs, with_role) == [f"{ROLE} container-role"]
    without = run_job(batch, "who-machine", ["python", "-c", WHO])
    assert output(logs, without) == [f"{ROLE.rpartition('/')[0]}/ecsInstanceRole iam-role"]


def test_with_a_hop_limit_of_one_a_job_without_a_job_role_has_no_credentials(cloud, batch, logs):
    cloud.fault(kind="hop_limit")
    quick = "import os; os.environ['AWS_METADATA_SERVICE_NUM_ATTEMPTS'] = '1';"
    found = "import boto3; print(boto3.Session().get_credentials())"
    job = run_job(batch, "hops", ["python", "-c", quick + found])
    assert output(logs, job) == ["None"]
    assert cloud.struck()["hop_limit"] >= 1


def ask_credentials(cloud):
    request = urllib.request.Request(  # noqa: S310
        f"{cloud.server.url}/credentials", headers={"Authorization": cloud.token}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.loads(answer.read())


def test_credentials_may_be_throttled_and_end_early(cloud):
    cloud.fault(kind="throttle_credentials", calls=1)
    with pytest.raises(urllib.error.HTTPError, match="429"):
        ask_credentials(cloud)
    long = ask_credentials(cloud)
    cloud.fault(kind="short_credentials", seconds_valid=0)
    short = ask_credentials(cloud)
    assert long["Expiration"] > short["Expiration"]

    def use(given):
        keys = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["Token"],
        }
        return CALLS["s3"](client_of(cloud, "s3", config=ONCE, **keys))

    assert refusal(use, short)[0] == "ExpiredToken"
    use(long)
