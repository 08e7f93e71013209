"""Amounts of memory are those that somebody wrote."""

import math

import pytest

from snakemake_executor_plugin_hutchbatch.text.units import mb, megabytes, memory


@pytest.mark.parametrize("asked", [*range(500, 200_000, 500), 1, 98, 250, 1234, 4321])
def test_what_a_rule_asked_for_is_shown_as_it_stands_there(asked):
    requested = math.ceil(asked * 1_000_000 / 2**20)
    shown = megabytes(requested)
    assert math.ceil(shown * 1_000_000 / 2**20) == requested
    if asked % 100 == 0:
        assert shown == asked


def test_units_are_those_of_mem_mb():
    assert mb(11445) == "12,000 MB"
    assert [memory(477), memory(953.67), memory(15259)] == ["500 MB", "1000 MB", "16.0 GB"]
