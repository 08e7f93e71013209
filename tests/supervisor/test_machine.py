"""A container asks EC2's metadata service on which machine it is, and lives without an answer."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Step

from .conftest import Container

TOLD = {
    "/latest/meta-data/instance-id": "i-0123456789abcdef0",
    "/latest/meta-data/instance-type": "c5.4xlarge",
    "/latest/meta-data/instance-life-cycle": "spot",
}


class Metadata(http.server.BaseHTTPRequestHandler):
    """IMDSv2: a token by PUT, then facts for those that show it."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        good = self.path == "/latest/api/token" and self.headers.get(
            "x-aws-ec2-metadata-token-ttl-seconds"
        )
        self._answer("a-token" if good and self.server.open else None, 403)

    def do_GET(self) -> None:
        good = self.headers.get("x-aws-ec2-metadata-token") == "a-token"
        self._answer(TOLD.get(self.path) if good else None, 404 if good else 401)

    def _answer(self, text: str | None, otherwise: int) -> None:
        self.server.seen.append(self.path)
        body = (text or "<html>no</html>").encode()
        self.send_response(200 if text else otherwise)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path == list(TOLD)[-1]:
            self.server.told.touch()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service(tmp_path: Path) -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    server.seen, server.open, server.told = [], True, tmp_path / "told"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def on_ecs(service: http.server.HTTPServer) -> dict[str, str]:
    return {
        "ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/x",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{service.server_port}/",
    }


def run(
    container: Container, environ: dict[str, str], command: str = "true"
) -> tuple[str | None, str | None, str | None]:
    task = container.task(steps=(Step("a", command),))
    status = container.with_(environ=environ).run(task).status
    assert status is not None
    assert status.exit_code == 0
    return status.instance_id, status.instance_type, status.capacity


def test_the_status_tells_the_machine(container, service):
    lasting = f"until [ -e '{service.told}' ]; do sleep 0.05; done; sleep 0.3"
    assert run(container, on_ecs(service), lasting) == tuple(TOLD.values())


def test_nobody_is_asked_elsewhere_than_on_ecs(container, service):
    environ = on_ecs(service)
    del environ["ECS_CONTAINER_METADATA_URI_V4"]
    assert run(container, environ) == (None, None, None)
    assert run(container, {**on_ecs(service), "AWS_EC2_METADATA_DISABLED": "true"})[1] is None
    assert service.seen == []


def test_a_service_that_does_not_answer_harms_nothing(container, service):
    service.open = False
    assert run(container, on_ecs(service)) == (None, None, None)
    environ = {**on_ecs(service), "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}
    assert run(container, environ) == (None, None, None)
