"""Statuses in the names of their objects: what fits there, and what may not stand there."""

import json
import random
from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import status_names
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Facts
from snakemake_executor_plugin_hutchbatch.supervisor.scratch_disk import ScratchDisk
from snakemake_executor_plugin_hutchbatch.supervisor.status_names import Name
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    Status,
    TaskSpecError,
    status_url,
)

PARENT = "11111111-2222-3333-4444-555555555555"
PREFIX = "s3://fh-pi-smith-j-eco/a project/.hutchbatch/runs/20261130-235959-abcdef/status/"
#: With numbers as long as they get.
DONE = Status(
    f"{PARENT}:17",
    2,
    "done",
    0,
    seconds={"start": 12.345, "stage_in": 1234.567, "run": 123456.789, "stage_out": 4567.891},
    bytes_in=987_654_321_098,
    files_in=1234,
    bytes_out=876_543_210_987,
    files_out=321,
    peak_memory=765_432_109_876,
    used_memory=654_321_098_765,
    cpu_seconds=543210.987654,
    instance_id="i-0123456789abcdef0",
    instance_type="u-24tb1.112xlarge",
    capacity="on-demand",
    scratch=ScratchDisk(16_123_456_789_012, 15_987_654_321_098, "btrfs", "/docker_scratch", True),
)


def stored(status, prefix=PREFIX, listed=True):
    """The end of the status's URL, below the folder of its array."""
    url = status_names.url(prefix, status, listed)
    return url.removeprefix(status_names.folder(prefix, PARENT))


def test_a_success_of_an_arrays_child_comes_back_from_its_name_alone():
    name = stored(DONE)
    assert name.startswith("000017.2.")
    assert len(name) <= status_names.MOST_PART
    assert status_names.status_in(PARENT, status_names.read(name)) == DONE
    small = Status(f"{PARENT}:0", 1, "done", 0)
    assert status_names.status_in(PARENT, status_names.read(stored(small))) == small


def test_names_are_in_the_order_of_the_children_and_begin_as_they_are_looked_for():
    children = [Status(f"{PARENT}:{n}", 1, "done", 0) for n in (0, 2, 9, 10, 99, 100, 9999)]
    names = [stored(status) for status in children]
    assert names == sorted(names)
    assert all(
        name.startswith(status_names.begin(PARENT, int(status.job_id.partition(":")[2])))
        for name, status in zip(names, children, strict=True)
    )


@pytest.mark.parametrize(
    "failure",
    [
        {"exit_code": 1},
        {"cause": "COMMAND"},
        {"problem": "exited"},
        {"facts": Facts(words="password=hunter2")},
        {"step": "align"},
        {"phase": "stage_out"},
    ],
)
def test_nothing_of_a_failure_is_in_a_name(failure):
    assert stored(replace(DONE, **failure)) == "000017.2.json"


SINGLE = replace(DONE, job_id=PARENT)


def test_what_is_not_listed_has_the_name_that_can_be_guessed():
    guessed = status_url(PREFIX, PARENT, 2)
    assert status_names.url(PREFIX, DONE, listed=False) == status_url(PREFIX, DONE.job_id, 2)
    assert status_names.url(PREFIX, SINGLE, listed=False, number=3) == guessed
    assert status_names.url(PREFIX, SINGLE, listed=True) == guessed
    failure = replace(SINGLE, exit_code=1)
    assert status_names.url(PREFIX, failure, listed=True, number=3) == guessed
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=300))
    long = replace(SINGLE, instance_type=noise)
    assert status_names.url(PREFIX, long, listed=True, number=3) == guessed
    unknown = replace(SINGLE, job_id="unknown")
    plain = status_url(PREFIX, "unknown", 2)
    assert status_names.url(PREFIX, unknown, listed=True, number=3) == plain


def test_single_jobs_of_a_run_are_listed_like_children_of_one_array():
    folder = status_names.folder(PREFIX, status_names.SINGLE)
    numbers = (0, 9, 10, 999_999, 1_000_000, 999_999_999)
    names = []
    for number in numbers:
        url = status_names.url(PREFIX, SINGLE, listed=True, number=number)
        name = url.removeprefix(folder)
        assert name.startswith(status_names.begin(status_names.SINGLE, number))
        assert len(name) <= status_names.MOST_PART
        read = status_names.read(name)
        assert (read.number, read.job) == (number, PARENT)
        assert status_names.status_in(status_names.SINGLE, read) == SINGLE
        names.append(name)
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("42", 42),
        ("", None),
        ("-1", None),
        ("1" * 10, None),
        ("\u0661", None),
        ("1\n", None),
    ],
)
def test_a_single_jobs_number_comes_from_its_environment(text, number):
    assert status_names.number_in({status_names.VARIABLE: text}) == number
    assert status_names.number_in({}) is None


def test_a_status_that_does_not_fit_is_only_in_the_object():
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=300))
    assert stored(replace(DONE, instance_type=noise)) == "000017.2.json"
    deep = f"s3://b/{'é' * 400}/"  # 800 bytes, and a name of more than 200
    assert stored(DONE, deep) == "000017.2.json"
    assert stored(DONE, f"s3://b/{'e' * 400}/") != "000017.2.json"


@pytest.mark.parametrize(
    "name",
    [
        "17.1.json",
        "000017.json",
        "000017.1.1abc",
        "000017.1.a/b.json",
        "x",
        "\u0660\u0660\u0660\u0660\u0661\u0667.1.json",
    ],
)
def test_other_names_are_nobodys(name):
    assert status_names.read(name) is None


def code_of(**fields):
    """The code of a status with other ``fields``, packed as the supervisor packs its own."""
    with pytest.MonkeyPatch.context() as patch:
        raw = {**json.loads(status_names.dumps(DONE)), **fields}
        patch.setattr(status_names, "dumps", lambda _: json.dumps(raw))
        return status_names._code(DONE)


@pytest.mark.parametrize(
    "fields",
    [
        {"exit_code": 3},
        {"version": 2},
        {"more": 1},
        {"bytes_in": -1},
        {"phase": "run"},
        {"step": "x" * 5000},
    ],
)
def test_what_no_container_puts_into_a_name_is_no_status(fields):
    with pytest.raises(TaskSpecError):
        status_names.status_in(PARENT, Name(17, 2, code_of(**fields)))


def test_a_code_is_only_taken_whole():
    code = status_names.read(stored(DONE)).code
    for bad in (code[:-4], code[:40], code + "AAAA", "1", "", "1a", "2" + code[1:], "1" + "A" * 99):
        with pytest.raises(TaskSpecError):
            status_names.status_in(PARENT, Name(17, 2, bad))


def test_a_name_says_nothing_of_another_job():
    code = code_of(job_id="another", attempt=9)
    assert status_names.status_in(PARENT, Name(17, 2, code)) == DONE
