"""Statuses in S3, read with few calls, whoever stored them, and whatever S3 answers."""

import datetime
import io
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from aws_doubles import Time, refused, retrier

from snakemake_executor_plugin_hutchbatch.settlement.stored_statuses import (
    Attempt,
    StoredStatus,
    StoredStatuses,
)
from snakemake_executor_plugin_hutchbatch.supervisor import status_names
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Status, dumps, status_url

PREFIX = "s3://b/.hutchbatch/runs/r/status/"
PARENT = "11111111-2222-3333-4444-555555555555"
NOON = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC)


class Bucket:
    """S3 with one bucket, as far as statuses need it. ``denied``, ``broken``: operations that are
    answered so."""

    def __init__(self):
        self.objects = {}
        self.calls = Counter()
        self.keys_listed = 0
        self.denied, self.broken = set(), set()

    def put(self, url, status, stored=NOON):
        self.objects[url.removeprefix("s3://b/")] = (dumps(status).encode(), stored)

    def _begin(self, operation):
        self.calls[operation] += 1
        if operation in self.denied:
            raise refused("AccessDenied", 403)
        if operation in self.broken:
            raise refused("InternalError", 400)

    def list_objects_v2(self, Bucket, Prefix, StartAfter, MaxKeys):
        self._begin("list")
        keys = sorted(k for k in self.objects if k.startswith(Prefix) and k > StartAfter)
        page = keys[: min(MaxKeys, 1000)]
        self.keys_listed += len(page)
        contents = [{"Key": key, "LastModified": self.objects[key][1]} for key in page]
        return {"Contents": contents, "IsTruncated": len(page) < len(keys)}

    def get_object(self, Bucket, Key):
        self._begin("get")
        if Key not in self.objects:
            raise refused("NoSuchKey", 404)
        content, stored = self.objects[Key]
        return {"Body": io.BytesIO(content), "LastModified": stored}


@pytest.fixture
def bucket():
    return Bucket()


@pytest.fixture
def statuses(bucket):
    with ThreadPoolExecutor(4) as pool:
        yield StoredStatuses(bucket, retrier(Time(), []), pool)


def done(child, attempt=1):
    seconds = {"run": float(child)}
    return Status(f"{PARENT}:{child}", attempt, "done", 0, seconds=seconds, instance_id="i-1")


def failed(child, attempt=1):
    return replace(done(child, attempt), exit_code=1, cause="COMMAND", phase="run")


def of(status):
    return Attempt(status.job_id, status.attempt, PREFIX)


def store(bucket, status, listed=True):
    bucket.put(status_names.url(PREFIX, status, listed), status)
    return status


def test_a_thousand_children_are_read_with_one_call(bucket, statuses):
    all_of_them = [store(bucket, done(n)) for n in range(1000)]
    statuses.foresee([of(status) for status in reversed(all_of_them)])
    assert [statuses.read(of(status)).status for status in all_of_them] == all_of_them
    assert bucket.calls.total() <= 2


def test_only_the_range_of_those_that_ended_is_listed(bucket, statuses):
    everything = [store(bucket, done(n)) for n in range(5000)]
    wanted = everything[3000:3040] + everything[3100:3120] + everything[4500:4501]
    statuses.foresee([of(status) for status in wanted])
    assert [statuses.read(of(status)).status for status in wanted] == wanted
    assert bucket.calls == {"list": 2}
    assert bucket.keys_listed < 200


def test_more_children_than_a_page_holds_take_more_pages(bucket, statuses):
    everything = [store(bucket, done(n, attempt)) for n in range(1500) for attempt in (1, 2)]
    statuses.foresee([of(status) for status in everything])
    assert all(statuses.read(of(status)).status == status for status in everything)
    assert bucket.calls == {"list": 3}


def test_failures_and_jobs_without_a_number_are_fetched_and_the_others_are_not(bucket, statuses):
    single = replace(done(0), job_id="22222222")
    expected = [store(bucket, s) for s in (done(0), failed(1), done(2), single)]
    statuses.foresee([of(status) for status in expected])
    assert [statuses.read(of(status)).status for status in expected] == expected
    assert bucket.calls == {"list": 1, "get": 2}


class Singles:
    """Single jobs of one run, numbered as they are stored."""

    def __init__(self, bucket):
        self.bucket = bucket

    def store(self, number, attempt=1, job=None, listed=True, **changed):
        """The status that a job stores, and how it is asked for."""
        job_id = job or f"{number:08d}-2222-3333-4444-555555555555"
        status = replace(done(number, attempt), job_id=job_id, **changed)
        self.bucket.put(status_names.url(PREFIX, status, listed, number), status)
        return status, Attempt(job_id, attempt, PREFIX, number)


@pytest.fixture
def singles(bucket):
    return Singles(bucket)


def read_all(statuses, expected):
    statuses.foresee([attempt for _, attempt in expected])
    assert [statuses.read(attempt).status for _, attempt in expected] == [s for s, _ in expected]


def test_single_jobs_that_ended_together_are_read_with_one_call(bucket, statuses, singles):
    everything = [singles.store(number) for number in range(3000)]
    read_all(statuses, everything[1500:2000:5])
    assert bucket.calls == {"list": 1}
    assert bucket.keys_listed < 600


