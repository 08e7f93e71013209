"""Tasks through the real container command against a real S3 server."""

from __future__ import annotations

from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Input, Log, Output, Step

from .conftest import Container, Store


def test_a_task_fetches_runs_and_stores(container: Container, store: Store) -> None:
    task = container.task(
        inputs=(Input(store.put("in/a.txt", "hello"), "in/a.txt"),),
        steps=(
            Step(
                "copy",
                "set -euo pipefail; tr a-z A-Z < in/a.txt > out/b.txt; echo said",
                outputs=(Output("out/b.txt", store.url("out/b.txt")),),
                logs=(Log("logs/x.log", store.url("logs/x.log")),),
            ),
        ),
    )
    ended = container.run(task)
    assert (ended.code, ended.out, ended.err) == (0, "said\n", "")
    assert store.get("out/b.txt") == b"HELLO"
    assert store.get("logs/x.log") == b""
    assert ended.status is not None
    assert (ended.status.phase, ended.status.exit_code, ended.status.cause) == ("done", 0, None)
    assert (ended.status.files_in, ended.status.bytes_in) == (1, 5)
    assert (ended.status.files_out, ended.status.bytes_out) == (1, 5)
    assert list(container.scratch.iterdir()) == []
