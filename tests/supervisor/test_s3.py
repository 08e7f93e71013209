"""Signatures, credentials and retries of the supervisor's own S3 client."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.aws import clients
from snakemake_executor_plugin_hutchbatch.supervisor import s3_address, s3_bootstrap
from snakemake_executor_plugin_hutchbatch.supervisor.s3 import S3, S3Error

from .conftest import ACCESS, BUCKET, REGION, SECRET, Store
from .faults import Proxy, first
from .tiny import TinyS3

KEYS = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "HUTCHBATCH_REGION": REGION}
AP = "arn:aws:s3:eu-west-1:123456789012:accesspoint/reads"
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)


@given(TEXT, st.dictionaries(TEXT, TEXT, max_size=3), st.sampled_from([None, "session/+token="]))
def test_requests_are_signed_as_botocore_signs_them(
    key: str, query: dict[str, str], token: str | None
) -> None:
    path = s3_bootstrap.key_path("/bucket", key)
    pairs = sorted((quote(k, safe="~"), quote(v, safe="~")) for k, v in query.items())
    line = "&".join(f"{k}={v}" for k, v in pairs)
    digest = "0" * 64
    headers = {"if-match": '"a  b"'}
    seconds = time.time()
    keys = s3_bootstrap.Keys(ACCESS, SECRET, token)
    s3_bootstrap.sign(keys, REGION, ("GET", "h:9", path, line), headers, digest, seconds)

    request = AWSRequest("GET", "http://h:9" + path + ("?" + line if line else ""))
    request.headers = HTTPHeaders()
    request.headers["if-match"] = '"a  b"'
    request.headers["host"] = "h:9"
    request.headers["x-amz-content-sha256"] = digest
    request.headers["x-amz-date"] = headers["x-amz-date"]
    if token:
        request.headers["x-amz-security-token"] = token
    request.context["timestamp"] = headers["x-amz-date"]
    auth = S3SigV4Auth(Credentials(ACCESS, SECRET, token), "s3", REGION)
    text = auth.string_to_sign(request, _canonical(auth, request, digest))
    assert headers["authorization"].endswith("Signature=" + auth.signature(text, request))


def _canonical(auth: Any, request: AWSRequest, digest: str) -> str:
    auth.payload = lambda request: digest
    text: str = auth.canonical_request(request)
    return text


@pytest.mark.parametrize(
    ("endpoint", "region", "bucket", "expected"),
    [
        (None, "us-west-2", "b", ("https", "b.s3.us-west-2.amazonaws.com", "")),
        (None, "us-west-2", "b.c", ("https", "s3.us-west-2.amazonaws.com", "/b.c")),
        (None, "cn-north-1", "b", ("https", "b.s3.cn-north-1.amazonaws.com.cn", "")),
        ("http://h:1/base/", "x", "b", ("http", "h:1", "/base/b")),
        (
            None,
            "eu-west-1",
            AP,
            ("https", "reads-123456789012.s3-accesspoint.eu-west-1.amazonaws.com", ""),
        ),
        ("http://h:1/base/", "eu-west-1", AP, ("http", "reads-123456789012.h:1", "/base")),
    ],
)
def test_a_bucket_has_its_address(
    endpoint: str | None, region: str, bucket: str, expected: tuple[str, str, str]
) -> None:
    assert s3_address.address(endpoint, region, bucket) == expected


@pytest.mark.parametrize("between", ["/", ":"])
def test_an_access_point_is_named_by_its_arn_and_knows_its_region(between: str) -> None:
    arn = f"arn:aws:s3:eu-west-1:123456789012:accesspoint{between}reads"
    assert s3_address.split_url(f"s3://{arn}/a/b") == (arn, "a/b")
    assert s3_address.region_for(REGION, arn) == "eu-west-1"
    assert s3_address.region_for(REGION, "reads-x1-s3alias") == REGION
    assert s3_address.address(None, "eu-west-1", arn) == s3_address.address(None, "eu-west-1", AP)


@pytest.mark.parametrize("method", ["HEAD", "GET", "PUT"])
def test_a_signature_for_another_region_is_corrected_once(tiny: TinyS3, method: str) -> None:
    """At an endpoint of the user's own, too; the answer to HEAD has no body that names it."""
    tiny.region = "eu-west-1"
    tiny.objects[f"/{BUCKET}/a"] = b"a"
    s3 = S3({**KEYS, "AWS_ENDPOINT_URL": tiny.endpoint}, sleep=pytest.fail)
    for _ in range(2):
        s3.request(method, BUCKET, "a")
    assert len(tiny.seen) == (5 if method == "HEAD" else 3)


def test_the_first_steps_correct_the_region(tiny: TinyS3, monkeypatch: Any) -> None:
    tiny.region = "eu-west-1"
    tiny.objects[f"/{BUCKET}/a"] = b"a"
    monkeypatch.setattr(s3_bootstrap.time, "sleep", lambda seconds: None)
    environ = {**KEYS, "AWS_ENDPOINT_URL": tiny.endpoint}
    assert s3_bootstrap.fetch(environ, f"s3://{BUCKET}/a") == b"a"
    assert len(tiny.seen) == 2


