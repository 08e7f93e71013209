"""Where jobs start by what earlier ones needed: never too sure, never above the request."""

import pytest

from snakemake_executor_plugin_hutchbatch.planning import learned_memory
from snakemake_executor_plugin_hutchbatch.planning.learned_memory import Sample, start
from snakemake_executor_plugin_hutchbatch.text.units import mb

MB = 10**6


def used(*values, had=16_000):
    return [Sample(value, had) for value in values]


def by_size(count=12, slope=2.0, base=300.0):
    return [Sample(base + slope * n * 100, 16_000, n * 100 * MB) for n in range(1, count + 1)]


def test_a_job_starts_a_little_above_the_highest_need():
    found = start(used(900, 1000, 1100, 950, 990), 16_000, None, 128)
    assert found is not None
    assert 1100 * 1.25 <= found.memory <= 1100 * 1.25 * 1.25
    assert (found.jobs, found.highest, found.by_size) == (5, 1100, False)


def test_few_samples_change_nothing():
    assert start(used(900, 1000, 1100, 950), 16_000, None, 128) is None


@pytest.mark.parametrize("asked", [500, 1000, 1400, 1700])
def test_a_start_is_never_above_the_request_nor_close_to_it(asked):
    assert start(used(*[1100] * 9), asked, None, 128) is None


def test_what_any_job_needs_is_left():
    found = start(used(*[5] * 9), 16_000, None, 512)
    assert found is not None
    assert found.memory == 512


def test_killed_jobs_are_lower_bounds():
    killed = [Sample(3000, 3000, killed=True)]
    found = start([*used(*[900] * 9), *killed], 16_000, None, 128)
    assert found is not None
    assert found.memory >= 4500
    # Started again with more, it showed what it needs.
    found = start([*used(*[900] * 9, 3100), *killed], 16_000, None, 128)
    assert found is not None
    assert found.memory < 4900
    assert start(killed * 9, 16_000, None, 128) is None


def test_input_size_counts_where_it_explains_memory():
    small = start(by_size(), 16_000, 150 * MB, 128)
    large = start(by_size(), 16_000, 1200 * MB, 128)
    assert small is not None
    assert large is not None
    assert small.by_size
    assert large.by_size
    assert small.memory < 1000
    assert 2700 * 1.25 <= large.memory < 2700 * 1.6


def test_what_size_does_not_explain_is_the_same_for_all():
    samples = [Sample(900 + 100 * (n % 3), 16_000, n * 100 * MB) for n in range(1, 13)]
    found = start(samples, 16_000, 100 * MB, 128)
    assert found is not None
    assert not found.by_size


def test_inputs_larger_than_any_before_start_at_the_request():
    assert start(by_size(), 16_000, 5000 * MB, 128) is None
    flat = [Sample(900, 16_000, 100 * MB)] * 9
    assert start(flat, 16_000, 1000 * MB, 128) is None
    assert start(flat, 16_000, 120 * MB, 128) is not None


def test_no_job_of_those_seen_would_have_been_killed():
    samples = [*by_size(), Sample(2600, 16_000, 900 * MB)]
    for each in samples:
        found = start(samples, 16_000, each.input_bytes, 128)
        assert found is None or found.memory >= each.used


def test_a_killed_job_raises_the_line():
    killed = Sample(2000, 2000, 300 * MB, killed=True)
    found = start([*by_size(), killed], 16_000, 300 * MB, 128)
    assert found is not None
    assert found.memory >= 3000


def test_many_sizes_make_few_requests():
    starts = {start(by_size(), 16_000, n * MB, 128) for n in range(100, 1200, 10)}
    assert len({found.memory for found in starts if found}) <= 10


def test_the_sentence_says_what_happens_to_jobs_that_need_more():
    found = start(used(*[900] * 9), 16_000, None, 128)
    assert found is not None
    text = learned_memory.sentence("align", found, 16_000)
    assert text.startswith(f"Jobs of align start at {mb(found.memory)}, not at the 16,777 MB")
    assert "9 earlier jobs used at most 943 MB" in text
