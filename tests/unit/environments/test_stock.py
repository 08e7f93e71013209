"""What is kept in S3 of environments, and what is old."""

import io
from dataclasses import replace

import pytest
from aws_doubles import Time, refused, retrier

from snakemake_executor_plugin_hutchbatch.environments import stock
from snakemake_executor_plugin_hutchbatch.environments.built import (
    FRESH_SECONDS,
    BuiltEnvironments,
)
from snakemake_executor_plugin_hutchbatch.environments.stock import StoredObject
from snakemake_executor_plugin_hutchbatch.software.conda import lock as locks
from snakemake_executor_plugin_hutchbatch.software.conda import pins
from snakemake_executor_plugin_hutchbatch.software.conda.lock import LockedPackage
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout
from snakemake_executor_plugin_hutchbatch.supervisor import conda_manifest
from snakemake_executor_plugin_hutchbatch.supervisor.conda_manifest import (
    CondaPackage,
    Manifest,
    Part,
)

PACKAGE = LockedPackage(
    "https://conda.anaconda.org/conda-forge/linux-64/tool-1.0-h1_0.conda",
    "tool",
    "1.0",
    "h1_0",
    sha256="a" * 64,
)
LOCK = locks.made("envs/a.yaml", (PACKAGE,))
DAY = 86400.0


def stored(key, at, *names):
    return [StoredObject(f"w/conda/envs/{key}/{name}", 10, at) for name in names]


def test_environments_are_listed_with_their_names_and_last_use_first():
    broken = "b" * 32
    objects = [
        *stored(LOCK.key, 100, "1.tar.gz", "manifest.json", "2.tar.gz"),
        *stored(broken, 200, "1.tar.gz"),
        StoredObject("w/conda/envs/other.txt", 1, 1),
    ]
    found = stock.stocked(objects, [LOCK, replace(LOCK, name="envs/again.yaml")], "w/conda/envs/")
    assert [each.key for each in found] == [broken, LOCK.key]
    assert found[1].names == ("envs/a.yaml", "envs/again.yaml")
    assert (found[1].packages, found[1].size, found[1].whole) == (1, 30, True)
    assert found[1].objects[0].endswith("/manifest.json")
    assert (found[0].names, found[0].packages, found[0].whole) == ((), None, False)


def test_what_is_old_is_what_nobody_has_used():
    found = stock.stocked(
        [*stored("a" * 32, 10 * DAY, "manifest.json"), *stored("c" * 32, 1, "manifest.json")],
        [],
        "w/conda/envs/",
    )
    others = [StoredObject("w/conda/packages/x", 1, 1), StoredObject("w/conda/packages/y", 1, 1e9)]
    old, more = stock.old(found, others, 11 * DAY, 5)
    assert [each.key for each in old] == ["c" * 32]
    assert [each.key for each in more] == ["w/conda/packages/x"]


def test_a_lock_is_exported_as_a_pin_file_that_snakemake_reads():
    text = pins.explicit(locks.made("a", (PACKAGE, replace(PACKAGE, md5="b" * 32))[:1]))
    assert text.splitlines()[1:3] == ["# platform: linux-64", "@EXPLICIT"]
    assert text.splitlines()[3] == f"{PACKAGE.url}#sha256:{'a' * 64}"
    (pin,) = pins.parse(text)
    assert (pin.url, pin.sha256) == (PACKAGE.url, PACKAGE.sha256)


PART = Part("c" * 64 + ".tar.gz", "c" * 64, 10, 20)
MANIFEST = Manifest(
    "k" * 32,
    "/hutchbatch/0/x/content",
    20,
    (PART,),
    packages=(CondaPackage("tool", "1.0", "h1_0"),),
)


class S3:
    """Objects by key; ``age`` in seconds, of all of them."""

    def __init__(self, age=0.0, allowed=True):
        self.objects, self.copied = {}, []
        self.age, self.allowed = age, allowed

    def get_object(self, Bucket, Key):
        import datetime  # noqa: PLC0415

        if Key not in self.objects:
            raise refused("NoSuchKey", 404)
        now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        return {
            "Body": io.BytesIO(self.objects[Key]),
            "ContentLength": len(self.objects[Key]),
            "LastModified": now - datetime.timedelta(seconds=self.age),
            "ResponseMetadata": {"HTTPHeaders": {"date": "Thu, 01 Jan 2026 00:00:00 GMT"}},
        }

    def copy_object(self, Bucket, Key, CopySource, MetadataDirective):
        assert CopySource == {"Bucket": Bucket, "Key": Key}
        if not self.allowed:
            raise refused("AccessDenied", 403)
        if Key not in self.objects:
            raise refused("NoSuchKey", 404)
        self.copied.append(Key)


KEY = "0" * 32
FOLDER = f"w/conda/envs/{KEY}/"


@pytest.fixture
def kept():
    def make(s3, manifest=None, parts=True):
        whole = manifest or replace(MANIFEST, key=KEY)
        s3.objects[f"{FOLDER}manifest.json"] = conda_manifest.dumps(whole)
        if parts:
            s3.objects[f"{FOLDER}{PART.name}"] = b"x"
        return BuiltEnvironments(s3, WorkLayout("s3://b/w/"), retrier(Time(), []))

    return make


def test_an_environment_is_there_when_its_manifest_is(kept):
    s3 = S3()
    found = kept(s3).find(KEY)
    assert (found.key, found.size, found.packages) == (KEY, 20, 1)
    assert found.manifest == f"s3://b/{FOLDER}manifest.json"
    assert kept(s3).find("1" * 32) is None
    assert s3.copied == []


@pytest.mark.parametrize("manifest", [replace(MANIFEST, key="2" * 32), replace(MANIFEST, parts=())])
def test_a_manifest_of_another_environment_or_without_parts_is_none(kept, manifest):
    assert kept(S3(), manifest).find(KEY) is None


def test_what_is_used_is_renewed_the_manifest_last_and_no_more_than_once_a_day(kept):
    s3 = S3(age=FRESH_SECONDS + 1)
    environments = kept(s3)
    assert environments.find(KEY, keep=False)
    assert s3.copied == []
    assert environments.find(KEY)
    assert s3.copied == [f"{FOLDER}{PART.name}", f"{FOLDER}manifest.json"]


def test_an_environment_whose_parts_have_expired_is_built_again(kept):
    assert kept(S3(age=FRESH_SECONDS + 1), parts=False).find(KEY) is None


def test_who_may_not_renew_it_can_use_it(kept):
    assert kept(S3(age=FRESH_SECONDS + 1, allowed=False)).find(KEY)
