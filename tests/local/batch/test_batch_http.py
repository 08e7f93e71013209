"""Through a real boto3 client and a real server on a loopback port."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request

import boto3
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from snakemake_executor_plugin_hutchbatch.local.batch import build_batch_app
from snakemake_executor_plugin_hutchbatch.local.services.logs import refuse_json
from snakemake_executor_plugin_hutchbatch.local.services.service_faults import FaultMiddleware


class Server(uvicorn.Server):
    """Says when it is ready, so that nobody has to look again and again."""

    def __init__(self, app):
        super().__init__(uvicorn.Config(app, log_level="warning", lifespan="off"))
        self.ready = threading.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.ready.set()


@pytest.fixture
def serve():
    """Serves an app on a free loopback port; gives its address."""
    running = []

    def start(app):
        listener = socket.create_server(("127.0.0.1", 0))
        server = Server(app)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        assert server.ready.wait(10)
        running.append((server, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def address(aws, serve):
    app = build_batch_app(aws.service)
    return serve(FaultMiddleware(app, aws.service.service_faults, "batch", refuse_json))


def batch_client(address, attempts=1):
    return boto3.client(
        "batch",
        endpoint_url=address,
        region_name="us-west-2",
        aws_access_key_id="x",
        aws_secret_access_key="y",
        config=Config(retries={"total_max_attempts": attempts}),
    )


def control(address, path, form=None):
    data = None if form is None else json.dumps(form).encode()
    with urllib.request.urlopen(f"{address}/_control/{path}", data) as answer:  # noqa: S310
        return json.load(answer)


def test_a_job_from_registration_to_its_end(aws, address):
    client = batch_client(address)
    definition = client.register_job_definition(
        jobDefinitionName="echo",
        type="container",
        containerProperties={
            "image": "busybox",
            "command": ["echo", "Ref::what"],
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "128"},
            ],
        },
        tags={"lab": "x"},
    )
    job = client.submit_job(
        jobName="hello",
        jobQueue="mixed",
        jobDefinition=definition["jobDefinitionArn"],
        parameters={"what": "world"},
    )["jobId"]
    assert client.describe_jobs(jobs=[job])["jobs"][0]["status"] == "RUNNING"
    aws.clock.run()
    found = client.describe_jobs(jobs=[job])["jobs"][0]
    assert found["status"] == "SUCCEEDED"
    assert found["container"]["command"] == ["echo", "world"]
    assert found["container"]["exitCode"] == 0


def test_paginators_and_bulk_calls_work(aws, address):
    client = batch_client(address)
    array = client.submit_job(
        jobName="many", jobQueue="mixed", jobDefinition="tool", arrayProperties={"size": 30}
    )["jobId"]
    answer = client.terminate_jobs(jobs=[f"{array}:{n}" for n in range(30)], reason="enough")
    assert len(answer["successful"]) == 30
    aws.clock.advance(0)
    pages = client.get_paginator("list_jobs").paginate(
        arrayJobId=array, jobStatus="FAILED", PaginationConfig={"PageSize": 7}
    )
    found = [each["jobId"] for page in pages for each in page["jobSummaryList"]]
    assert found == [f"{array}:{n}" for n in range(30)]
    assert len(client.describe_job_queues()["jobQueues"]) == 5
    assert len(client.describe_compute_environments()["computeEnvironments"]) == 5
    assert client.get_job_queue_snapshot(jobQueue="mixed")["frontOfQueue"]["jobs"] == []


def test_tags_travel_in_path_and_query(aws, address):
    client = batch_client(address)
    arn = aws.job(aws.submit(tags={"a": "1"}))["jobArn"]
    client.tag_resource(resourceArn=arn, tags={"b": "2", "c d": "3"})
    client.untag_resource(resourceArn=arn, tagKeys=["a", "c d"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}


def test_a_refusal_is_a_client_exception(address):
    client = batch_client(address)
    with pytest.raises(client.exceptions.ClientException, match="valid pattern") as caught:
        client.submit_job(jobName="-", jobQueue="mixed", jobDefinition="tool")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_boto3_retries_what_is_throttled_or_failed(aws, address):
    client = batch_client(address, attempts=3)
    control(address, "faults", {"kind": "throttle", "operation": "DescribeJobs", "calls": 1})
    control(address, "faults", {"kind": "error", "operation": "ListJobs", "calls": 1})
    assert client.describe_jobs(jobs=[])["ResponseMetadata"]["RetryAttempts"] == 1
    assert client.list_jobs(jobQueue="mixed")["ResponseMetadata"]["RetryAttempts"] == 1
    counted = control(address, "calls")
    assert counted["calls"]["DescribeJobs"] == 2
    assert counted["errors"] == {"DescribeJobs": 1, "ListJobs": 1}


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ({"kind": "throttle", "calls": 1}, "TooManyRequestsException", 429),
        ({"kind": "error", "calls": 1}, "ServerException", 500),
        ({"kind": "error", "performed": True}, "ServerException", 500),
    ],
)
def test_faults_reach_the_client_with_awss_codes(address, fault, code, status):
    control(address, "faults", [fault])
    with pytest.raises(ClientError) as caught:
        batch_client(address).describe_jobs(jobs=[])
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_an_outage_closes_connections_until_it_is_ended(address):
    control(address, "faults", {"kind": "outage", "seconds": 3600})
    client = batch_client(address)
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        client.describe_jobs(jobs=[])
    control(address, "reset", {})
    assert client.describe_jobs(jobs=[])["jobs"] == []


def test_the_middleware_takes_other_endpoints_down_too(aws, serve):
    other = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))])
    address = serve(FaultMiddleware(other, aws.service.service_faults, "logs", refuse_json))
    with urllib.request.urlopen(address) as answer:  # noqa: S310
        assert answer.read() == b"here"
    aws.service.fault({"kind": "outage", "seconds": 5})
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(address)  # noqa: S310
    aws.clock.advance(5)
    with urllib.request.urlopen(address) as answer:  # noqa: S310
        assert answer.read() == b"here"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/submitjob", b"{nonsense", 400),
        ("/v1/submitjob", b"[]", 400),
        ("/v1/createjobqueue", b"{}", 404),
        ("/_control/faults", b'{"kind": "flood"}', 400),
        ("/_control/faults", b"[1]", 400),
        ("/_control/faults", b"{", 400),
    ],
)
def test_senseless_requests_are_refused(address, path, body, status):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{address}{path}", body)  # noqa: S310
    with caught.value as answer:
        assert answer.code == status
        assert json.load(answer)["message"]
