"""Bytes that change on the way or in S3, storms, and files that are gone: never a wrong input."""

from __future__ import annotations

import hashlib
import threading
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import boto3
import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import download, multipart, upload
from snakemake_executor_plugin_hutchbatch.supervisor.boto import Boto
from snakemake_executor_plugin_hutchbatch.supervisor.errors import Failure
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Cause
from snakemake_executor_plugin_hutchbatch.supervisor.s3 import S3, S3Error
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Input, Output

from .conftest import ACCESS, BUCKET, REGION, SECRET, Store
from .faults import Proxy, first
from .tiny import TinyS3

SMALL = b"small bytes"
LARGE = bytes(range(256)) * 4096 * 33  # three parts
SIZES = {"small": SMALL, "middle": LARGE[: 1 << 20], "large": LARGE}


def client(tiny: TinyS3) -> S3:
    environ = {
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "HUTCHBATCH_REGION": REGION,
        "AWS_ENDPOINT_URL": tiny.endpoint,
    }
    return S3(environ, sleep=lambda seconds: None)


def fetch(tiny: TinyS3, folder: Path, name: str = "x") -> bytes:
    inputs = [Input(f"s3://{BUCKET}/{name}", name)]
    download.stage_in(client(tiny), inputs, str(folder), lambda: 1 << 40, threading.Event())
    assert [path.name for path in folder.iterdir()] == [name]
    return (folder / name).read_bytes()


def damaged(data: bytes) -> bytes:
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


def spoil_first(tiny: TinyS3, times: int) -> None:
    left = [times]

    def spoil(path: str, body: bytes) -> bytes:
        left[0] -= 1
        return damaged(body) if left[0] >= 0 else body

    tiny.spoil = spoil


def named(data: bytes, kind: str) -> dict[str, str]:
    """The headers that S3 sends for an object that was stored with this checksum."""
    digest = (
        zlib.crc32(data).to_bytes(4, "big") if kind == "crc32" else hashlib.new(kind, data).digest()
    )
    return {"x-amz-checksum-" + kind: b64encode(digest).decode()}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["etag", "crc32", "sha256", "sha1"])
def test_damaged_bytes_of_the_right_length_are_fetched_again(
    tiny: TinyS3, tmp_path: Path, size: str, kind: str
) -> None:
    data = SIZES[size]
    tiny.objects[f"/{BUCKET}/x"] = data
    if kind != "etag":
        tiny.etag = lambda body: '"0123456789abcdef0123456789abcdef-3"'
        tiny.extra = named(data, kind)
    spoil_first(tiny, 3 if size == "large" else 2)
    assert fetch(tiny, tmp_path) == data


def test_bytes_that_stay_wrong_fail_and_leave_no_file(tiny: TinyS3, tmp_path: Path) -> None:
    tiny.objects[f"/{BUCKET}/x"] = SMALL
    spoil_first(tiny, 99)
    with pytest.raises(Failure, match=r"s3://.*/x: .*md5 checksum") as caught:
        fetch(tiny, tmp_path)
    assert (caught.value.exit_code, caught.value.cause) == (211, Cause.STAGE_IN)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-server-side-encryption": "aws:kms"},
        {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
        {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="},
        {"x-amz-checksum-crc32": "AAAAAA==-3"},
    ],
)
def test_what_is_no_md5_or_cannot_be_computed_is_not_compared(
    tiny: TinyS3, tmp_path: Path, headers: dict[str, str]
) -> None:
    tiny.objects[f"/{BUCKET}/x"] = SMALL
    tiny.extra = headers
    wrong = "0" * 32 + ("" if "encryption" in str(headers) else "-3")
    tiny.etag = lambda body: f'"{wrong}"'
    assert fetch(tiny, tmp_path) == SMALL


