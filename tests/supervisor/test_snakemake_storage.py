"""Snakemake's S3 storage as a container has it: by the image's own plugin, mended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import fence, fetched_inputs
from snakemake_executor_plugin_hutchbatch.supervisor.fence import Stamp
from snakemake_executor_plugin_hutchbatch.supervisor.s3_terms import USUAL, Terms
from snakemake_executor_plugin_hutchbatch.supervisor.storage_overlay import with_patched_storage
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Input

from .conftest import ACCESS, BUCKET, SECRET, Store
from .faults import Fault, Proxy, first

JOB = "3f1c0000-aaaa-bbbb-cccc-000000000001"
#: argv: endpoint, then [method, URL, path] each; "write" writes in between. Prints how each went.
SCRIPT = """
import asyncio, json, logging, sys
import snakemake.api
from pathlib import Path
import snakemake_storage_plugin_s3 as plugin
settings = plugin.StorageProviderSettings(
    endpoint_url=sys.argv[1], region="us-west-2", access_key={access!r}, secret_key={secret!r}
)
provider = plugin.StorageProvider(Path("storage"), logging.getLogger(), settings=settings)
reported = []
for method, url, path in json.loads(sys.argv[2]):
    if method == "write":
        Path(path).write_text(url)
        continue
    thing = provider.object(url)
    thing.local_path = lambda path=path: Path(path)
    try:
        reported.append(asyncio.run(getattr(thing, "managed_" + method)()))
    except Exception as error:
        reported.append(str(error))
