"""What is not S3's answer passes like any fault on the way: asked again, never believed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import download, s3_bootstrap
from snakemake_executor_plugin_hutchbatch.supervisor.input_lookup import head, list_keys
from snakemake_executor_plugin_hutchbatch.supervisor.s3 import S3
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Input, Output, Step

from .conftest import ACCESS, BUCKET, REGION, SECRET, Container, Store
from .faults import Fault, Proxy, first
from .test_s3 import Role
from .tiny import TinyS3

PAGE = b"<!DOCTYPE html><html><body><p>Please sign in<br></body></html>"


def answer(status: str, body: bytes = b"", *headers: str, size: object = None) -> bytes:
    length = len(body) if size is None else size
    lines = [f"HTTP/1.1 {status}", f"content-length: {length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\netag: x\r\n\r\n" + body


HTML = "content-type: text/html; charset=utf-8"
NO_HTTP = {
    "nothing": b"",
    "noise": bytes(range(256)) * 40,
    "a word for a status": b"HTTP/1.1 fine\r\n\r\n",
    "an absurd status": b"HTTP/1.1 20000 OK\r\ncontent-length: 0\r\n\r\n",
    "no end of the head": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000,
    "interim answers for ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 5000,
    "a length that is a word": answer("200 OK", b"abc", size="many"),
    "a negative length": answer("200 OK", b"abc", size=-3),
    "an absurd length": answer("200 OK", b"abc", size=10**30),
    "a length beyond all memory": answer("200 OK", b"abc", size=10**14),
    "a body that ends early": answer("200 OK", b"abc", size=100),
    "a chunk that ends early": chunked(b"ff\r\nabc"),
    "chunks without an end": chunked(b"3\r\nabc\r\n"),
    "a negative chunk": chunked(b"-3\r\nabc\r\n0\r\n\r\n"),
    "a chunk that is a word": chunked(b"many\r\nabc\r\n0\r\n\r\n"),
    "an absurd chunk": chunked(b"f" * 40 + b"\r\nabc"),
    "trailers for ever": chunked(b"0\r\n" + b"a: b\r\n" * 5000),
}
PAGES = {
    "a page": answer("200 OK", PAGE, HTML),
    "a page that refuses": answer("403 Forbidden", PAGE, HTML),
    "a page that misses": answer("404 Not Found", PAGE, HTML),
    "a page by another name": answer("403 Forbidden", PAGE),
    "a redirection to nowhere": answer("302 Found", b"", "location: http://login.example/"),
    "an odd success": answer("203 Fine", b"abc"),
}


class Road:
    """An S3 server behind a proxy that fails as it is told."""

    def __init__(self) -> None:
        self.tiny = TinyS3()
        self.fault: Fault = lambda method, path: None
        self.proxy = Proxy(self.tiny.endpoint, self._decide)
        environ = {
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "HUTCHBATCH_REGION": REGION,
            "AWS_ENDPOINT_URL": self.proxy.endpoint,
        }
        self.s3 = S3(environ, sleep=lambda seconds: None)

    def _decide(self, method: str, path: str) -> int | str | bytes | None:
        return self.fault(method, path)


@pytest.fixture(scope="module")
def one_road() -> Iterator[Road]:
    made = Road()
    yield made
    made.proxy.close()
    made.tiny.close()


@pytest.fixture
def road(one_road: Road) -> Road:
    one_road.tiny.objects.clear()
    one_road.tiny.kept.clear()
    one_road.tiny.objects[f"/{BUCKET}/x"] = b"right"
    return one_road


@pytest.mark.parametrize("kind", [*NO_HTTP, *PAGES])
def test_what_is_not_s3s_answer_is_asked_for_again(road: Road, kind: str) -> None:
    broken = {**NO_HTTP, **PAGES}[kind]
    road.fault = first(2, broken, "/x")
    assert road.s3.get(f"s3://{BUCKET}/x") == b"right"
    road.fault = first(2, broken, "/x", "PUT")
    road.s3.put(f"s3://{BUCKET}/x", b"newer")
    assert road.tiny.objects[f"/{BUCKET}/x"] == b"newer"


HEADS = ["nothing", "noise", "a length that is a word", "a negative length", "an absurd length"]
HEADS += ["a page", "a page that refuses", "a page that misses", "a redirection to nowhere"]


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_that_is_not_s3s_is_asked_for_again(road: Road, kind: str) -> None:
    road.fault = first(2, {**NO_HTTP, **PAGES}[kind], "/x", "HEAD")
    found = head(road.s3, BUCKET, "x")
    assert found is not None
    assert found.size == 5


BOMB = (
    b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>%s]><ListBucketResult>&j;</ListBucketResult>"
    % b"".join(
        b"<!ENTITY %c '%s'>" % (letter + 1, b"&%c;" % letter * 10) for letter in range(97, 106)
    )
)
CONTENTS = b"<ListBucketResult><Contents><Key>y</Key><Size>%s</Size></Contents></ListBucketResult>"
LISTINGS = {
    "no XML": b"here you are",
    "half": b"<ListBucketResult><Contents><Key>a</K",
    "other XML": b"<Welcome/>",
    "entities": BOMB,
    "a size that is a word": CONTENTS % b"large",
    "a negative size": CONTENTS % b"-1",
    "an absurd size": CONTENTS % (b"9" * 400),
    "no names": b"<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
    "an unknown encoding": b"<?xml version='1.0' encoding='klingon'?><ListBucketResult/>",
}


@pytest.mark.parametrize("kind", LISTINGS)
def test_a_listing_that_is_none_is_asked_for_again(road: Road, kind: str) -> None:
    road.fault = first(2, answer("200 OK", LISTINGS[kind]), "list-type")
    assert [found.key for found in list_keys(road.s3, BUCKET, "x")] == ["x"]


def test_a_listing_that_goes_round_in_circles_is_an_error(road: Road) -> None:
    pages = [
        b"<ListBucketResult><NextContinuationToken>%s</NextContinuationToken></ListBucketResult>"
        % token
        for token in (b"a", b"b")
    ]

    def circle(method: str, path: str) -> bytes:
        return answer("200 OK", pages["continuation-token=a" in path])

    road.fault = circle
    with pytest.raises(OSError, match="never ends"):
        list(list_keys(road.s3, BUCKET, ""))


def test_pages_in_place_of_inputs_are_never_taken_for_them(road: Road, tmp_path: Path) -> None:
    road.tiny.objects[f"/{BUCKET}/x"] = PAGE.replace(b"sign", b"wait")
    road.fault = first(2, answer("200 OK", PAGE, HTML), "/x")
    inputs = [Input(f"s3://{BUCKET}/x", "x")]
    download.stage_in(road.s3, inputs, str(tmp_path), lambda: 1 << 40, threading.Event())
    assert b"wait" in (tmp_path / "x").read_bytes()


def test_an_answer_has_a_largest_size(road: Road) -> None:
    road.tiny.objects[f"/{BUCKET}/x"] = bytes(1000)
    road.fault = lambda method, path: None
    assert len(road.s3.get(f"s3://{BUCKET}/x", most=1001)) == 1000
    with pytest.raises(OSError, match="far too long"):
        road.s3.get(f"s3://{BUCKET}/x", most=1000)
    assert road.s3.get(f"s3://{BUCKET}/x", (990, 10)) == bytes(10)


def test_a_region_is_a_name_and_nothing_else() -> None:
    assert s3_bootstrap.region_named({"x-amz-bucket-region": "eu-west-1"}) == "eu-west-1"
    assert (
        s3_bootstrap.region_named({}, b"<Error><Region>us-gov-east-1</Region></Error>")
        == "us-gov-east-1"
    )
    for text in ("evil.example/", "a b", "\u0660", "x" * 99, ""):
        assert s3_bootstrap.region_named({"x-amz-bucket-region": text}) == ""


NO_KEYS = [
    b"[" * 60_000,
    b"[]",
    b'{"AccessKeyId": 1, "SecretAccessKey": 2}',
    b'{"AccessKeyId": "a\\r\\nx: y", "SecretAccessKey": "b"}',
    b'{"AccessKeyId": "\\u0100", "SecretAccessKey": "b"}',
    PAGE,
]


def test_credentials_that_are_none_are_asked_for_again(road: Road) -> None:
    role = Role()
    answers = [answer("200 OK", said) for said in NO_KEYS]
    url = role.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    proxy = Proxy(url, lambda method, path: answers.pop() if answers else None)
    environ = {**role.environ, "AWS_CONTAINER_CREDENTIALS_FULL_URI": proxy.endpoint + "/c"}
    for _ in NO_KEYS:
        with pytest.raises(OSError, match="no credentials"):
            s3_bootstrap.find_keys(environ)
    assert s3_bootstrap.find_keys(environ).access == ACCESS
    role.ends = "tomorrow"
    s3 = S3({**environ, "AWS_ENDPOINT_URL": road.tiny.endpoint})
    assert s3.get(f"s3://{BUCKET}/x") == b"right"
    proxy.close()
    role.close()


def test_a_job_survives_pages_in_place_of_every_answer(container: Container, store: Store) -> None:
    parts = {"supervisor/", "tasks/", "folder/in", "list-type", "/out", "/status/"}

    def fault(method: str, path: str) -> bytes | None:
        for part in parts:
            if part in path and (method == "PUT") == (part in ("/out", "/status/")):
                parts.remove(part)
                return answer("200 OK", PAGE, HTML)
        return None

    proxy = Proxy(container.endpoint, fault)
    store.put("folder/in", "x")
    made = Step("r", "cat folder/in > out", outputs=(Output("out", store.url("out")),))
    inputs = (Input(store.url("folder"), "folder"),)
    there = container.with_(endpoint=proxy.endpoint)
    ended = there.run(there.task(inputs=inputs, steps=(made,)))
    assert (ended.code, ended.err, parts) == (0, "", set())
    assert store.get("out") == b"x"
    assert ended.status is not None
    proxy.close()