@pytest.mark.parametrize("size", SIZES)
def test_an_object_replaced_meanwhile_is_fetched_from_its_new_state(
    tiny: TinyS3, tmp_path: Path, size: str
) -> None:
    path, newer = f"/{BUCKET}/x", b"new" + SIZES[size]
    tiny.objects[path] = SIZES[size]
    gets = [0]

    def replace(method: str, seen: str) -> None:
        if (method, seen) == ("GET", path):
            gets[0] += 1
            if gets[0] == min(2, 1 + len(SIZES[size]) // download.PART):
                tiny.objects[path] = newer

    tiny.refuse = replace
    assert fetch(tiny, tmp_path) == newer


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored in parts of 5 MiB, the least that S3 takes; fetched in such of 1 MiB."""
    monkeypatch.setattr(upload, "MULTIPART", 6_000_000)
    monkeypatch.setattr(multipart, "PART", 5 << 20)
    monkeypatch.setattr(download, "PART", 1 << 20)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("name", ["big", "d/big"])
def test_a_flipped_byte_of_what_was_stored_in_parts_is_found_and_fetched_again(
    s3: S3, endpoint: str, store: Store, tmp_path: Path, name: str
) -> None:
    (tmp_path / "out/d").mkdir(parents=True)
    (tmp_path / "out" / name).write_bytes(LARGE[: 13 << 20])
    top = name.partition("/")[0]
    output = Output(top, store.url(top), directory=top == "d")
    upload.stage_out(s3, [output], str(tmp_path / "out"), threading.Event())
    head = store.client.head_object(Bucket=BUCKET, Key=store.prefix + name, ChecksumMode="ENABLED")
    crc32 = b64encode(zlib.crc32(LARGE[: 13 << 20]).to_bytes(4, "big")).decode()
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (crc32, "FULL_OBJECT")
    assert head["ETag"].endswith('-3"')

    proxy = Proxy(endpoint, first(1, "flip", f"/{name}"))
    faulty = S3({**s3.environ, "HUTCHBATCH_S3_ENDPOINT": proxy.endpoint}, lambda seconds: None)
    (tmp_path / "in").mkdir()
    inputs = [Input(store.url(top), top)]
    download.stage_in(faulty, inputs, str(tmp_path / "in"), lambda: 1 << 40, threading.Event())
    proxy.close()
    same = (tmp_path / "in" / name).read_bytes() == LARGE[: 13 << 20]
    assert same
    assert sum(method == "GET" and name in path for method, path in proxy.seen) > 13


def test_what_the_controller_reads_of_an_input_is_checked_too(
    endpoint: str, store: Store, tmp_path: Path
) -> None:
    store.put("table", SMALL)
    proxy = Proxy(endpoint, first(1, "flip", "/table"))
    faulty = boto3.client(
        "s3",
        endpoint_url=proxy.endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS,
        aws_secret_access_key=SECRET,
    )
    s3: Any = Boto(faulty)
    inputs = [Input(store.url("table"), "it")]
    download.stage_in(s3, inputs, str(tmp_path), lambda: 1 << 40, threading.Event())
    proxy.close()
    assert (tmp_path / "it").read_bytes() == SMALL
    assert sum(method == "GET" for method, _ in proxy.seen) >= 2


def test_an_object_that_keeps_changing_is_reported_as_such(tiny: TinyS3, tmp_path: Path) -> None:
    path = f"/{BUCKET}/x"
    tiny.objects[path] = LARGE

    def change(method: str, seen: str) -> None:
        if (method, seen) == ("GET", path):
            tiny.objects[path] += b"!"

    tiny.refuse = change
    with pytest.raises(Failure, match="keeps changing"):
        fetch(tiny, tmp_path)


def test_a_storm_of_slow_downs_passes(tiny: TinyS3, tmp_path: Path) -> None:
    inputs = []
    for i in range(60):
        tiny.objects[f"/{BUCKET}/d{i}/x"] = b"%d" % i
        inputs.append(Input(f"s3://{BUCKET}/d{i}/x", f"d{i}/x"))
    seen: dict[tuple[str, str], int] = {}

    def storm(method: str, path: str) -> tuple[int, str, dict[str, str]] | None:
        seen[method, path] = seen.get((method, path), 0) + 1
        return (503, "SlowDown", {}) if seen[method, path] <= 8 else None

    tiny.refuse = storm
    s3 = client(tiny)
    download.stage_in(s3, inputs, str(tmp_path), lambda: 1 << 40, threading.Event())
    assert [(tmp_path / f"d{i}/x").read_text() for i in range(60)] == [str(i) for i in range(60)]


def put(tiny: TinyS3, folder: Path, output: Output) -> None:
    upload.stage_out(client(tiny), [output], str(folder), threading.Event())


@pytest.fixture
def big_file(tmp_path: Path) -> Path:
    (tmp_path / "big").write_bytes(LARGE * 3)
    return tmp_path


def test_a_part_that_fails_is_sent_again(tiny: TinyS3, big_file: Path) -> None:
    left = [4]

    def refuse(method: str, path: str) -> tuple[int, str, dict[str, str]] | None:
        left[0] -= method == "PUT"
        return (500, "InternalError", {}) if method == "PUT" and left[0] >= 0 else None

    tiny.refuse = refuse
    put(tiny, big_file, Output("big", f"s3://{BUCKET}/big"))
    assert tiny.objects[f"/{BUCKET}/big"] == LARGE * 3
    assert tiny.uploads == {}


def test_an_upload_in_parts_that_fails_leaves_no_parts(tiny: TinyS3, big_file: Path) -> None:
    tiny.refuse = lambda method, path: (403, "AccessDenied", {}) if method == "PUT" else None
    with pytest.raises(Failure, match="AccessDenied"):
        put(tiny, big_file, Output("big", f"s3://{BUCKET}/big"))
    assert tiny.uploads == {}
    assert tiny.objects == {}


def test_a_directory_is_stored_where_listing_is_refused(
    tiny: TinyS3, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/new").write_text("new")
    tiny.objects[f"/{BUCKET}/d/old"] = b"old"
    tiny.refuse = lambda method, path: (
        (403, "AccessDenied", {}) if (method, path.rstrip("/")) == ("GET", f"/{BUCKET}") else None
    )
    put(tiny, tmp_path, Output("d", f"s3://{BUCKET}/d", directory=True))
    assert sorted(tiny.objects) == [f"/{BUCKET}/d/new", f"/{BUCKET}/d/old"]
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "no permission to list" in err


def test_credentials_that_end_early_are_fetched_anew(tiny: TinyS3) -> None:
    tiny.objects[f"/{BUCKET}/x"] = SMALL
    left = [2]

    def expire(method: str, path: str) -> tuple[int, str, dict[str, str]] | None:
        left[0] -= 1
        return (400, "ExpiredToken", {}) if left[0] >= 0 else None

    tiny.refuse = expire
    assert client(tiny).get(f"s3://{BUCKET}/x") == SMALL


def test_a_refusal_says_what_was_refused(tiny: TinyS3, tmp_path: Path) -> None:
    tiny.refuse = lambda method, path: (403, "AccessDenied", {})
    with pytest.raises(Failure, match=f"file=s3://{BUCKET}/x; .*http_status=403"):
        fetch(tiny, tmp_path)
    with pytest.raises(S3Error, match="AccessDenied"):
        client(tiny).get(f"s3://{BUCKET}/x")
