"""What a queue could ever place, and what would."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.queues import instances
from snakemake_executor_plugin_hutchbatch.queues.account import from_catalog
from snakemake_executor_plugin_hutchbatch.queues.fit import (
    hint,
    largest_memory,
    misfit,
    other_architecture,
)
from snakemake_executor_plugin_hutchbatch.queues.queue import Queue
from snakemake_executor_plugin_hutchbatch.sites import site


def asks(vcpus, memory, gpus=0):
    return replace(PLAN, vcpus=vcpus, memory=memory, gpus=gpus)


HUTCH = from_catalog(site.shipped()[0].queues)
SPOT, GPU = HUTCH["cpu-spot-50"], HUTCH["gpu-spot-50"]


@pytest.mark.parametrize(
    ("want", "queue", "words"),
    [
        (asks(1, 2_000_000), SPOT, "995,500 MiB"),
        (asks(193, 1000), SPOT, "192 vCPUs, not 193"),
        (asks(600, 1000), SPOT, "500 vCPUs"),
        (asks(1, 1000, 1), SPOT, "has no GPUs"),
        (asks(1, 1000, 9), GPU, "8 GPUs, not 9"),
    ],
)
def test_a_request_that_can_never_start_is_reported_with_what_would_fit(want, queue, words):
    told = misfit(want, queue)
    assert told is not None
    assert words in told


@pytest.mark.parametrize(
    ("want", "queue"),
    [(asks(1, 100), SPOT), (asks(96, 300_000), SPOT), (asks(64, 470_000, 8), GPU)],
)
def test_what_some_machine_holds_is_no_misfit(want, queue):
    assert misfit(want, queue) is None


def test_of_a_queue_nothing_is_known_of_nothing_is_said():
    assert misfit(asks(1000, 10**9, 50), Queue("lab")) is None
    assert hint(asks(4, 32768), Queue("lab")) is None


def test_a_request_just_too_large_to_share_a_machine_is_a_hint():
    told = hint(asks(4, 32768), Queue("q", instance_types=("r5",)))
    assert told == "ask for 31,000 MiB, not 32,768, to fit 2 jobs on an r5.2xlarge"


def test_a_request_that_uses_its_machine_is_no_hint():
    assert hint(asks(2, 15_000), Queue("q", instance_types=("r5",))) is None


@given(st.integers(1, 96), st.integers(1, 2_000_000))
def test_what_a_misfit_recommends_does_fit(vcpus, memory):
    if misfit(asks(vcpus, memory), SPOT) and vcpus <= 96:
        most = largest_memory(asks(vcpus, memory), SPOT)
        assert most is not None
        assert misfit(asks(vcpus, most), SPOT) is None


def test_optimal_stands_for_the_c_m_and_r_families():
    assert {s.type[0] for s in instances.sizes(["optimal"])} == {"c", "m", "r"}


def test_a_type_and_a_family_are_understood():
    assert [s.type for s in instances.sizes(["p3.16xlarge"])] == ["p3.16xlarge"]
    assert {s.type.split(".")[0] for s in instances.sizes(["r5"])} == {"r5"}


def test_a_queue_of_arm_machines_is_pointed_out():
    assert "arm64" in str(other_architecture(Queue("q", instance_types=("m6g", "c7g"))))
    assert other_architecture(Queue("q", instance_types=("m6g", "m5"))) is None
    assert other_architecture(Queue("q")) is None
