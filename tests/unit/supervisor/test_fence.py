"""Which attempt's objects stay, and the checksum of a whole from those of its parts."""

import datetime
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.submission.fencing import Numbers
from snakemake_executor_plugin_hutchbatch.supervisor import checksum, fence
from snakemake_executor_plugin_hutchbatch.supervisor.fence import Stamp, Verdict

OURS = Stamp(200, 2, "job-b", "u-1")


@pytest.mark.parametrize(
    ("there", "verdict"),
    [
        (None, Verdict.OLDER),
        (OURS, Verdict.OURS),
        (Stamp(200, 2, "job-b", "u-0"), Verdict.OLDER),  # of this attempt, stored before
        (Stamp(200, 1, "job-b", "x"), Verdict.OLDER),
        (Stamp(200, 3, "job-b", "x"), Verdict.LATER),
        (Stamp(100, 9, "job-a", "x"), Verdict.OLDER),
        (Stamp(300, 1, "job-c", "x"), Verdict.LATER),
        (Stamp(0, 9, "job-x", "x"), Verdict.OLDER),  # of nobody knows when
        (Stamp(0, 3, "job-b", "x"), Verdict.LATER),
        (Stamp(200, 1, "job-twin", "u-1"), Verdict.OLDER),  # made by a SubmitJob sent twice
    ],
)
def test_an_object_is_older_later_or_ours(there, verdict):
    assert fence.judge(there, OURS) is verdict


@given(st.permutations(list(itertools.product((1, 2, 3), (1, 2)))))
def test_whatever_the_order_of_writes_the_latest_stays(order):
    lying = None
    for submission, attempt in order:
        stamp = Stamp(submission, attempt, f"job-{submission}", f"u-{attempt}")
        if fence.judge(lying, stamp) is Verdict.OLDER:
            lying = stamp
    assert (lying.submission, lying.attempt) == (3, 2)


@given(
    st.builds(
        Stamp,
        st.integers(0, 10**15 - 1),
        st.integers(1, 10**9 - 1),
        st.from_regex("[a-z0-9:-]{1,60}", fullmatch=True),
        st.from_regex("[0-9a-f]{16}-[0-9a-f]", fullmatch=True),
    )
)
def test_a_stamp_is_read_back_as_it_was_written(stamp):
    assert fence.parse(stamp.text()) == stamp


@pytest.mark.parametrize("text", ["", "x", "1.2.job", "1.2.a b.c", "-1.2.j.u", "1e9.1.j.u", None])
def test_what_is_no_stamp_is_none(text):
    assert fence.parse(text) is None


def test_a_stamp_from_after_its_object_is_not_believed():
    """It would lock the object's place for ever."""
    headers = {"last-modified": "Wed, 01 Jan 2020 00:00:00 GMT"}
    written = 1_577_836_800_000
    fine, far = Stamp(written, 1, "j"), Stamp(written + 10**10, 1, "j")
    assert fence.stamp_of({**headers, fence.HEADER: fine.text()}) == fine
    assert fence.stamp_of({**headers, fence.HEADER: far.text()}) is None


@pytest.mark.parametrize(
    ("environ", "stamp"),
    [
        ({}, Stamp(0, 1, "unknown")),
        (
            {
                "HUTCHBATCH_FENCE": "17",
                "AWS_BATCH_JOB_ATTEMPT": "2",
                "AWS_BATCH_JOB_ID": "aa-bb:3",
            },
            Stamp(17, 2, "aa-bb:3"),
        ),
        (
            {"HUTCHBATCH_FENCE": "9" * 40, "AWS_BATCH_JOB_ATTEMPT": "x"},
            Stamp(0, 1, "unknown"),
        ),
    ],
)
def test_an_attempt_knows_itself_from_its_environment(environ, stamp):
    assert fence.own(environ) == stamp


def test_submissions_of_a_run_and_of_a_later_one_are_numbered_upwards():
    begun = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    one, two = Numbers(), Numbers()
    # Sent again without a new task: of the same time.
    first = [one.next(begun) for _ in range(50)]
    assert first == sorted(set(first))
    assert two.next(begun + datetime.timedelta(seconds=1)) > first[-1]


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_the_checksum_of_a_whole_comes_from_those_of_its_parts(parts):
    joined = checksum.joined((zlib.crc32(part), len(part)) for part in parts)
    assert joined == zlib.crc32(b"".join(parts))


def test_checksums_of_ten_thousand_large_parts_join():
    zeros = zlib.crc32(bytes(1 << 24))
    whole = zlib.crc32(b"")
    for _ in range(3):
        whole = zlib.crc32(bytes(1 << 24), whole)
    assert checksum.joined([(zeros, 1 << 24)] * 3) == whole
    assert checksum.joined([(zeros, 1 << 24)] * 10_000) >> 32 == 0
