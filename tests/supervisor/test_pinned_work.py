"""Somebody who may write to S3 changes what a job was submitted with, before the job begins."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from snakemake_executor_plugin_hutchbatch.planning import arrays, supervisor_bundle
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    Input,
    Output,
    Sources,
    Step,
    TaskSpec,
    dumps,
    status_in,
)

from .conftest import Container, Ended, Store
from .tiny import TinyS3

REFUSED = 219


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def task(container: Container, store: Store, name: str, **parts: Any) -> TaskSpec:
    """Leaves its own name in S3."""
    out = Output("out", store.url(name))
    return container.task(steps=(Step(name, f"echo {name} > out", outputs=(out,)),), **parts)


def run(container: Container, url: str, **variables: str) -> Ended:
    """A container with just these variables of ours, its task at ``url``."""
    environment = {**container.environment(url, ""), **variables}
    done = subprocess.run(
        supervisor_bundle.container_command(container.cli_prefix),
        env={name: value for name, value in environment.items() if value != "UNSET"},
        capture_output=True,
        text=True,
        check=False,
    )
    status = container.status()
    reported = status or status_in(done.stderr.splitlines(), container.job_id, 1)
    return Ended(done.returncode, done.stdout, done.stderr, status, reported)


def test_another_task_is_not_run(container: Container, store: Store) -> None:
    good = dumps(task(container, store, "good")).encode()
    url = store.put("task", dumps(task(container, store, "evil")))
    ended = run(container, url, HUTCHBATCH_TASK_SHA256=digest(good))
    assert (ended.code, ended.out, store.keys("")) == (
        REFUSED,
        "",
        [*store.keys("supervisor"), "task"],
    )
    assert ended.said.startswith(f"the task's description {url} is not the one this job was")
    assert "check who can write there" in ended.said
    store.put("task", good)
    ended = run(container, url, HUTCHBATCH_TASK_SHA256=digest(good))
    assert (ended.code, store.get("good")) == (0, b"good\n")


@pytest.mark.parametrize("sha256", ["UNSET", "", "0" * 64, "abc"])
def test_a_task_without_its_digest_is_not_run(
    container: Container, store: Store, sha256: str
) -> None:
    url = store.put("task", dumps(task(container, store, "evil")))
    ended = run(container, url, HUTCHBATCH_TASK_SHA256=sha256)
    assert ended.code == REFUSED
    assert "evil" not in store.keys("")


def test_an_empty_description_is_a_changed_one(container: Container, store: Store) -> None:
    ended = run(container, store.put("task", b""), HUTCHBATCH_TASK_SHA256=digest(b"{}"))
    assert ended.code == REFUSED


# Arrays

Change = Callable[[tuple[bytes, int, str], list[bytes]], bytes]


def overwritten(made: tuple[bytes, int, str], texts: list[bytes]) -> bytes:
    return b"x" * len(made[0])


def swapped(made: tuple[bytes, int, str], texts: list[bytes]) -> bytes:
    content, size, _ = made
    pieces = [content[n * size : (n + 1) * size] for n in range(len(texts))]
    return b"".join([pieces[1], pieces[0], *pieces[2:]])


def joined_again(made: tuple[bytes, int, str], texts: list[bytes]) -> bytes:
    """An array of its own, sound in itself."""
    return arrays.joined([texts[1], texts[1], texts[2]])[0]


@pytest.mark.parametrize("change", [swapped, joined_again, overwritten], ids=lambda c: c.__name__)
def test_a_child_runs_no_piece_but_its_own(
    container: Container, store: Store, change: Change
) -> None:
    texts = [dumps(task(container, store, name)).encode() for name in ("a", "b", "c")]
    made = arrays.joined(texts)
    _, size, root = made
    url = store.put("tasks", change(made, texts))
    variables = {
        "HUTCHBATCH_TASK_SHA256": root,
        "HUTCHBATCH_TASK_SIZE": str(size),
        "AWS_BATCH_JOB_ARRAY_INDEX": "0",
    }
    ended = run(container, url, **variables)
    assert ended.code == REFUSED
    assert not {"a", "b"} & set(store.keys(""))


def test_an_arrays_object_that_was_cut_is_a_changed_one(
    container: Container, store: Store, tiny: TinyS3
) -> None:
    # What S3 says of a range that begins behind an object's end.
    tiny.refuse = lambda method, path: (416, "InvalidRange", {}) if path.endswith("tasks") else None
    variables = {"HUTCHBATCH_TASK_SIZE": "9", "AWS_BATCH_JOB_ARRAY_INDEX": "0"}
    environment = container.environment(store.url("tasks"), "0" * 64)
    tiny.objects["/" + environment["HUTCHBATCH_SUPERVISOR"][5:]] = supervisor_bundle.bundle()
    variables["HUTCHBATCH_S3_ENDPOINT"] = tiny.endpoint
    assert run(container, store.url("tasks"), **variables).code == REFUSED


def test_a_child_that_is_sent_again_by_itself_runs_the_piece_that_its_request_names(
    container: Container, store: Store
) -> None:
    texts = [dumps(task(container, store, name)).encode() for name in ("a", "b", "c")]
    content, size, root = arrays.joined(texts)
    url = store.put("tasks", content)
    variables = {"HUTCHBATCH_TASK_SHA256": root, "HUTCHBATCH_TASK_SIZE": str(size)}
    assert run(container, url, HUTCHBATCH_TASK_INDEX="2", **variables).code == 0
    assert [key for key in store.keys("") if len(key) == 1] == ["c"]
    # Of an array's child the index is AWS's; the request's own comes first.
    child = {"AWS_BATCH_JOB_ARRAY_INDEX": "0", "HUTCHBATCH_TASK_INDEX": "1", **variables}
    assert run(container, url, **child).code == 0
    assert [key for key in store.keys("") if len(key) == 1] == ["b", "c"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("SIZE", text) for text in ("abc", "-1", "1e3", "²", "9" * 30, "0x10")),
        *(("INDEX", text) for text in ("abc", "-1", "²", "UNSET")),
    ],
)
def test_numbers_that_are_none_are_a_sentence(
    container: Container, store: Store, name: str, value: str
) -> None:
    variables = {"HUTCHBATCH_TASK_SIZE": "10", "HUTCHBATCH_TASK_INDEX": "0"}
    variables[f"HUTCHBATCH_TASK_{name}"] = value
    ended = run(container, store.put("task", b"x" * 50), **variables)
    assert ended.code == 210
    assert "Traceback" not in ended.err
    assert "HUTCHBATCH_TASK_" in ended.said


# What the task names


def test_another_configuration_is_not_obeyed(container: Container, store: Store) -> None:
    url = store.put("config.yaml", "a: evil")
    good = Input(url, "config.yaml", digest(b"a: good"))
    ended = container.run(task(container, store, "out", inputs=(good,)))
    assert ended.code == REFUSED
    assert f"{url} is not the one this job was submitted with" in ended.said
    assert "out" not in store.keys("")
    assert ended.status is not None
    assert (ended.status.cause, ended.status.phase) == ("CHANGED", "stage_in")


def test_a_folder_does_not_stand_for_the_configuration(container: Container, store: Store) -> None:
    store.put("config.yaml/x", "a: evil")
    good = Input(store.url("config.yaml"), "config.yaml", digest(b"a: good"))
    assert container.run(task(container, store, "out", inputs=(good,))).code == REFUSED


def test_the_right_configuration_is_there(container: Container, store: Store) -> None:
    good = Input(store.put("config.yaml", "a: good"), "config.yaml", digest(b"a: good"))
    ended = container.run(container.task(inputs=(good,), steps=(Step("s", "cat config.yaml"),)))
    assert (ended.code, ended.out) == (0, "a: good")


def test_another_archive_of_the_code_is_not_unpacked(container: Container, store: Store) -> None:
    sources = Sources(store.put("src", b"evil"), digest(b"good"))
    ended = container.run(task(container, store, "out", sources=sources))
    assert (ended.code, "out" in store.keys("")) == (REFUSED, False)
    assert ended.status is not None
    assert ended.status.cause == "CHANGED"


def test_another_supervisor_is_not_loaded(container: Container, store: Store) -> None:
    text = dumps(task(container, store, "out")).encode()
    modules = {"hutchbatch_supervisor": "", "hutchbatch_supervisor.main": "print('evil')"}
    url = store.put("evil", zlib.compress(json.dumps(modules).encode()))
    ended = run(
        container,
        store.put("task", text),
        HUTCHBATCH_TASK_SHA256=digest(text),
        HUTCHBATCH_SUPERVISOR=url,
    )
    assert (ended.code, ended.out) == (REFUSED, "")
    assert ended.err.count("\n") == 1
    assert f"{url} has been changed" in ended.err
