"""What a report says in numbers."""

from dataclasses import fields
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.record.schema import Job
from snakemake_executor_plugin_hutchbatch.reporting import (
    attempt_table,
    resource_advice,
    statistics,
    timeline,
)
from snakemake_executor_plugin_hutchbatch.reporting.attempt_table import Row
from snakemake_executor_plugin_hutchbatch.reporting.resource_advice import Request
from snakemake_executor_plugin_hutchbatch.text import units

TIMES = st.floats(0, 1000)


def row(**known):
    """A job of rule a that ran for 100 s from 1000 on 4 vCPUs with 10000 MiB."""
    unset = {f.name: None for f in fields(Row)}
    return Row(
        **unset
        | {
            "job": 1,
            "rule": "a",
            "label": "a",
            "jobs": 1,
            "state": "done",
            "vcpus": 4,
            "memory_mib": 10000,
            "gpus": 0,
            "started": 1000.0,
            "stopped": 1100.0,
            "total_s": 100.0,
            "run_s": 100.0,
        }
        | known
    )


@pytest.mark.parametrize(
    ("peaks", "asked", "value"),
    [
        ([1000, 2000], 10000, 2600),  # 2000 MiB x 1.2 = 2517 MB
        ([10], 10000, 200),
        ([7000], 10000, None),  # 8808 MB of 10486: not worth a change
        ([9900], 10000, None),  # cached files fill what there is
        ([], 10000, None),
    ],
)
def test_suggested_memory(peaks, asked, value):
    rows = [row(peak_memory_mib=peak, memory_mib=asked) for peak in peaks]
    assert resource_advice.suggest_mem_mb(rows, asked).value == value


def test_what_was_killed_for_memory_needs_more():
    rows = [
        row(peak_memory_mib=1000.0),
        row(state="failed", cause="OUT_OF_MEMORY", peak_memory_mib=9999.0),
    ]
    assert resource_advice.suggest_mem_mb(rows, 10000).value == 13000
    # With the memory of its last try it succeeded: 11000 MiB x 1.2, of 20000.
    rows.append(row(memory_mib=20000, peak_memory_mib=11000.0))
    assert resource_advice.suggest_mem_mb(rows, 20000).value == 14000


def jobs(used, asked=10000, retry=1, **known):
    return [
        row(job=n, label=f"a {n}", used_memory_mib=u, memory_mib=asked, retry=retry, **known)
        for n, u in enumerate(used)
    ]


def test_cached_files_do_not_count_as_needed():
    rows = [row(peak_memory_mib=9900.0, used_memory_mib=1000.0)]
    assert resource_advice.suggest_mem_mb(rows, 10000).value == 1300


def test_a_function_of_the_input_is_never_replaced():
    request = Request(given="function")
    advice = resource_advice.suggest_mem_mb(jobs([1000, 4000]), 10000, request)
    assert advice.value is None
    assert advice.why == "a function; 40 % of it used at most"
    killed = [*jobs([1000]), row(state="failed", cause="OUT_OF_MEMORY")]
    advice = resource_advice.suggest_mem_mb(killed, 10000, request)
    assert advice.value is None
    assert "killed" in advice.why


def test_a_function_of_the_attempt_gets_another_factor():
    request = Request(given="attempt", retries=2, first=16000)
    advice = resource_advice.suggest_mem_mb(jobs([1000] * 9 + [1100], 16000), 16000, request)
    assert advice.written == "1300 * attempt"
    # The last try must be enough for the largest.
    advice = resource_advice.suggest_mem_mb(jobs([1000] * 19 + [9000], 16000), 16000, request)
    assert advice.written == "3800 * attempt"
    assert resource_advice.suggest_mem_mb(jobs([15000], 16000), 16000, request).value is None


def test_where_few_jobs_need_much_memory_grows_with_the_attempt():
    needs = jobs([200] * 19 + [900])
    advice = resource_advice.suggest_mem_mb(needs, 10000, Request("number", 4))
    assert (advice.written, advice.text) == ("260 * attempt", "260 * attempt")
    flat = resource_advice.suggest_mem_mb(needs, 10000, Request("number", 1))
    assert flat.written == 1200
    assert "or 260 * attempt with retries: 4" in flat.why


def test_jobs_that_were_started_again_with_more_memory_have_not_asked_for_it():
    rows = [
        row(memory_mib=4000, state="failed", cause="OUT_OF_MEMORY"),
        row(memory_mib=8000, used_memory_mib=5000.0),
    ]
    advice = resource_advice.suggest_mem_mb(rows, 8000, Request("number", first=4000))
    assert (advice.value, advice.why) == (6300, "killed for memory")


def test_how_a_rule_asks_is_what_its_jobs_say():
    def job(number, **known):
        return Job("r", number, "a", f"a {number}", 1, 0.0, **known)

    found = resource_advice.requests(
        [job(1, memory=100, memory_given="number"), job(2, memory=100, retries=3)]
    )
    assert found == {"a": Request("number", 3, 100)}
    assert resource_advice.requests([job(1, memory=100), job(2, memory=200)])["a"].first is None


