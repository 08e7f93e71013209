"""Credentials as AWS's SDKs find them: a job role's, else those of the machine's own role, by
IMDSv2."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
import pytest
from botocore.utils import ContainerMetadataFetcher

from snakemake_executor_plugin_hutchbatch.supervisor import (
    patched_s3_storage,
    s3_bootstrap,
    storage_overlay,
)
from snakemake_executor_plugin_hutchbatch.supervisor.s3 import S3
from snakemake_executor_plugin_hutchbatch.supervisor.s3_bootstrap import SetupError, find_keys
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Output, Step

from .conftest import ACCESS, SECRET, Container, Store
from .test_s3 import Role

PATH = "/latest/meta-data/iam/security-credentials/"


class Metadata:
    """EC2's instance metadata service of a machine with a role. ``answers``: statuses of its next
    answers in place of right ones; ``hops``: whether tokens reach the container; ``optional``:
    whether it answers without one."""

    def __init__(self) -> None:
        self.role: str | None = "ecsInstanceRole"
        self.hops, self.optional = True, False
        self.ends = "2100-01-01T00:00:00Z"
        self.answers: list[int] = []
        self.seen: list[str] = []
        self.over = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                if not service.hops:
                    service.over.wait(60)
                asked = self.headers["x-aws-ec2-metadata-token-ttl-seconds"]
                self._say(200 if asked and self.path == "/latest/api/token" else 400, "a-token")

            def do_GET(self) -> None:
                given = self.headers["x-aws-ec2-metadata-token"]
                role = service.role
                keys = {"Code": "Success", "AccessKeyId": ACCESS, "SecretAccessKey": SECRET}
                keys |= {"Token": "", "Expiration": service.ends}
                found = {PATH: role, f"{PATH}{role}": json.dumps(keys) if role else None}
                text = found.get(self.path)
                if given != "a-token" and not (service.optional and given is None):
                    self._say(401, "")
                else:
                    self._say(200 if text else 404, text or "")

            def _say(self, status: int, text: str) -> None:
                service.seen.append(f"{self.command} {self.path}")
                status = service.answers.pop(0) if service.answers else status
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.environ = {
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}/"
        }

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    monkeypatch.setattr(s3_bootstrap, "PATIENCE", 0.2)
    monkeypatch.setattr(s3_bootstrap, "LONGEST_PAUSE", 0.0)
    made = Metadata()
    yield made
    made.close()


def test_the_machines_role_serves_where_the_job_has_none(service: Metadata) -> None:
    keys = find_keys(service.environ)
    assert (keys.access, keys.secret, keys.role) == (ACCESS, SECRET, "ecsInstanceRole")
    service.role = "another"  # the machine's role may be exchanged while jobs run
    assert find_keys(service.environ).role == "another"


def test_a_service_that_gives_no_tokens_is_asked_without_one(service: Metadata) -> None:
    service.hops, service.optional = False, True
    assert find_keys(service.environ).access == ACCESS


def reason(service: Metadata, **environ: str) -> str | None:
    with pytest.raises(SetupError) as raised:
        find_keys({**service.environ, **environ})
    return raised.value.code


def test_why_the_machines_role_does_not_serve_is_known(service: Metadata) -> None:
    assert reason(service, AWS_EC2_METADATA_DISABLED="true") == "disabled"
    assert service.seen == []
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert reason(service, AWS_EC2_METADATA_SERVICE_ENDPOINT=closed) == "unreachable"
    service.role = None
    assert reason(service) == "no_role"
    service.role, service.hops = "ecsInstanceRole", False
    assert reason(service) == "hop_limit"


def test_a_service_that_is_busy_is_asked_again(service: Metadata, store: Store) -> None:
    service.answers = [429, 503, 503, 401, 503, 401]
    with pytest.raises(OSError, match="HTTP 401"):
        find_keys(service.environ)
    # The token, the role's name and its credentials: any of them may be refused for a while.
    service.answers = [200, 200, 429, 200, 200, 500]
    waits: list[float] = []
    s3 = S3({**service.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, sleep=waits.append)
    for _ in range(2):
        with pytest.raises(OSError, match="no credentials"):
            find_keys(s3.environ)
    assert find_keys(s3.environ).access == ACCESS


def test_credentials_that_were_there_are_waited_for(
    service: Metadata, endpoint: str, store: Store
) -> None:
    clock = [time.time()]
    waits: list[float] = []
    environ = {**service.environ, "AWS_ENDPOINT_URL": endpoint}
    service.ends = "2020-01-01T00:00:00Z"
    s3 = S3(environ, now=lambda: clock[0], sleep=waits.append)
    assert s3.get(store.put("x", "1")) == b"1"
    clock[0] += 40
    role, service.role = service.role, None  # while it is exchanged, the machine has none

    def back(seconds: float) -> None:
        service.role = role

    s3.sleep = back
    assert s3.get(store.url("x")) == b"1"


def test_snakemake_in_a_job_gets_the_same_credentials(
    service: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**service.environ, **storage_overlay.METADATA_PATIENCE}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    service.answers = [200, 503, 503, 503]
    found = botocore.session.Session().get_credentials()
    assert found is not None
    assert found.access_key == ACCESS
    # A job role's address that refuses a while, since many containers ask it at once.
    monkeypatch.setattr(ContainerMetadataFetcher, "RETRY_ATTEMPTS", 3)
    monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)
    patched_s3_storage.wait_for_credentials()
    role = Role()
    role.refuse = 20
    for name, value in role.environ.items():
        monkeypatch.setenv(name, value)
    found = botocore.session.Session().get_credentials()
    assert found is not None
    assert (found.access_key, role.calls) == (ACCESS, 21)
    role.close()


def test_a_whole_job_runs_with_the_machines_role(container: Container, store: Store) -> None:
    service = Metadata()
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    there = container.with_(environ={**service.environ, **none})
    step = Step("e", "echo hi > out", outputs=(Output("out", store.url("out")),))
    ended = there.run(there.task(steps=(step,)))
    assert (ended.code, ended.err) == (0, "")
    assert store.get("out") == b"hi\n"
    # The supervisor uses the credentials with which it was fetched: their address is asked once.
    assert service.seen.count(f"GET {PATH}ecsInstanceRole") == 1
    service.role = None
    there = there.with_(job_id="another")
    ended = there.run(there.task(steps=(step,)))
    assert ended.code == 210
    assert "the machine has none" in ended.said
    service.close()
