"""Catalogues: the one that ships, and what is said about one that is wrong."""

import pytest

from snakemake_executor_plugin_hutchbatch import catalog
from snakemake_executor_plugin_hutchbatch.catalog import CatalogError, Entry


def test_the_hutchs_five_queues_ship():
    queues = catalog.shipped()
    assert list(queues) == ["cpu-spot-50", "cpu-spot-40", "cpu-spot-30", "gpu-spot-50", "mixed"]
    assert queues["cpu-spot-30"] == Entry(
        "cpu-spot-30", "cpu-spot-30", "SPOT", ("optimal",), 1000, 30
    )
    assert queues["gpu-spot-50"].instance_types == ("p3.16xlarge",)
    assert queues["mixed"] == Entry("mixed")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("queues: [", "line 1: this is not YAML"),
        ("", "line 1: a catalogue begins with 'queues:'"),
        ("default: {}", "line 1: a catalogue begins with 'queues:'"),
        ("queues:\n  a: 3", "line 2: queue a: expected fields"),
        ("queues:\n  a:\n    type: spot", "line 3: queue a: type is SPOT or EC2, not 'spot'"),
        ("queues:\n  a:\n    bid: 30", "line 3: queue a has no field bid"),
        ("queues:\n  a:\n    bid_percentage: 300", "line 3: queue a: bid_percentage is a whole"),
        ("queues:\n  a:\n    max_vcpus: true", "line 3: queue a: max_vcpus is a whole"),
        ("queues:\n  a:\n    instance_types: r5", "line 3: queue a: instance_types is a list"),
        ("queues:\n  a: {}\n  a: {}", "line 3: queue a is listed twice"),
    ],
)
def test_a_fault_is_told_with_its_line(text, fault):
    with pytest.raises(CatalogError) as error:
        catalog.parse(text, "site.yaml")
    assert f"site.yaml, {fault}" in str(error.value)


def test_all_faults_are_told_at_once():
    text = "queues:\n  a:\n    type: x\n  b:\n    max_vcpus: 0\n"
    with pytest.raises(CatalogError) as error:
        catalog.parse(text, "site.yaml")
    assert "line 3" in str(error.value)
    assert "line 5" in str(error.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(CatalogError, match="cannot be read"):
        catalog.read(tmp_path / "none.yaml")
