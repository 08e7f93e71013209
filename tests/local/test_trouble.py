"""Bad days of the road to the local cloud, as AWS's own clients see them."""

import time
from datetime import UTC, datetime

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError
from running import client_of, run_job

from snakemake_executor_plugin_hutchbatch.supervisor import s3_bootstrap

CUT = (BotoConnectionError, HTTPClientError)
ONCE = Config(retries={"total_max_attempts": 1})
BUCKET = "hutchbatch"


@pytest.fixture(scope="module")
def once(cloud):
    made = {name: client_of(cloud, name, config=ONCE) for name in ("batch", "s3", "logs", "sts")}
    return made.__getitem__


CALLS = {
    "batch": lambda client: client.describe_job_queues(),
    "s3": lambda client: client.list_objects_v2(Bucket=BUCKET),
    "logs": lambda client: client.describe_log_groups(),
    "sts": lambda client: client.get_caller_identity(),
}


def code(call) -> str:
    with pytest.raises(ClientError) as raised:
        call()
    return raised.value.response["Error"]["Code"]


@pytest.mark.parametrize("name", CALLS)
def test_an_outage_takes_each_service_away_until_it_ends(cloud, once, name):
    call = CALLS[name]
    call(once(name))
    cloud.fault(kind="outage", seconds=3600, service=name)
    with pytest.raises(CUT):
        call(once(name))
    other = "batch" if name == "s3" else "s3"
    CALLS[other](once(other))
    cloud.reset()
    call(once(name))


def test_an_outage_of_the_users_network_leaves_jobs_their_s3(cloud, batch):
    script = "import boto3; boto3.client('s3').put_object(Bucket='hutchbatch', Key='k', Body=b'1')"
    cloud.fault(kind="outage", seconds=3600, service="s3")
    job = run_job(batch, "road", ["python", "-c", script])
    assert job["status"] == "SUCCEEDED"


def test_a_cut_connection_may_have_carried_out_its_call(cloud, once):
    s3 = once("s3")
    for performed in (False, True):
        cloud.fault(kind="reset", service="s3", performed=performed)
        with pytest.raises(CUT):
            s3.put_object(Bucket=BUCKET, Key=f"cut-{performed}", Body=b"x")
    assert code(lambda: s3.head_object(Bucket=BUCKET, Key="cut-False")) == "404"
    s3.head_object(Bucket=BUCKET, Key="cut-True")
    batch = once("batch")
    cloud.fault(kind="reset", service="batch", calls=2)
    for _ in range(2):
        with pytest.raises(CUT):
            batch.describe_jobs(jobs=[])
    batch.describe_jobs(jobs=[])


def test_s3_asks_to_slow_down_as_often_as_told(cloud, once):
    before = cloud.struck()["slow_down"]
    cloud.fault(kind="slow_down", calls=1)
    cloud.fault(kind="slow_down", calls=1, code="InternalError")
    s3 = once("s3")
    assert code(lambda: CALLS["s3"](s3)) == "SlowDown"
    assert code(lambda: CALLS["s3"](s3)) == "InternalError"
    CALLS["s3"](s3)
    assert cloud.struck()["slow_down"] == before + 2


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_is_hours_off_is_refused_and_reported(cloud, once, hours):
    once("s3").put_object(Bucket=BUCKET, Key="when", Body=b"x")
    cloud.fault(kind="skew", seconds=hours * 3600.0)
    assert code(lambda: CALLS["s3"](once("s3"))) == "RequestTimeTooSkewed"
    for name in ("batch", "logs"):
        assert code(lambda name=name: CALLS[name](once(name))) == "InvalidSignatureException"
    with pytest.raises(ClientError) as raised:
        CALLS["batch"](once("batch"))
    reported = raised.value.response["ResponseMetadata"]["HTTPHeaders"]["date"]
    date = datetime.strptime(reported, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert abs(date.timestamp() - time.time() - hours * 3600) < 120


def test_a_small_difference_of_clocks_is_taken_and_moves_the_times_of_objects(cloud, once):
    s3 = once("s3")
    s3.put_object(Bucket=BUCKET, Key="when", Body=b"x")
    real = s3.head_object(Bucket=BUCKET, Key="when")["LastModified"]
    cloud.fault(kind="skew", seconds=600)
    head = s3.head_object(Bucket=BUCKET, Key="when")["LastModified"]
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="when")["Contents"][0]["LastModified"]
    assert abs((head - real).total_seconds() - 600) < 2
    assert abs((listed - real).total_seconds() - 600) < 2


def test_a_container_starts_through_a_slow_s3_and_a_wrong_clock(cloud, s3):
    """A refusal for the clock, after other failures, is no refusal of the role (chaos, seed 12)."""
    s3.put_object(Bucket=BUCKET, Key="task", Body=b"x")
    cloud.fault(kind="skew", seconds=18000.0)
    cloud.fault(kind="slow_down", calls=3)
    assert s3_bootstrap.fetch(cloud.environment, f"s3://{BUCKET}/task") == b"x"


def test_expired_keys_are_refused_everywhere_and_renewed_ones_taken(cloud, once):
    cloud.fault(kind="expire", key=cloud.user.access_key)
    assert code(lambda: CALLS["s3"](once("s3"))) == "ExpiredToken"
    assert code(lambda: CALLS["batch"](once("batch"))) == "ExpiredTokenException"
    assert code(lambda: CALLS["logs"](once("logs"))) == "ExpiredTokenException"
    assert code(lambda: CALLS["sts"](once("sts"))) == "ExpiredToken"
    for name, call in CALLS.items():
        call(
            client_of(
                cloud,
                name,
                config=ONCE,
                aws_access_key_id=cloud.renewed.access_key,
                aws_secret_access_key=cloud.renewed.secret_key,
            )
        )
    cloud.reset()
    CALLS["batch"](once("batch"))
