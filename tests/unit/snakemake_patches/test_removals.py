"""Temporary files are removed together, and what that leaves one by one."""

import asyncio
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from snakemake_executor_plugin_hutchbatch.snakemake_patches import removals, s3_storage
from snakemake_executor_plugin_hutchbatch.storage import bulk_removal

WORKFLOW = SimpleNamespace(async_run=asyncio.run)


class S3:
    """Refuses ``busy`` keys; all of them where it does not know the call."""

    def __init__(self, *busy, knows=True):
        self.busy, self.knows, self.calls = busy, knows, []
        self.meta = SimpleNamespace(client=self)

    def delete_objects(self, Bucket, Delete):
        if not self.knows:
            raise ClientError({"Error": {"Code": "MissingContentMD5"}}, "DeleteObjects")
        keys = [each["Key"] for each in Delete["Objects"]]
        self.calls.append((Bucket, keys))
        return {"Errors": [{"Key": key, "Code": "SlowDown"} for key in keys if key in self.busy]}


class Stored:
    def __init__(self, s3, key, bucket="b", directory=False):
        self.provider, self.bucket, self.key = SimpleNamespace(s3c=s3), bucket, key
        self.directory, self.removed = directory, False

    def is_dir(self):
        return self.directory

    async def managed_remove(self):
        self.removed = True


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    urls = []
    known = SimpleNamespace(forget=urls.extend)
    monkeypatch.setattr(s3_storage, "inventory", lambda _: known)
    return urls


def removed_in_a_round(files):
    with removals.together(WORKFLOW):
        assert all(map(removals.takes, files))
    return [file.key for file in files if file.removed]


def test_a_rounds_files_go_in_one_call_for_each_bucket_and_are_forgotten(forgotten):
    s3 = S3()
    files = [*(Stored(s3, key) for key in "abc"), *(Stored(s3, key, "c") for key in "de")]
    assert removed_in_a_round(files) == []
    assert s3.calls == [("b", ["a", "b", "c"]), ("c", ["d", "e"])]
    assert sorted(forgotten) == [f"s3://{place}" for place in ("b/a", "b/b", "b/c", "c/d", "c/e")]


def test_what_s3_did_not_remove_is_removed_by_itself(forgotten):
    s3 = S3("b")
    assert removed_in_a_round([Stored(s3, key) for key in "abc"]) == ["b"]
    assert sorted(forgotten) == ["s3://b/a", "s3://b/c"]


@pytest.mark.parametrize(("knows", "keys"), [(False, "abc"), (True, "a")])
def test_files_go_one_by_one_where_the_call_is_unknown_or_not_worth_it(knows, keys):
    s3 = S3(knows=knows)
    assert removed_in_a_round([Stored(s3, key) for key in keys]) == list(keys)
    assert s3.calls == []


def test_directories_and_what_is_removed_outside_a_round_are_not_taken():
    assert not removals.takes(Stored(S3(), "a"))
    with removals.together(WORKFLOW):
        assert not removals.takes(Stored(S3(), "a", directory=True))
    assert not removals.takes(Stored(S3(), "a"))


def test_what_was_taken_before_an_error_is_removed():
    s3 = S3()
    with pytest.raises(ValueError), removals.together(WORKFLOW):
        for key in "ab":
            assert removals.takes(Stored(s3, key))
        raise ValueError
    assert s3.calls == [("b", ["a", "b"])]
    assert not removals.takes(Stored(s3, "c"))


def test_a_call_takes_a_thousand_keys():
    s3 = S3()
    assert bulk_removal.remove(s3, "b", list(map(str, range(2500)))) == []
    assert [len(keys) for _, keys in s3.calls] == [1000, 1000, 500]