def test_the_profile_repeats_what_it_is_added_to():
    more, fewer = resource_advice.Advice(2600, ""), resource_advice.Advice(2, "")
    grows = resource_advice.Advice(300, "", grows=True)
    keep = resource_advice.Advice(None, "")
    existing = {
        "jobs": 5,
        "set-resources": {"a": {"mem_mb": 9, "gpu": 1}, "c": {"runtime": 5}},
        "set-threads": ["b=8", "d=4"],
    }
    text = resource_advice.profile({"a": (more, keep), "b": (grows, fewer)}, existing)
    assert yaml.safe_load(text) == {
        "set-resources": {
            "a": {"mem_mb": 2600, "gpu": 1},
            "c": {"runtime": 5},
            "b": {"mem_mb": "300 * attempt"},
        },
        "set-threads": ["d=4", "b=2"],
    }
    assert resource_advice.repeated(text, existing) == ["set-resources", "set-threads"]
    lists = {"set-resources": ["a:mem_mb=9", "a:gpu=1"]}
    text = resource_advice.profile({"a": (more, keep)}, lists)
    assert yaml.safe_load(text) == {"set-resources": ["a:gpu=1", "a:mem_mb=2600"]}


def test_rules_that_yaml_would_take_for_something_else_keep_their_names():
    advice = (resource_advice.Advice(2600, ""), resource_advice.Advice(None, ""))
    text = resource_advice.profile({"on": advice, "123": advice})
    assert set(yaml.safe_load(text)["set-resources"]) == {"on", "123"}


def test_other_failures_say_nothing_of_memory():
    lost = row(state="lost", cause="SPOT", peak_memory_mib=1.0)
    assert resource_advice.suggest_mem_mb([lost], 10000).value is None


@pytest.mark.parametrize(
    ("cpu", "value"),
    [([90.0], 1), ([115.0], 1), ([130.0], 2), ([390.0], None), ([900.0], None), ([], None)],
)
def test_suggested_threads(cpu, value):
    assert resource_advice.suggest_threads([row(cpu_s=c) for c in cpu], 4).value == value


def test_threads_go_by_nine_of_ten_jobs_and_not_by_short_ones():
    busy = [row(cpu_s=100.0) for _ in range(9)]
    assert resource_advice.suggest_threads([*busy, row(cpu_s=400.0)], 4).value == 1
    assert (
        resource_advice.suggest_threads([*busy, row(cpu_s=400.0), row(cpu_s=400.0)], 4).value
        is None
    )
    assert resource_advice.suggest_threads([row(cpu_s=0.1, run_s=1.0)], 4).value is None


def test_the_profile_has_only_what_should_change():
    keep, more, fewer = (resource_advice.Advice(value, "") for value in (None, 2600, 2))
    text = resource_advice.profile({"a": (more, keep), "b": (keep, fewer), "c": (keep, keep)})
    assert text == "set-resources:\n  a:\n    mem_mb: 2600\nset-threads:\n  b: 2"
    assert resource_advice.profile({"c": (keep, keep)}) == ""


def test_totals_count_a_job_once_and_every_container():
    rows = [
        row(
            state="lost", cause="SPOT", vcpu_hours=1.0, gib_hours=2.0, total_s=3600.0, waited_s=5.0
        ),
        row(vcpu_hours=2.0, gib_hours=4.0, total_s=7200.0, waited_s=7.0),
        row(label="b", state="failed", cause="COMMAND", total_s=None),
    ]
    sums = statistics.totals(rows, 0.0, 10.0)
    assert (sums.jobs, sums.states) == (2, {"done": 1, "failed": 1})
    assert sums.use == statistics.Use(2, 3.0, 3.0, 6.0)
    assert (sums.spot, sums.other_losses) == (statistics.Use(1, 1.0, 1.0, 2.0), statistics.Use())
    assert sums.waited == 6.0


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=300))
def test_a_spread_is_in_order_and_of_real_values(values):
    found = statistics.spread(values)
    assert found.low <= found.lower <= found.median <= found.upper <= found.high
    assert set(found.points) <= set(values)
    assert len(found.points) == min(len(values), statistics.POINTS)
    assert {found.points[0], found.points[-1]} <= {min(values), max(values)}


@given(
    st.lists(st.tuples(st.sampled_from("ab"), TIMES, TIMES, st.floats(0, 64)), max_size=30),
    st.integers(1, 50),
)
def test_nothing_is_lost_between_the_spans_of_time(intervals, bins):
    intervals = [(key, min(a, b), max(a, b), weight) for key, a, b, weight in intervals]
    found = timeline.over_time(intervals, 0.0, 1000.0, bins)
    for key, values in found.items():
        whole = sum((b - a) * weight for name, a, b, weight in intervals if name == key)
        assert sum(values) * 1000 / bins == pytest.approx(whole, abs=1e-3)
        assert min(values) >= -1e-6


@given(
    st.sampled_from(["waiting", "running", "done", "failed", "lost"]),
    *(st.none() | st.floats(0, 500) for _ in range(6)),
)
def test_phases_follow_each_other(state, submitted, starting, length, before, command, after):
    started = None if length is None else 500.0
    stopped = None if length is None or state == "running" else 500.0 + length
    one = row(
        state=state,
        submitted=submitted,
        starting=starting,
        started=started,
        stopped=stopped,
        stage_in_s=before,
        run_s=command,
        stage_out_s=after,
    )
    found = timeline.phases(one, 2000.0)
    assert all(begin < end for _, begin, end in found)
    assert {name for name, _, _ in found} <= set(timeline.PHASES)
    inside = [phase for phase in found if phase[0] not in ("waiting", "starting")]
    for (_, _, end), (_, begin, _) in pairwise(inside):
        assert end == pytest.approx(begin)
    if inside:
        assert inside[0][1] == pytest.approx(started)
        assert inside[-1][2] == pytest.approx(2000.0 if stopped is None else stopped)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.25, "0.2 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3599, "59 min"), (9000, "2 h 30 min")],
)
def test_durations_read_well(seconds, words):
    assert units.duration(seconds) == words


def test_every_column_is_explained():
    assert all(
        about.endswith((".", ")")) and len(about) > 10 for about in attempt_table.COLUMNS.values()
    )
