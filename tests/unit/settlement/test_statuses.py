"""What a supervisor's status may say: everything else counts as no status."""

import datetime
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest
from aws_doubles import Time, retrier
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.planning.work import History, SentWork
from snakemake_executor_plugin_hutchbatch.settlement.evidence import Endings
from snakemake_executor_plugin_hutchbatch.supervisor.errors import MOST_WORDS, words
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Facts
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    STATUS_BYTES,
    Status,
    TaskSpecError,
    dumps,
    load_status,
)
from snakemake_executor_plugin_hutchbatch.tracking.news import Ended

GOOD = Status("id:3", 1, "run", 7, "COMMAND", "exited", seconds={"run": 1.5}, bytes_in=2**40)


def changed(**fields):
    return json.dumps({**json.loads(dumps(GOOD)), **fields})


BAD = {
    "empty": "",
    "huge": changed(bytes_in=2**70),
    "negative": changed(bytes_out=-1),
    "infinite": changed().replace('"exit_code": 7', '"exit_code": 1e999'),
    "no exit code": changed(exit_code=256),
    "float": changed(exit_code=7.0),
    "bool": changed(attempt=True),
    "nan": changed().replace("1.5", "NaN"),
    "late": changed().replace("1.5", "1e999"),
    "text": changed(seconds={"run": "1.5"}),
    "negative seconds": changed(seconds={"run": -1.5}),
    "deep": changed(step=[]).replace("[]", "[" * 10_000 + "]" * 10_000),
    "million digits": changed().replace('"exit_code": 7', '"exit_code": ' + "7" * 60_000),
    "lone surrogate": changed(step="\ud800"),
    "zero": changed(step="a\0b"),
    "twice": changed().replace("{", '{"exit_code": 0, ', 1),
    "long": changed(step="x" * STATUS_BYTES),
    "unknown": changed(more=1),
    "version": changed(version=2),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_no_container_says_is_no_status(text):
    with pytest.raises(TaskSpecError):
        load_status(text)


def test_a_status_comes_back_as_it_went():
    assert load_status(dumps(GOOD)) == GOOD


def test_somebody_elses_words_are_unicode_and_of_a_length_that_is_read_back():
    long = words("caf\udce9 \ud800 " + "é" * 100_000)
    assert long.startswith("caf\\xe9 \\ud800 é")
    assert len(long) == MOST_WORDS
    status = replace(GOOD, facts=Facts(words=long))
    assert load_status(dumps(status).encode().decode()).facts.words == long


class S3:
    """Has one status, wherever it is looked for, and none in a name."""

    def __init__(self, content):
        self.content = content

    def list_objects_v2(self, **_):
        return {}

    def get_object(self, Bucket, Key):
        return {
            "Body": io.BytesIO(self.content),
            "LastModified": datetime.datetime.now(datetime.UTC),
            "ContentLength": len(self.content),
        }


def seen(content, job_id="id:3"):
    """What the controller makes of a job whose status is ``content``."""
    job = {"status": "FAILED", "container": {"exitCode": 7}, "attempts": [{}]}
    with ThreadPoolExecutor(1) as pool:
        endings = Endings(SimpleNamespace(s3=S3(content)), pool, retrier(Time(), []))
        begun = datetime.datetime.now(datetime.UTC)
        work = SentWork(None, 1, "a", "a", "", PLAN, History(), (), "s3://b/status/", begun)
        ended = Ended(job_id, work, job)
        endings.foresee([ended])
        return endings.end(ended)


@pytest.mark.parametrize("text", [*BAD.values(), " " * 10 * STATUS_BYTES, "\xff"])
def test_a_bad_status_is_as_none_and_the_jobs_own_end_counts(text):
    found = seen(text.encode("utf-8", "surrogatepass"))
    assert found.status is None
    assert found.failure.exit_code == 7


def test_a_status_counts_for_its_own_job_and_attempt_alone():
    assert seen(dumps(GOOD).encode()).status == GOOD
    assert "exit code 7" in seen(dumps(GOOD).encode()).failure.sentence
    assert seen(dumps(GOOD).encode(), "id:4").status is None
    assert seen(changed(attempt=2).encode()).status is None