def test_the_controllers_client_corrects_the_region(tiny: TinyS3) -> None:
    tiny.region = "eu-west-1"
    session = boto3.Session(ACCESS, SECRET, region_name=REGION)
    s3 = clients.clients(session, clients.S3Access(tiny.endpoint)).s3
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"a")
    assert s3.head_object(Bucket=BUCKET, Key="a")["ContentLength"] == 1


def test_an_endpoint_variable_of_aws_wins_over_ours() -> None:
    ours = {"HUTCHBATCH_S3_ENDPOINT": "c"}
    assert s3_bootstrap.endpoint_of(ours) == "c"
    assert s3_bootstrap.endpoint_of({**ours, "AWS_ENDPOINT_URL": "b"}) == "b"
    assert (
        s3_bootstrap.endpoint_of({**ours, "AWS_ENDPOINT_URL": "b", "AWS_ENDPOINT_URL_S3": "a"})
        == "a"
    )


class Role:
    """The address where ECS hands out the job role's credentials."""

    def __init__(self) -> None:
        self.calls = 0
        self.refuse = 0
        self.ends = "2100-01-01T00:00:00Z"
        self.access = ACCESS
        role = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                role.calls += 1
                ready = role.calls > role.refuse and self.headers["Authorization"] == "a-token"
                answer = {
                    "AccessKeyId": role.access,
                    "SecretAccessKey": SECRET,
                    "Token": "",
                    "Expiration": role.ends,
                }
                data = json.dumps(answer).encode()
                self.send_response(200 if ready else 500)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.environ = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self._server.server_address[1]}/creds?x=1",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a-token",
            "HUTCHBATCH_REGION": REGION,
        }

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def role() -> Iterator[Role]:
    made = Role()
    yield made
    made.close()


def test_a_role_that_is_not_ready_yet_is_waited_for(
    role: Role, endpoint: str, store: Store
) -> None:
    role.refuse = 3
    waits: list[float] = []
    s3 = S3({**role.environ, "AWS_ENDPOINT_URL": endpoint}, sleep=waits.append)
    assert s3.get(store.put("x", "1")) == b"1"
    assert len(waits) == 3
    assert waits == sorted(waits)
    s3.get(store.url("x"))
    assert role.calls == 4


def test_credentials_are_renewed_before_they_end(role: Role, endpoint: str, store: Store) -> None:
    url = store.put("x", "1")
    clock = [time.time()]
    s3 = S3({**role.environ, "AWS_ENDPOINT_URL": endpoint}, now=lambda: clock[0])
    role.ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock[0] + 700))
    s3.get(url)
    s3.get(url)
    assert role.calls == 1
    clock[0] += 200
    role.ends = "2100-01-01T00:00:00Z"
    s3.get(url)
    assert role.calls == 2


def test_pauses_grow_to_a_limit_and_differ(endpoint: str, store: Store) -> None:
    waits: list[float] = []
    dead = {**KEYS, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    with pytest.raises(OSError, match="refused"):
        S3(dead, sleep=waits.append, random=lambda: 1.0).get("s3://b/k")
    assert len(waits) == s3_bootstrap.ATTEMPTS - 1
    assert waits[:3] == [0.5, 1.0, 2.0]
    assert max(waits) == waits[-1] == s3_bootstrap.LONGEST_PAUSE
    assert s3_bootstrap.pause(3, 0.0) < s3_bootstrap.pause(3, 0.5) < s3_bootstrap.pause(3, 1.0)


def test_an_answer_that_no_retry_helps_is_reported_at_once(s3: S3, store: Store) -> None:
    with pytest.raises(S3Error) as caught:
        s3.get(store.url("absent"))
    assert caught.value.status == 404


def test_a_body_that_is_not_what_was_signed_is_not_taken(tiny: TinyS3) -> None:
    class Damaged:
        size = 4
        sha256 = "0" * 64

        def __iter__(self) -> Iterator[bytes]:
            yield b"body"

    s3 = S3({**KEYS, "AWS_ENDPOINT_URL": tiny.endpoint}, sleep=lambda seconds: None, attempts=2)
    with pytest.raises(S3Error):
        s3.request("PUT", BUCKET, "damaged", body=Damaged())
    assert tiny.objects == {}


def test_one_dead_kept_connection_costs_no_pause(endpoint: str, store: Store) -> None:
    waits: list[float] = []
    url = store.put("x", "1")
    left = [0]

    def fault(method: str, path: str) -> str | None:
        left[0] += 1
        return "reset" if left[0] == 2 else None

    proxy = Proxy(endpoint, fault)
    s3 = S3({**KEYS, "AWS_ENDPOINT_URL": proxy.endpoint}, sleep=waits.append)
    assert [s3.get(url), s3.get(url)] == [b"1", b"1"]
    assert waits == []
    proxy.close()


def test_slow_down_is_obeyed(endpoint: str, store: Store) -> None:
    waits: list[float] = []
    url = store.put("x", "1")
    proxy = Proxy(endpoint, first(3, 503, "/x"))
    s3 = S3({**KEYS, "AWS_ENDPOINT_URL": proxy.endpoint}, sleep=waits.append)
    assert s3.get(url) == b"1"
    assert len(waits) == 3
    proxy.close()
