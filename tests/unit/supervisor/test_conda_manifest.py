"""A manifest is read as it was written, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import conda_manifest
from snakemake_executor_plugin_hutchbatch.supervisor.conda_manifest import (
    CondaPackage,
    Manifest,
    Part,
    Prefixed,
    dumps,
    loads,
    prefix_of,
)
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import TaskSpecError

KEY, DIGEST = "0123456789abcdef" * 2, "ab" * 32
FULL = Manifest(
    key=KEY,
    prefix=prefix_of(KEY),
    size=7,
    parts=(Part(f"{DIGEST}.tar.gz", DIGEST, 5, 7),),
    prefixed=(Prefixed("bin/tool", "text"), Prefixed("lib/libé.so", "binary")),
    variables={"A": "b"},
    packages=(CondaPackage("tool", "1.0", "h0_0"),),
    pip=("thing==1.0",),
)


def test_a_manifest_is_read_as_it_was_written():
    assert loads(dumps(FULL)) == FULL


def test_the_prefix_of_an_environment_has_room_for_a_private_build():
    assert prefix_of(KEY) == f"/hutchbatch/0/{KEY}/content"
    assert len(prefix_of(KEY)) == 53 + 1


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"key": "../../etc"},
        {"prefix": "relative"},
        {"size": -1},
        {"size": "7"},
        {"parts": []},
        {"parts": [{"name": "../x.tar.gz", "sha256": DIGEST, "size": 1}]},
        {"parts": [{"name": f"{'cd' * 32}.tar.gz", "sha256": DIGEST, "size": 1}]},
        {"parts": [{"name": f"{DIGEST}.tar.gz", "sha256": DIGEST, "size": -1}]},
        {"prefixed": [{"path": "../../etc/passwd", "kind": "text"}]},
        {"prefixed": [{"path": "/etc/passwd", "kind": "text"}]},
        {"prefixed": [{"path": "a", "kind": "other"}]},
        {"variables": {"A": 1}},
        {"pip": [1]},
        {"more": 1},
    ],
)
def test_what_is_no_manifest_is_refused(change: dict[str, Any]):
    raw = {**json.loads(dumps(FULL)), **change}
    with pytest.raises(TaskSpecError):
        loads(json.dumps(raw).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b'{"version":1}', dumps(FULL)[:-9]])
def test_a_torn_manifest_is_refused(data: bytes):
    with pytest.raises(TaskSpecError):
        loads(data)


def test_a_manifest_beyond_all_measure_is_not_parsed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(conda_manifest, "MOST_BYTES", 10)
    with pytest.raises(TaskSpecError, match="longer"):
        loads(dumps(FULL))
