"""A container asks EC2's metadata service on which machine it is, and why it is stopped, and lives
without an answer."""

from __future__ import annotations

import contextlib
import http.server
import signal
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

NOTICE = "/latest/meta-data/spot/instance-action"
ACTION = '{"action": "terminate", "time": "2026-11-27T08:22:00Z"}'


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
        if self.path == NOTICE and self.server.hangs.is_set():
            self.server.over.wait(60)
        reported = {**TOLD, NOTICE: self.server.notice}
        self._answer(reported.get(self.path) if good else None, 404 if good else 401)

    def _answer(self, text: str | None, otherwise: int) -> None:
        self.server.seen.append(self.path)
        body = (text or "<html>no</html>").encode()
        self.send_response(200 if text else otherwise)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # nobody waits so long
            self.wfile.write(body)
        if self.path == list(TOLD)[-1]:
            self.server.reported.touch()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service(tmp_path: Path) -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    server.seen, server.open, server.reported = [], True, tmp_path / "reported"
    server.notice, server.hangs, server.over = None, threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.over.set()
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
    lasting = f"until [ -e '{service.reported}' ]; do sleep 0.05; done; sleep 0.3"
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


def stopped(
    container: Container, environ: dict[str, str], command: str = "sleep 60"
) -> tuple[int, str | None, bool]:
    """Exit code, cause, and whether the status says that the machine is taken back."""
    task = container.task(steps=(Step("a", f"echo go; {command}"),))
    process = container.with_(environ=environ).start(task)
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    process.send_signal(signal.SIGTERM)
    ended = container.finish(process)
    assert ended.status is not None
    facts = ended.status.facts
    return ended.code, ended.status.cause, bool(facts and facts.taken_back)


def test_a_stopped_job_tells_that_its_machine_is_taken_back(container, service):
    service.notice = ACTION
    assert stopped(container, on_ecs(service)) == (143, "TERMINATED", True)
    # Also where the command does not heed the signal.
    stubborn = "trap '' TERM; for i in 1 2; do sleep 1; done"
    assert stopped(container, on_ecs(service), stubborn) == (143, "TERMINATED", True)


def test_a_stopped_job_on_a_machine_that_stays_says_nothing_of_it(container, service):
    assert stopped(container, on_ecs(service)) == (143, "TERMINATED", False)
    assert NOTICE in service.seen
    assert stopped(container, {}) == (143, "TERMINATED", False)


def test_nobody_asks_before_a_job_is_stopped(container, service):
    service.notice = ACTION
    lasting = f"until [ -e '{service.reported}' ]; do sleep 0.05; done"
    run(container, on_ecs(service), lasting)
    assert NOTICE not in service.seen


def test_a_metadata_service_that_hangs_costs_a_stopped_job_nothing(container, service):
    service.notice = ACTION
    service.hangs.set()
    assert stopped(container, on_ecs(service)) == (143, "TERMINATED", False)
