"""Jobs that are sent again: their descriptions are read from S3, where somebody may have changed
them since."""

import datetime
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from aws_doubles import Time, retrier
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.planning import arrays
from snakemake_executor_plugin_hutchbatch.planning.work import (
    History,
    StoredWork,
    TaskLocation,
    Work,
)
from snakemake_executor_plugin_hutchbatch.submission.sender import Sender

TEXTS = [b'{"name":"a"}', b'{"name":"bb"}', b'{"name":"c"}']
ARRAY, SIZE, ROOT = arrays.joined(TEXTS)
BEGUN = datetime.datetime(2026, 11, 27, tzinfo=datetime.UTC)


class S3:
    def __init__(self, **objects):
        self.objects = objects

    def get_object(self, Bucket, Key, Range=None):
        body = self.objects[Key]
        if Range:
            start, _, end = Range.removeprefix("bytes=").partition("-")
            body = body[int(start) : int(end) + 1]
        return {"Body": io.BytesIO(body)}


def pending(number, place):
    work = Work(None, number, "a", f"jdoe-a-{number}", "", PLAN, History(), (), "s3://b/s/")
    return work.stored(place, BEGUN)


def child(number):
    return pending(number, TaskLocation("s3://b/array", ROOT, SIZE, number))


@pytest.fixture
def divided():
    """The families that parcels are sent in, as numbers of works and their tasks."""
    with ThreadPoolExecutor(1) as pool:

        def divide(family, **objects):
            context = SimpleNamespace(clients=SimpleNamespace(s3=S3(**objects)))
            sender = Sender(context, None, None, retrier(Time(), []), None, None, pool, None, None)
            return [
                [(part.number, None)]
                if isinstance(part, StoredWork)
                else [(pending.work.number, pending.task) for pending in part]
                for part in sender.divided(family)
            ]

        yield divide


def test_what_is_as_it_was_is_sent_again_together(divided):
    single = pending(9, TaskLocation("s3://b/one", hashlib.sha256(b"{}").hexdigest()))
    family = [child(0), child(2), single]
    found = divided(family, array=ARRAY, one=b"{}")
    assert found == [[(0, TEXTS[0]), (2, TEXTS[2]), (9, b"{}")]]


def test_what_was_changed_is_not_taken_over_and_goes_by_itself_to_be_refused(divided):
    swapped = ARRAY[SIZE:] + ARRAY[:SIZE]
    assert divided([child(0), child(1)], array=swapped) == [[(0, None)], [(1, None)]]
    single = pending(9, TaskLocation("s3://b/one", hashlib.sha256(b"{}").hexdigest()))
    family = [child(0), single, child(1)]
    found = divided(family, array=ARRAY, one=b'{"evil":1}')
    assert found == [[(0, TEXTS[0]), (1, TEXTS[1])], [(9, None)]]
