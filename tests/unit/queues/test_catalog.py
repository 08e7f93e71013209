"""Catalogues of queues, and what is said about one that is wrong."""

import pytest

from snakemake_executor_plugin_hutchbatch.queues import catalog
from snakemake_executor_plugin_hutchbatch.queues.data_file import DataFileError


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
        ("queues: 3\nqueues:\n  a: {}", "line 2: 'queues:'"),
        (
            "queues:\n  a:\n    type: SPOT\n    type: EC2",
            "line 4: queue a: type",
        ),
        ("queues: &a\n  b: *a", "line 1: this is not YAML: anchors and aliases"),
        ("queues:\n  a: *b", "line 2: this is not YAML: anchors and aliases"),
        ("queues:\n  a:\n    <<: {type: EC2}", "line 3: queue a has no field <<"),
        ("queues:\n  a:\n    type: !!timestamp x", "line 3: this is not YAML: tags"),
        ("queues:\n  a: !!python/object/apply:os.abort []", "line 2: this is not YAML: tags"),
        ("queues:\n  a:\n    type: 2024-13-45", "line 3: queue a: type is SPOT or EC2"),
        ("queues:\n  a:\n    max_vcpus: 1e999", "line 3: queue a: max_vcpus is a whole"),
        (f"queues:\n  a:\n    max_vcpus: {'9' * 9999}", "line 3: queue a: max_vcpus is a whole"),
        (f"queues:\n  a:\n    max_vcpus: {'1:' * 9999}1", "line 3: queue a: max_vcpus is a whole"),
        ("queues:\n  a:\n    max_vcpus: 0x10", "line 3: queue a: max_vcpus is a whole"),
        ("queues:\n  ? [a]\n  : {}", "line 2: this is not YAML: this is no name"),
        ("queues:\n  a:\n    type: \0", "line 1: this is not YAML"),
        ("queues: " + "[" * 100_000, "line 1: this is not YAML: there are more than 12 levels"),
        ("queues:\n  a: " + "{b: " * 99 + "}" * 99, "line 2: this is not YAML: there are more"),
        ("--- {}\n--- {}", "line 2: this is not YAML"),
    ],
)
def test_a_fault_is_reported_with_its_line(text, fault):
    with pytest.raises(DataFileError) as error:
        catalog.parse(text, "site.yaml")
    assert f"site.yaml, {fault}" in str(error.value)


def test_names_are_texts_whatever_they_look_like():
    text = "queues:\n  1: {type: SPOT}\n  yes: {type: EC2}\n  2024-01-01: {}\n  null:"
    found = catalog.parse(text, "site.yaml")
    assert [entry.type for entry in found.values()] == ["SPOT", "EC2", None, None]
    assert list(found) == ["1", "yes", "2024-01-01", "null"]


def test_ten_lines_that_make_a_billion_entries_are_a_sentence():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    with pytest.raises(DataFileError, match="line 1: this is not YAML: anchors and aliases"):
        catalog.parse("\n".join([*lines, "queues: *a9"]), "site.yaml")


def test_thousands_of_faults_are_a_page():
    text = "queues:\n" + "".join(f"  q{n}:\n    type: {'x' * 500}\n" for n in range(200))
    with pytest.raises(DataFileError, match="and 180 more") as error:
        catalog.parse(text, "site.yaml")
    assert len(str(error.value)) < 5000


@pytest.mark.parametrize("kind", ["large", "endless", "folder", "not text"])
def test_a_file_that_is_no_catalogue_is_reported(tmp_path, kind):
    path = tmp_path / "site.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"#" * 300_000 if kind == "large" else b"\xff")
    with pytest.raises(DataFileError, match=r"site\.yaml (is not a catalogue|cannot be read)"):
        catalog.read(path)


def test_all_faults_are_reported_at_once():
    text = "queues:\n  a:\n    type: x\n  b:\n    max_vcpus: 0\n"
    with pytest.raises(DataFileError) as error:
        catalog.parse(text, "site.yaml")
    assert "line 3" in str(error.value)
    assert "line 5" in str(error.value)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(DataFileError, match="cannot be read"):
        catalog.read(tmp_path / "none.yaml")
