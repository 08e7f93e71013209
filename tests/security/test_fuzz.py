"""Names, descriptions of tasks and settings, given anything: an answer in AWS's alphabet, or the
error that is meant for it. Derandomized: the same cases in every run."""

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.aws import cloudwatch
from snakemake_executor_plugin_hutchbatch.planning import naming
from snakemake_executor_plugin_hutchbatch.record.columns import stored
from snakemake_executor_plugin_hutchbatch.recovery import run_marker
from snakemake_executor_plugin_hutchbatch.settings.table import SETTINGS
from snakemake_executor_plugin_hutchbatch.settings.values import SettingError
from snakemake_executor_plugin_hutchbatch.settlement import failure_report
from snakemake_executor_plugin_hutchbatch.snakemake_patches import locks
from snakemake_executor_plugin_hutchbatch.supervisor import strict_json, taskspec
from snakemake_executor_plugin_hutchbatch.supervisor.strict_json import StrictJsonError
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import TaskSpecError

settings.register_profile("security", derandomize=True, deadline=None, max_examples=100)
SAME = settings.get_profile("security")

#: What has hurt others: shells, terminals, paths, URLs, JSON, right-to-left marks, lone surrogates.
NASTY = st.sampled_from(
    [
        *("$(touch x)", "`touch x`", "; touch x", "' || touch x '", '"; touch x; "', "\n", "\0"),
        *("\x1b[2J", "\x9b31m", "\r", "../../etc/passwd", "%2e%2e", "#", "?", "\u202e", "\ud800"),
        *("{", "}", "{0.__class__}", "%s", "-rf", "", " ", "\\", "é", "日本", "x" * 300),
    ]
)
TEXT = st.lists(NASTY | st.text(max_size=20), max_size=4).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=4,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
TAG = re.compile(r"[A-Za-z0-9 _.:/=+@-]{0,256}")


def drives_no_terminal(text: str) -> bool:
    return all(c.isprintable() or c == "\t" for c in text)


@SAME
@given(TEXT, TEXT, st.dictionaries(TEXT, TEXT, max_size=3), TEXT)
def test_names_and_tags_have_awss_alphabet(user, rule, wildcards, image):
    key = naming.digest(user, rule)
    name = naming.job_name(user, rule, wildcards, key)
    assert NAME.fullmatch(name)
    assert name.endswith(key)
    assert NAME.fullmatch(naming.resubmitted(name, 2))
    assert NAME.fullmatch(naming.definition_name(image, key))
    assert TAG.fullmatch(naming.tag_value(rule))
    assert naming.tag_value(naming.tag_value(rule)) == naming.tag_value(rule)


@SAME
@given(TEXT, st.dictionaries(TEXT, TEXT, max_size=3), TEXT)
def test_nothing_that_is_shown_drives_a_terminal(rule, wildcards, reason):
    assert drives_no_terminal(naming.label(rule, wildcards))
    assert drives_no_terminal(cloudwatch.printable(reason))
    job = {"attempts": [{"statusReason": reason, "container": {"exitCode": None}}]}
    assert all(drives_no_terminal(line) for line in failure_report.attempts(job))


FIELDS = st.sampled_from(
    ["version", "name", "status", "steps", "inputs", "outputs", "logs", "url", "path", "command"]
)
SHAPED = st.dictionaries(FIELDS, JSON | st.lists(st.dictionaries(FIELDS, JSON), max_size=2)).map(
    lambda found: {"version": taskspec.VERSION, **found}
)


@SAME
@given(SHAPED.map(json.dumps) | JSON.map(json.dumps) | TEXT)
def test_a_description_is_read_whole_or_refused(text):
    for read in (taskspec.load_taskspec, taskspec.load_status):
        try:
            found = read(text)
        except TaskSpecError as error:
            assert str(error)
        else:
            assert read(taskspec.dumps(found)) == found


@SAME
@given(JSON.map(json.dumps) | SHAPED.map(json.dumps) | TEXT | st.binary(max_size=40))
def test_json_of_others_is_what_any_file_can_hold_or_refused(content):
    try:
        found = strict_json.loads(content)
    except StrictJsonError as error:
        assert str(error)
        return
    again = json.dumps(found, ensure_ascii=False, allow_nan=False)
    assert strict_json.loads(again.encode()) == found
    with closing(sqlite3.connect(":memory:")) as connection:
        for cell in (stored(found), stored({"a": found})):
            assert connection.execute("SELECT ?", (cell,)).fetchone() == (cell,)


MARK = {
    "run_id": st.just("r") | TEXT,
    "host": TEXT,
    "pid": st.integers(1, 9) | JSON,
    "process_started": st.floats(0, 9) | JSON,
    "started": st.floats(0, 9) | JSON,
    "user": st.just("jdoe") | TEXT,
    "folder": TEXT,
    "work_prefix": st.just("s3://b/w/") | TEXT,
}


@SAME
@given(st.fixed_dictionaries(MARK))
def test_a_mark_is_of_its_own_key_or_none(raw):
    try:
        mark = run_marker.read(json.dumps(raw).encode(), "r", "s3://b/w/", 0.0)
    except ValueError as error:
        assert str(error)
        return
    assert (mark.run_id, mark.work_prefix) == ("r", "s3://b/w/")
    assert NAME.fullmatch(naming.job_name_head(mark.user))
    assert mark.is_over in (True, False)


@SAME
@given(TEXT)
def test_the_owner_of_a_lock_is_a_process_or_nobody(text):
    found = locks.owner("#hutchbatch " + text)
    assert found is None or found.pid > 0


@SAME
@given(TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=3), TEXT)
def test_a_description_comes_back_as_it_went(name, files, command):
    text = "".join(c for c in name + command if c != "\0" and not "\ud800" <= c <= "\udfff")
    inputs = tuple(taskspec.Input(path=f"in/{n}", url=f"s3://b/{n}") for n, _ in enumerate(files))
    spec = taskspec.TaskSpec(text, "s3://b/s/", (taskspec.Step(text, text),), inputs=inputs)
    back = taskspec.load_taskspec(taskspec.dumps(spec))
    assert asdict(back) == asdict(spec)


@pytest.mark.parametrize("name", sorted(SETTINGS))
@settings(SAME, max_examples=25)
@given(value=TEXT | st.integers() | st.floats() | st.booleans() | st.lists(TEXT, max_size=3))
def test_a_setting_is_understood_or_answered_with_a_sentence(name, value):
    try:
        SETTINGS[name].parse(value)
    except SettingError as error:
        assert str(error)
        assert "\n" not in str(error).strip()


@SAME
@given(TEXT)
def test_an_image_or_role_that_is_taken_has_no_space_and_no_quote(text):
    for name in ("image", "job_role", "queue", "user", "region"):
        try:
            found = SETTINGS[name].parse(text)
        except SettingError:
            continue
        assert not re.search(r"\s", "".join(found) if isinstance(found, tuple) else str(found))
