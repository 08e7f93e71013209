"""What may hold secrets is removed at a run's end, however many jobs had some."""

from aws_doubles import Time, retrier

from snakemake_executor_plugin_hutchbatch.storage.leavings import Leavings

RUN = "20261201-000000-abcdef"
BUSY = "work/runs/20261201-000000-abcdef/private/busy.json"


class S3:
    """A bucket with descriptions of jobs, one of which S3 is too busy to remove with others."""

    def __init__(self):
        folder = BUSY.rpartition("/")[0]
        self.keys = {BUSY, *(f"{folder}/{number}.json" for number in range(1500))}
        self.calls = []

    def get_paginator(self, _):
        return self

    def paginate(self, Bucket, Prefix):
        found = sorted(key for key in self.keys if key.startswith(Prefix))
        for start in range(0, len(found), 1000):
            yield {"Contents": [{"Key": key} for key in found[start : start + 1000]]}

    def delete_objects(self, Bucket, Delete):
        self.calls.append("DeleteObjects")
        self.keys -= {each["Key"] for each in Delete["Objects"]} - {BUSY}
        return {"Errors": [{"Key": BUSY}]} if {"Key": BUSY} in Delete["Objects"] else {}

    def delete_object(self, Bucket, Key):
        self.calls.append("DeleteObject")
        self.keys.discard(Key)


def test_descriptions_that_hold_secrets_go_a_thousand_at_once_and_none_stays():
    s3 = S3()
    assert Leavings(s3, "s3://b/work/", RUN, retrier(Time(), [])).remove(RUN) is None
    assert not s3.keys
    # The configuration, and what S3 was too busy for.
    assert sorted(s3.calls) == ["DeleteObject"] * 2 + ["DeleteObjects"] * 2
