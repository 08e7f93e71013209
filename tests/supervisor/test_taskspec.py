"""What is read as a task: anything else is one kind of error, whatever it is."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    Benchmark,
    Input,
    Log,
    Output,
    Sources,
    Step,
    TaskSpec,
    TaskSpecError,
    dumps,
    load_taskspec,
)

FULL = TaskSpec(
    name="t",
    status="s3://b/s",
    steps=(
        Step(
            "r",
            "true",
            environment={"A": "b"},
            outputs=(Output("o", "s3://b/o"),),
            logs=(Log("l"),),
            benchmark=Benchmark("b", None, 2),
        ),
    ),
    inputs=(Input("s3://b/i", "i"),),
    sources=Sources("s3://b/src", "00"),
    disk_mb=5000,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def read(text: str) -> None:
    with contextlib.suppress(TaskSpecError):
        assert isinstance(load_taskspec(text), TaskSpec)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for name, inner in items:
        found.append((*here, name))
        if isinstance(inner, dict | list):
            found += places(inner, (*here, name))
    return found


def test_a_task_survives_its_journey() -> None:
    assert load_taskspec(dumps(FULL)) == FULL


@given(st.text() | JSON.map(json.dumps))
def test_anything_is_a_task_or_one_kind_of_error(text: str) -> None:
    read(text)


@given(st.sampled_from(places(json.loads(dumps(FULL)))), JSON)
def test_a_task_with_anything_anywhere_is_a_task_or_one_kind_of_error(
    place: tuple[Any, ...], value: Any
) -> None:
    raw = json.loads(dumps(FULL))
    inner = raw
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    read(json.dumps(raw))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "NaN"])
def test_deep_and_long_texts_are_no_tasks(text: str) -> None:
    with pytest.raises(TaskSpecError):
        load_taskspec(text)


def test_a_name_with_a_nul_is_refused() -> None:
    with pytest.raises(TaskSpecError, match="NUL"):
        load_taskspec(dumps(FULL).replace('"path":"i"', '"path":"i\\u0000"'))