print(json.dumps(reported))
"""


class Snakemake:
    """Snakemake's Python in the container of an attempt."""

    def __init__(self, endpoint: str, work: Path, attempt: int = 1, terms: Terms = USUAL) -> None:
        self.endpoint, self.work = endpoint, work
        work.mkdir(exist_ok=True)
        plugins = work / f"plugins-{attempt}"
        # The storage's own settings have others.
        keys = {"AWS_ACCESS_KEY_ID": "AKIAOTHER", "AWS_SECRET_ACCESS_KEY": "wrong"}
        environ = {**os.environ, **keys}
        self._environ = with_patched_storage(
            environ, str(plugins), Stamp(7, attempt, JOB), {}, terms
        )
        self._plugins, self.said = plugins, ""

    def has_fetched(self, *inputs: Input) -> None:
        """The supervisor has fetched these before."""
        listed = fetched_inputs.write(str(self._plugins), inputs, str(self.work))
        self._environ[fetched_inputs.VARIABLE] = listed

    def does(self, *actions: tuple[str, str, str]) -> list[str | None]:
        script = SCRIPT.format(access=ACCESS, secret=SECRET)
        done = subprocess.run(
            [sys.executable, "-c", script, self.endpoint, json.dumps(actions)],
            env=self._environ,
            cwd=self.work,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self.said = done.stderr
        reported: list[str | None] = json.loads(done.stdout)
        return reported


def test_a_directory_goes_and_comes_by_every_name(
    endpoint: str, store: Store, tmp_path: Path
) -> None:
    one = Snakemake(endpoint, tmp_path / "one")
    (one.work / "d/run1").mkdir(parents=True)
    (one.work / "d/empty/below").mkdir(parents=True)
    (one.work / "d/run1/m").write_text("1")
    (one.work / "d/latest").symlink_to("run1")
    (one.work / "d/gone").symlink_to("nowhere")
    assert one.does(("store", store.url("d"), "d")) == [None]
    assert "hutchbatch: not stored from d: gone (a broken link)." in one.said
    assert store.keys("d/") == ["d/empty/below/.snakemake_timestamp", "d/latest/m", "d/run1/m"]
    assert one.does(("retrieve", store.url("d"), "back")) == [None]
    back = sorted(str(path.relative_to(one.work / "back")) for path in one.work.rglob("back/**/*"))
    assert back == ["empty", "empty/below", "latest", "latest/m", "run1", "run1/m"]


def test_a_late_attempt_neither_stores_nor_removes(
    endpoint: str, store: Store, tmp_path: Path
) -> None:
    one = Snakemake(endpoint, tmp_path / "one", 1)
    two = Snakemake(endpoint, tmp_path / "two", 2)
    for work, name in ((one.work, "one"), (two.work, "two")):
        (work / "d").mkdir()
        (work / "a").write_text(name)
        (work / f"d/{name}").write_text(name)
    stored = [("store", store.url(name), name) for name in ("a", "d")]
    removed = [("remove", store.url(name), name) for name in ("a", "d")]
    store.put("a", "of last week")
    assert two.does(*removed, *stored) == [None] * 4
    reported = one.does(*removed, *stored)
    assert reported[:2] == [None, None]
    assert all(
        "was stored by a later attempt of this job (attempt 2" in str(t) for t in reported[2:]
    )
    assert one.said.count("it is not removed") == 2
    assert {key: store.get(key) for key in store.keys("")} == {"a": b"two", "d/two": b"two"}


LARGE = os.urandom(1 << 20) * 70


@pytest.fixture
def proxied(endpoint: str) -> Iterator[list[Proxy]]:
    made: list[Proxy] = []
    yield made
    for proxy in made:
        proxy.close()


def test_large_files_carry_the_checksum_of_the_whole_and_are_checked(
    endpoint: str, store: Store, tmp_path: Path, proxied: list[Proxy]
) -> None:
    def fault(method: str, path: str) -> str | None:
        always = "flip" if method == "GET" and path.endswith("/small") else None
        return always or flip(method, path) or lose(method, path)

    lose: Fault = first(1, "lost", "uploadId=", "POST")  # the completion's answer
    flip: Fault = first(1, "flip", "/big", "GET")
    proxied.append(Proxy(endpoint, fault))
    one = Snakemake(proxied[0].endpoint, tmp_path / "one")
    (one.work / "big").write_bytes(LARGE)
    url = store.url("big")
    small = store.put("small", "always damaged on its way")
    reported = one.does(
        ("store", url, "big"), ("retrieve", url, "back"), ("retrieve", small, "small")
    )
    assert reported[:2] == [None, None]
    assert "md5 checksum" in str(reported[2])
    assert not (one.work / "small").exists()
    head = store.client.head_object(Bucket=BUCKET, Key=store.prefix + "big", ChecksumMode="ENABLED")
    crc32 = b64encode(zlib.crc32(LARGE).to_bytes(4, "big")).decode()
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (crc32, "FULL_OBJECT")
    assert fence.parse(head["Metadata"]["hutchbatch-fence"]) is not None
    same = (one.work / "back").read_bytes() == LARGE
    assert same
    gets = [path for method, path in proxied[0].seen if method == "GET" and "/big" in path]
    assert len(gets) > 5  # of five parts


def test_s3_is_not_asked_about_inputs_that_the_supervisor_has_fetched(
    endpoint: str, store: Store, tmp_path: Path
) -> None:
    job = Snakemake(endpoint, tmp_path / "work")
    (job.work / "d").mkdir()
    (job.work / "d/1.txt").write_text("1")
    (job.work / "d/2.txt").write_text("22")
    (job.work / "a.txt").write_text("as fetched")
    os.utime(job.work / "d/1.txt", (1000.5, 1000.5))
    os.utime(job.work / "d/2.txt", (1001.5, 1001.5))
    os.utime(job.work / "a.txt", (1002.123456, 1002.123456))
    a, b, d = (store.url(f"in/{name}") for name in ("a.txt", "b.txt", "d"))
    job.has_fetched(Input(a, "a.txt"), Input(d, "d"), Input(b, "b.txt"))
    store.put("in/b.txt", b"from S3")
    fetched = (job.work / "a.txt").stat().st_mtime
    found = job.does(
        *[(method, a, "a.txt") for method in ("exists", "mtime", "size", "retrieve")],
        *[(method, d, "d") for method in ("exists", "mtime", "size", "retrieve")],
        ("write", "changed by the job", "a.txt"),
        *[("exists", url, name) for url, name in ((a, "a.txt"), (b, "b.txt"), (d, "d"))],
    )
    # Two of them are not in S3: it is not asked.
    assert found[:8] == [True, fetched, 10, None, True, 1001.5, 3, None]
    # One that is no longer as it was, and one that was not there.
    assert found[8:] == [False, True, True]
    # For another place it is fetched.
    store.put("in/a.txt", b"in S3")
    job.has_fetched(Input(a, "a.txt"))
    found = job.does(
        ("retrieve", a, "other.txt"),
        *[("store", a, "a.txt"), ("size", a, "a.txt")],
        *[("remove", a, "a.txt"), ("exists", a, "a.txt")],
    )
    assert (job.work / "other.txt").read_bytes() == b"in S3"
    # What Snakemake stores or removes is S3's again.
    assert found == [None, None, 18, None, False]
