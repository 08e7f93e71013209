"""Locks are kept in S3: the first one counts, as long as it can be used."""

import os
from dataclasses import replace

import pytest
from aws_doubles import Time, retrier

from snakemake_executor_plugin_hutchbatch.software.conda import lock as locks
from snakemake_executor_plugin_hutchbatch.software.conda.description import Description, Pin
from snakemake_executor_plugin_hutchbatch.software.conda.lock import LockedPackage
from snakemake_executor_plugin_hutchbatch.software.conda.lock_store import LockStore, usable

URL = "https://conda.anaconda.org/bioconda/linux-64/bwa-{}-h1_0.conda"
DESCRIPTION = Description(
    "envs/a.yaml",
    ("https://conda.anaconda.org/bioconda",),
    ("bwa",),
    pip=("a==1",),
    variables={"A": "1"},
)


def lock(version="1.0", description=DESCRIPTION, md5="a" * 32):
    package = LockedPackage(URL.format(version), "bwa", version, "h1_0", md5=md5)
    return locks.made(
        description.name,
        (package,),
        description.pip,
        description.post_deploy,
        description.variables,
    )


@pytest.fixture
def store(workflow):
    prefix = f"{workflow.prefix}/.hutchbatch/"
    return LockStore(workflow.client("s3"), prefix, retrier(Time(), []))


@pytest.fixture
def file(workflow):
    """Where the lock of the description is."""
    return workflow.stored / f".hutchbatch/conda/locks/{DESCRIPTION.digest}.json"


def test_what_is_stored_is_found_under_each_environments_own_name(store):
    assert store.find(DESCRIPTION) is None
    assert store.store(DESCRIPTION, lock()) == lock()
    assert store.find(DESCRIPTION) == lock()
    other = replace(DESCRIPTION, name="other/b.yml")
    assert store.find(other) == replace(lock(), name="other/b.yml")
    assert store.find(replace(DESCRIPTION, specs=("bwa=2",))) is None


def test_the_first_lock_wins(store):
    store.store(DESCRIPTION, lock("1.0"))
    assert store.store(DESCRIPTION, lock("2.0")) == lock("1.0")
    assert store.find(DESCRIPTION) == lock("1.0")


def test_the_first_lock_wins_also_of_two_that_come_at_once(store, monkeypatch):
    read = store._read

    def read_before_the_other(description):
        monkeypatch.setattr(store, "_read", read)
        found = read(description)
        store.store(description, lock("1.0"))
        return found

    monkeypatch.setattr(store, "_read", read_before_the_other)
    assert store.store(DESCRIPTION, lock("2.0")) == lock("1.0")


def test_an_update_replaces_it(store):
    store.store(DESCRIPTION, lock("1.0"))
    assert store.store(DESCRIPTION, lock("2.0"), instead=True) == lock("2.0")
    assert store.find(DESCRIPTION) == lock("2.0")


def test_of_two_updates_at_once_one_counts_for_both(store, monkeypatch):
    store.store(DESCRIPTION, lock("1.0"))
    read = store._read

    def read_before_the_other(description):
        monkeypatch.setattr(store, "_read", read)
        found = read(description)
        store.store(description, lock("2.0"), instead=True)
        return found

    monkeypatch.setattr(store, "_read", read_before_the_other)
    assert store.store(DESCRIPTION, lock("3.0"), instead=True) == lock("2.0")


@pytest.mark.parametrize(("age", "kept"), [(60.0, True), (-1.0, False)])
def test_a_lock_that_is_used_does_not_grow_old(workflow, store, file, age, kept):
    store.store(DESCRIPTION, lock())
    content = file.read_bytes()
    os.utime(file, (1.0, 1.0))
    prefix = f"{workflow.prefix}/.hutchbatch/"
    later = LockStore(workflow.client("s3"), prefix, retrier(Time(), []), refresh_after=age)
    assert later.find(DESCRIPTION) == lock()
    assert (file.stat().st_mtime == 1.0) is kept
    assert file.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"{}", b" " * 8_000_001])
def test_what_cannot_be_used_is_replaced(workflow, store, file, content):
    key = str(file.relative_to(workflow.cloud.bucket_dir))
    workflow.client("s3").put_object(Bucket="hutchbatch", Key=key, Body=content)
    assert store.find(DESCRIPTION) is None
    assert store.store(DESCRIPTION, lock()) == lock()
    assert store.find(DESCRIPTION) == lock()


def test_a_lock_must_agree_with_the_files():
    def agrees(found, description=DESCRIPTION):
        return usable(locks.dumps(found), description) is not None

    assert agrees(lock())
    assert not agrees(replace(lock(), pip=("b",)))
    assert not agrees(replace(lock(), variables={}))
    assert not agrees(replace(lock(), post_deploy="rm -rf ~"))
    pinned = Description("a", pins=(Pin(URL.format("1.0"), md5="a" * 32),))
    assert agrees(lock("1.0", pinned), pinned)
    assert not agrees(lock("2.0", pinned), pinned)
    assert not agrees(lock("1.0", pinned, md5="b" * 32), pinned)
    assert not agrees(locks.made("a", ()), pinned)
