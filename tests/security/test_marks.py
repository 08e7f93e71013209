"""Marks of runs in S3, which everybody can write who may write the work prefix: whatever is
there, the others are found, and nothing of another run is removed."""

import json
import tracemalloc
from dataclasses import asdict, replace

import boto3
import pytest
from botocore.exceptions import ClientError

from snakemake_executor_plugin_hutchbatch.aws.retry import Retrier
from snakemake_executor_plugin_hutchbatch.record import controllers
from snakemake_executor_plugin_hutchbatch.record.schema import Run
from snakemake_executor_plugin_hutchbatch.recovery import run_marker
from snakemake_executor_plugin_hutchbatch.recovery.run_marker import MARK_BYTES, Presence
from snakemake_executor_plugin_hutchbatch.storage import small_objects
from snakemake_executor_plugin_hutchbatch.storage.small_objects import TooLarge

BUCKET = "hutchbatch"
ID = "20261127-023000-0123ab"


@pytest.fixture
def s3(cloud):
    given = cloud.environment
    return boto3.client(
        "s3",
        region_name=given["AWS_REGION"],
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=given["AWS_ENDPOINT_URL_S3"],
    )


@pytest.fixture
def place(request):
    return f"s3://{BUCKET}/{request.node.name.replace('[', '-').rstrip(']')[:80]}/"


def run(place, run_id=ID, **changes):
    me = controllers.this()
    return replace(
        Run(run_id, 1000.0, "jdoe", "", me.host, me.pid, me.started, work_prefix=place), **changes
    )


def dead(place, run_id):
    """A run of a process that has never been."""
    return run(place, run_id, process_started=1.0)


class Place:
    """Marks below a work prefix, and a run that looks at them."""

    def __init__(self, s3, place):
        self.s3, self.place, self.said = s3, place, []
        self.own = self.of(run(place, "own-run"))

    def of(self, run):
        return Presence(self.s3, run, Retrier(self.said.append), self.said.append)

    def put(self, name, content):
        key = f"{self.place}open/{name}".removeprefix(f"s3://{BUCKET}/")
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)

    def sign(self, run):
        self.of(run).sign(0.0)

    def keys(self):
        prefix = self.place.removeprefix(f"s3://{BUCKET}/") + "open/"
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {item["Key"].removeprefix(prefix) for item in listed}

    def others(self):
        return sorted(mark.run_id for mark in self.own.others())


@pytest.fixture
def marks(s3, place):
    return Place(s3, place)


GOOD = {
    "run_id": ID,
    "host": "host",
    "pid": 5,
    "process_started": 1.0,
    "started": 2.0,
    "user": "jdoe",
    "folder": "/x",
    "work_prefix": "s3://b/w/",
}


def changed(**changes):
    return json.dumps({**GOOD, **changes})


