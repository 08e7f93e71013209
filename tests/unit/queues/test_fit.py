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
    waits_no_longer,
)
from snakemake_executor_plugin_hutchbatch.queues.queue import Environment, Queue
from snakemake_executor_plugin_hutchbatch.sites import site


def asks(vcpus, memory, gpus=0):
    return replace(PLAN, vcpus=vcpus, memory=memory, gpus=gpus)


HUTCH = from_catalog(site.shipped()[0].queues)
SPOT, GPU = HUTCH["cpu-spot-50"], HUTCH["gpu-spot-50"]


@pytest.mark.parametrize(
    ("want", "queue", "words"),
    [
        (asks(1, 2_000_000), SPOT, "1,044,000 MB"),
        (asks(193, 1000), SPOT, "192 vCPUs, not 193"),
        (asks(600, 1000), SPOT, "500 vCPUs"),
        (asks(1, 1000, 1), SPOT, "has no GPUs"),
        (asks(1, 1000, 9), GPU, "8 GPUs, not 9"),
    ],
)
def test_a_request_that_can_never_start_is_reported_with_what_would_fit(want, queue, words):
    reported = misfit(want, queue)
    assert reported is not None
    assert words in reported


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
    reported = hint(asks(4, 32768), Queue("q", instance_types=("r5",)))
    assert reported == "ask for 32,500 MB, not 34,359, to fit 2 jobs on an r5.2xlarge"


def test_memory_that_a_machine_offers_at_the_very_most_is_refused_above_and_hinted_below():
    # Of an m4.large's 8,192 MiB, 7,985 can be had.
    queue = Queue("q", instance_types=("m4.large",))
    assert misfit(asks(1, 7985), queue) is None
    assert "at most 7,500 MB" in str(hint(asks(1, 7985), queue))
    assert "at most 7,500 MB" in str(misfit(asks(1, 8100), queue))
    assert largest_memory(asks(1, 100), queue) == 7500
    assert hint(asks(1, 7500), queue) is None
    assert "never start" not in str(hint(asks(1, 7985), Queue("q", instance_types=("m4",))))


def test_of_optimal_only_what_no_generation_holds_is_refused():
    newer, older = asks(1, 900_000), asks(1, 700_000)
    assert misfit(newer, SPOT) is None
    assert "783,000 MB: cpu-spot-50 may have machines of another" in str(hint(newer, SPOT))
    assert misfit(older, SPOT) is None
    assert hint(older, SPOT) is None
    today = Queue("q", instance_types=("default_x86_64",))
    assert hint(newer, today) is None
    assert largest_memory(asks(1, 100), SPOT) == 746_500
    assert largest_memory(asks(1, 100), today) == 995_500


def test_a_job_fits_if_one_of_the_compute_environments_can_run_it():
    small = Environment(("c5",), 16)
    large = Environment(("r5.large",), 1000)
    queue = Queue("q", instance_types=("c5", "r5.large"), max_vcpus=1016)
    both = replace(queue, environments=(small, large))
    assert misfit(asks(16, 1000), both) is None
    assert misfit(asks(2, 15_000), both) is None
    assert "lower threads" in str(misfit(asks(32, 1000), both)), "c5 has it, but not so many"
    unmanaged = replace(queue, environments=(small, Environment()))
    assert misfit(asks(500, 10**9), unmanaged) is None


def test_accelerators_that_are_no_gpus_are_not_for_jobs_that_ask_for_gpus():
    for types in (("inf2",), ("trn1.32xlarge",), ("dl1",), ("g4ad",), ("vt99",), ("optimal",)):
        assert "has no GPUs" in str(misfit(asks(1, 1000, 1), Queue("q", instance_types=types)))
    for types in (("gr6",), ("g6f",), ("p99.large",), ("gr9",)):
        assert misfit(asks(1, 1000, 1), Queue("q", instance_types=types)) is None


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
    assert other_architecture(Queue("q", instance_types=("m6i", "g4dn"))) is None
    assert other_architecture(Queue("q")) is None


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("default_arm64",), {"arm64"}),
        (("optimal",), {"x86_64"}),
        (("c9gd", "m10g.large", "i9ge", "x4g"), {"arm64"}),
        (("a1", "g5g", "im4gn", "hpc7g"), {"arm64"}),
        (("c9i", "gr9", "g9dn.xlarge", "r9idn", "p9"), {"x86_64"}),
        (("m6i", "m6g"), {"arm64", "x86_64"}),
        (("some_bundle",), set()),
    ],
)
def test_names_of_machines_tell_their_processors(names, found):
    assert instances.architectures(names) == found


def test_a_time_limit_of_the_queue_is_pointed_out_with_what_then_happens():
    limited = Queue("q", time_limits=(("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", 600),))
    assert "10 minutes" in str(waits_no_longer(limited, False))
    assert "next queue" in str(waits_no_longer(limited, False))
    assert "fails" in str(waits_no_longer(limited, True))
    other = Queue("q", time_limits=(("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT", 600),))
    assert waits_no_longer(other, True) is None