def test_of_single_jobs_failures_and_what_earlier_versions_stored_are_fetched(
    bucket, statuses, singles
):
    failure = {"exit_code": 1, "cause": "COMMAND", "phase": "run"}
    expected = [
        singles.store(0),
        singles.store(1, **failure),
        singles.store(2, listed=False),
        singles.store(3),
        singles.store(4, attempt=2),
    ]
    singles.store(4, **failure)
    read_all(statuses, expected)
    assert bucket.calls == {"list": 1, "get": 2}


def test_single_jobs_and_children_are_told_apart(bucket, statuses, singles):
    child = store(bucket, done(7))
    read_all(statuses, [singles.store(7), (child, of(child)), singles.store(8)])
    assert bucket.calls == {"list": 2}


def test_jobs_to_which_two_controllers_gave_one_number_are_told_apart(bucket, statuses, singles):
    first, second = "aaaaaaaa-2222", "bbbbbbbb-2222"
    expected = [singles.store(5, job=first), singles.store(5, job=second, files_in=9)]
    read_all(statuses, expected)
    assert bucket.calls == {"list": 1}
    nobody = Attempt("cccccccc-2222", 1, PREFIX, 5)
    assert statuses.read(nobody) == StoredStatus(None)


def test_a_single_jobs_late_status_is_found_when_it_is_asked_for_again(statuses, singles):
    attempt = Attempt("00000003-2222-3333-4444-555555555555", 1, PREFIX, 3)
    statuses.foresee([attempt])
    assert statuses.read(attempt) == StoredStatus(None)
    status, _ = singles.store(3)
    assert statuses.read(attempt).status == status


def test_who_may_not_list_fetches_single_jobs(bucket, statuses, singles):
    bucket.denied = {"list"}
    expected = [singles.store(number, listed=False) for number in range(3)]
    for _ in range(2):
        read_all(statuses, expected)
    assert bucket.calls == {"list": 1, "get": 6}


def test_what_earlier_versions_stored_is_read(bucket, statuses):
    expected = [store(bucket, s, listed=False) for s in (done(0), failed(1))]
    statuses.foresee([of(status) for status in expected])
    assert [statuses.read(of(status)).status for status in expected] == expected


def test_who_may_not_list_reads_them_one_by_one_and_asks_for_a_list_once(bucket, statuses):
    bucket.denied = {"list"}
    expected = [store(bucket, done(n), listed=False) for n in range(5)]
    for _ in range(3):
        statuses.foresee([of(status) for status in expected])
        assert [statuses.read(of(status)).status for status in expected] == expected
    assert bucket.calls == {"list": 1, "get": 15}


def test_of_several_attempts_the_one_that_is_asked_for_counts(bucket, statuses):
    first, second = store(bucket, failed(7)), store(bucket, done(7, 2))
    statuses.foresee([of(first)])
    assert statuses.read(of(first)).status == first
    # AWS Batch's description said so meanwhile: the same listing has shown it already.
    assert statuses.read(of(second)).status == second
    assert bucket.calls == {"list": 1, "get": 1}


def test_a_status_that_comes_late_is_found_when_it_is_asked_for_again(bucket, statuses):
    statuses.foresee([of(done(3)), of(done(4))])
    assert statuses.read(of(done(3))) == StoredStatus(None)
    store(bucket, done(3))
    assert statuses.read(of(done(3))).status == done(3)


def test_a_name_in_an_unknown_form_leads_to_its_object(bucket, statuses):
    folder = status_names.folder(PREFIX, PARENT)
    bucket.put(f"{folder}000003.1.9newer.json", done(3))
    statuses.foresee([of(done(3))])
    assert statuses.read(of(done(3))).status == done(3)


def test_of_two_objects_for_one_attempt_the_later_counts(bucket, statuses):
    later = replace(done(3), files_in=5)
    for status, stored in ((later, NOON), (done(3), NOON - datetime.timedelta(seconds=5))):
        bucket.put(status_names.url(PREFIX, status, listed=True), status, stored)
    statuses.foresee([of(later)])
    assert statuses.read(of(later)).status == later


def test_strangers_objects_do_not_hide_statuses(bucket, statuses):
    folder = status_names.folder(PREFIX, PARENT)
    for name in ("a", "000003", "000003.1", "000003.1.json/x", "0000031.json", "000003.x.json"):
        bucket.put(folder + name, failed(3))
    store(bucket, done(3))
    statuses.foresee([of(done(3))])
    assert statuses.read(of(done(3))).status == done(3)


def test_a_listing_that_fails_is_not_followed_by_a_question_for_each_job(bucket, statuses):
    expected = [store(bucket, done(n)) for n in range(50)]
    bucket.broken = {"list"}
    statuses.foresee([of(status) for status in expected])
    assert bucket.calls == {"list": 1}
    bucket.broken = set()
    assert statuses.read(of(expected[7])).status == expected[7]


def test_no_object_and_none_that_may_be_read_are_told_apart(bucket, statuses):
    statuses.foresee([of(done(1))])
    assert statuses.read(of(done(1))) == StoredStatus(None)
    bucket.put(status_url(PREFIX, "33333333", 1), done(1))
    bucket.denied = {"get"}
    assert statuses.read(Attempt("33333333", 1, PREFIX)) == StoredStatus(None, unreadable=True)
