"""Lines about uploads: few, and true."""

import pytest

from snakemake_executor_plugin_hutchbatch.storage.transfer_progress import Progress
from snakemake_executor_plugin_hutchbatch.text.units import amount


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (3_140_000_000, "3.1 GB"),
        (100_000_000_000, "100 GB"),
        (1_200_000_000_000, "1.2 TB"),
        (999_700_000, "1 GB"),
        (10_000_000, "10 MB"),
        (95_000_000, "95 MB"),
    ],
)
def test_amounts_are_short(size, text):
    assert amount(size) == text


def test_an_hour_of_uploading_takes_few_lines():
    progress = Progress("Uploaded", 1000, 10**12, now=0.0)
    lines = []
    for second in range(3600):
        progress.moved(10**8)
        if line := progress.due(float(second)):
            lines.append(line)
    assert 50 < len(lines) < 80
    assert lines[0] == "Uploaded 0 of 1,000 files, 600 MB of 1 TB (0 %), about 2 h 19 min left."
    assert progress.end(3600.0).startswith("Uploaded 0 files, 360 GB, in 60 min, 100 MB/s")


def test_small_files_before_a_large_one_do_not_seem_to_take_days():
    progress = Progress("Uploaded", 5001, 5000 + 200_000_000, now=0.0)
    for _ in range(1000):
        progress.moved(1)
        progress.done()
    line = progress.due(20.0)
    assert line == "Uploaded 1,000 of 5,001 files, 1 kB of 200 MB (18 %), about 88 s left."


def test_empty_files_have_a_share_of_what_is_done():
    progress = Progress("Uploaded", 4, 0, now=0.0)
    progress.done()
    assert (
        progress.due(10.0) == "Uploaded 1 of 4 files, 0 bytes of 0 bytes (25 %), about 30 s left."
    )


def test_what_is_done_says_nothing_more():
    progress = Progress("Uploaded", 1, 10, now=0.0)
    progress.moved(20)
    progress.done()
    assert progress.due(100.0) is None
    assert progress.end(2.0) == "Uploaded 1 file, 10 bytes, in 2 s."
