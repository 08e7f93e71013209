"""Snakemake's resources become Batch's requirements."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.planning.requirements import PlanError, request


def test_threads_become_vcpus():
    assert request({}, 8).vcpus == 8


def test_zero_threads_still_need_a_vcpu():
    assert request({}, 0).vcpus == 1


def test_memory_is_asked_for_in_mebibytes_rounded_up():
    assert request({"mem_mb": 1000}, 1).memory == math.ceil(1000 * 10**6 / 2**20)


def test_snakemakes_own_conversion_wins():
    assert request({"mem_mb": 1000, "mem_mib": 954}, 1).memory == 954


def test_without_memory_each_vcpu_brings_its_share():
    assert request({}, 4).memory == 4 * request({}, 1).memory


def test_what_snakemake_does_not_know_yet_counts_as_not_given():
    assert request({"mem_mb": "<TBD>", "runtime": "<TBD>"}, "<TBD>") == request({}, 1)


def test_runtime_in_minutes_becomes_a_timeout_in_seconds():
    assert request({"runtime": 90}, 1).timeout == 5400


def test_without_runtime_there_is_no_timeout():
    assert request({}, 1).timeout is None


def test_the_other_plugins_timeout_in_seconds_is_understood():
    assert request({"aws_batch_task_timeout": 300}, 1).timeout == 300


def test_a_timeout_is_never_below_what_batch_takes():
    assert request({"aws_batch_task_timeout": 5}, 1).timeout == 60


def test_gpus_are_passed_on():
    assert request({"gpu": 2}, 1).gpus == 2


@pytest.mark.parametrize(
    "resources",
    [
        *({"mem_mb": "plenty"}, {"mem_mib": -1}, {"gpu": -1}, {"runtime": -5}),
        *({"mem_mb": math.inf}, {"mem_mb": "inf"}, {"runtime": math.nan}, {"runtime": 10**9}),
    ],
)
def test_nonsense_is_refused(resources):
    with pytest.raises(PlanError):
        request(resources, 1)


@given(st.integers(min_value=5, max_value=10**7))
def test_never_less_memory_than_asked(megabytes):
    assert request({"mem_mb": megabytes}, 1).memory * 2**20 >= megabytes * 10**6