BAD = {
    "empty": "",
    "list": "[]",
    "nothing": "{}",
    "infinite": changed().replace('"pid": 5', '"pid": 1e999'),
    "nan": changed().replace('"started": 2.0', '"started": NaN'),
    "huge": changed(pid=2**70),
    "a million digits": changed().replace('"pid": 5', '"pid": ' + "9" * 20_000),
    "negative": changed(pid=-1),
    "zero": changed(pid=0),
    "bool": changed(pid=True),
    "text": changed(pid="5"),
    "late": changed(started=1e300),
    "lone surrogate": changed(folder="\udce9"),
    "twice": changed().replace("{", '{"pid": 7, ', 1),
    "deep": "[" * 15_000 + "]" * 15_000,
    "deep inside": changed(folder=json.loads("[" * 30 + "]" * 30)),
    "no user": changed(user="*"),
    "another run's": changed(run_id="20261127-023000-ffffff"),
    "another place's": changed(work_prefix="s3://elsewhere/"),
    "lacks one": json.dumps({k: v for k, v in GOOD.items() if k != "host"}),
    "not text": b"\xff\xfe",
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_no_mark_of_its_key_is_none(content):
    content = content if isinstance(content, bytes) else content.encode()
    with pytest.raises(ValueError, match=r"."):
        run_marker.read(content, ID, "s3://b/w/", 0.0)


def test_a_mark_of_a_later_version_with_more_in_it_is_one():
    found = run_marker.read(changed(more={"a": 1}).encode(), ID, "s3://b/w/", 3.0)
    assert (found.run_id, found.pid, found.user, found.silent) == (ID, 5, "jdoe", 3.0)


def test_bad_marks_hide_no_good_one_are_reported_and_stay(marks):
    marks.sign(dead(marks.place, "good-1"))
    for number, content in enumerate(BAD.values()):
        marks.put(f"bad-{number}.json", content)
    marks.put("bad-folder/x.json", "{}")
    marks.put("no-mark.txt", "{}")
    marks.sign(dead(marks.place, "good-2"))
    before = marks.keys()
    assert marks.others() == ["good-1", "good-2"]
    (line,) = marks.said
    assert f"{len(BAD)} objects in {marks.place}open/ are not markers" in line
    assert marks.keys() == before


def test_a_mark_that_vanishes_while_it_is_read_hides_no_other(marks, s3):
    for name in ("good-1", "gone", "good-2"):
        marks.sign(dead(marks.place, name))

    def vanish(params, **_):
        if params["Key"].endswith("gone.json"):
            s3.delete_object(Bucket=params["Bucket"], Key=params["Key"])

    s3.meta.events.register("provide-client-params.s3.GetObject", vanish)
    assert marks.others() == ["good-1", "good-2"]
    assert marks.said == []


def test_a_large_mark_is_not_taken_into_memory(marks):
    marks.put("large.json", b" " * (64 * 2**20))
    marks.sign(dead(marks.place, "good"))
    marks.others()
    tracemalloc.start()
    assert marks.others() == ["good"]
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()


class Endless:
    """An answer that announces little and never ends."""

    given = 0

    def get_object(self, **_):
        return {"Body": self, "ContentLength": 10}

    def read(self, most):
        self.given += most
        return b"x" * most

    def close(self):
        pass


def test_an_answer_that_is_longer_than_it_said_ends():
    s3 = Endless()
    with pytest.raises(TooLarge):
        small_objects.read(s3, "s3://b/k", MARK_BYTES)
    assert s3.given == MARK_BYTES + 1


def test_only_a_dead_runs_own_mark_is_removed(marks):
    living, gone = run(marks.place, "living"), dead(marks.place, "gone")
    marks.sign(living)
    marks.sign(gone)
    marks.put("claims.json", json.dumps({**asdict_of(gone), "run_id": "living"}))
    marks.put("garbage.json", "{")
    for removed in (
        # What a record or a mark may say of a run that lives, or of one that is not there.
        dead(marks.place, "living"),
        living,
        dead(marks.place, "claims"),
        dead(marks.place, "garbage"),
        dead(marks.place, "../open/living"),
        dead(marks.place, "nowhere"),
    ):
        marks.own.remove(removed)
    assert marks.keys() == {"living.json", "gone.json", "claims.json", "garbage.json"}
    marks.own.remove(gone, silent=60)  # signed just now
    left = marks.keys()
    assert "gone.json" in left
    marks.own.remove(gone)
    assert marks.keys() == {"living.json", "claims.json", "garbage.json"}


def asdict_of(run):
    names = GOOD.keys()
    return {name: value for name, value in asdict(run).items() if name in names}


def test_a_folder_whose_name_is_not_unicode_makes_a_good_mark(marks):
    marks.sign(run(marks.place, "good", folder="/caf\udce9"))
    (mark,) = marks.own.others()
    assert mark.folder == "/caf\\xe9"


def test_a_place_that_may_not_be_listed_is_reported(marks, s3):
    def refuse(**_):
        s3.meta.events.unregister("before-call.s3.ListObjectsV2", refuse)
        answer = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(answer, "ListObjectsV2")

    s3.meta.events.register("before-call.s3.ListObjectsV2", refuse)
    assert marks.others() == []
    (line,) = marks.said
    assert "jobs of a run that was killed in another folder" in line
