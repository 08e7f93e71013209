"""What comes along with the jobs of a workflow, and when it is put into S3."""

import datetime
import importlib.metadata
import sys
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from snakemake_executor_plugin_hutchbatch.aws.retry import Retrier
from snakemake_executor_plugin_hutchbatch.software import (
    pack,
    pack_store,
    snakemake_packages,
    wheels,
)
from snakemake_executor_plugin_hutchbatch.software.installed import Package
from snakemake_executor_plugin_hutchbatch.software.snakemake_packages import (
    CannotCome,
    SnakemakePackages,
    selected,
    target,
    warning,
)

HERE = target("x86_64")


class Bucket:
    """S3, as far as one object goes."""

    def __init__(self):
        self.days, self.size, self.puts = None, 0, []

    def head_object(self, **_):
        if self.days is None:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")
        made = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=self.days)
        return {"LastModified": made, "ContentLength": self.size}

    def put_object(self, Bucket, Key, Body):
        self.puts.append(Key)
        self.size = len(Body)


@pytest.fixture
def workflow(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text("import yaml\nfrom tabulate import tabulate\n")
    return SimpleNamespace(
        included=[snakefile], storage_registry=SimpleNamespace(_storages={"s3": 1, "a-tag": 2})
    )


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """Packs nothing really; what it was asked for."""
    asked = []
    (tmp_path / "archive").write_bytes(b"x" * 10)

    def made(packages, wanted, whole=(), folder=None):
        asked.append(({package.name for package in packages}, wanted.machine))
        what = "core" if "snakemake" in asked[-1][0] else "own"
        return pack.Pack(tmp_path / "archive", f"{wanted.machine}-{what}", 99, "2.17")

    monkeypatch.setattr(pack, "made", made)
    monkeypatch.setattr(pack, "is_kept", lambda *_: False)
    return asked


@pytest.fixture
def bucket():
    return Bucket()


@pytest.fixture
def said():
    return []


@pytest.fixture
def packages(workflow, bucket, said):
    return SnakemakePackages(workflow, bucket, "s3://b/w/", Retrier(said.append), said.append)


def test_snakemake_its_plugins_and_what_the_snakefile_imports_come_along(workflow):
    chosen = selected(workflow, HERE)
    names = {package.name for package in chosen.core}
    assert {"snakemake", "snakemake-storage-plugin-s3", "boto3", "pyyaml", "tabulate"} <= names
    assert "snakemake-executor-plugin-hutchbatch" not in names
    assert "pytest" not in names
    # Snakemake needs them itself.
    assert chosen.imported == {"pyyaml", "tabulate"}
    assert chosen.own == chosen.staying == ()


def test_another_import_leaves_snakemake_s_archive_as_it_is(workflow, packages, packed, bucket):
    first = packages.needs({"x86_64"}, must=True)
    workflow.included[0].write_text("import yaml, pytest\n")
    later = SnakemakePackages(workflow, bucket, "s3://b/w/", Retrier(print), print)
    core, own = later.needs({"x86_64"}, must=True).packages
    assert first.packages == (core,)
    assert own.url == "s3://b/w/packages/x86_64-own.tar.gz"
    (before, _), (core_after, _), (imported, _) = packed
    assert before == core_after
    assert "pytest" in imported
    assert not imported & before


def test_archives_are_made_and_stored_once_for_each_processor(packages, packed, bucket, said):
    needs = packages.needs({"x86_64", "arm64"}, must=True)
    assert packages.needs({"x86_64", "arm64"}, must=False) == needs
    assert [machine for _, machine in packed] == ["aarch64", "x86_64"]
    assert [p.suffix for p in needs.packages] == [target("aarch64").suffix, HERE.suffix]
    assert needs.packages[1].url == "s3://b/w/packages/x86_64-core.tar.gz"
    assert needs.version == importlib.metadata.version("snakemake")
    assert needs.python == "{}.{}".format(*sys.version_info[:2])
    assert needs.modules == ("snakemake_storage_plugin_s3",)
    assert len(bucket.puts) == 2
    assert sum("This is done once" in text for text in said) == 2


@pytest.mark.parametrize(
    ("days", "size", "puts"), [(0, 10, 0), (2, 10, 1), (0, 9, 1), (None, 0, 1)]
)
def test_an_archive_is_stored_where_it_is_missing_or_may_soon_be(
    packages, packed, bucket, days, size, puts
):
    bucket.days, bucket.size = days, size
    packages.needs({"x86_64"}, must=True)
    assert len(bucket.puts) == puts


def test_without_snakemakes_own_packages_only_images_that_have_it_will_do(
    packages, said, monkeypatch
):
    def none(*_, **__):
        raise wheels.NoWheels("no wheel of psutil", [Package("psutil", "1", "fetched")])

    monkeypatch.setattr(pack, "made", none)
    monkeypatch.setattr(pack, "is_kept", lambda *_: True)
    assert packages.needs({"x86_64"}, must=False).packages == ()
    packages.needs({"x86_64"}, must=False)
    assert said == [
        "Snakemake does not come along with jobs: no wheel of psutil. Images of rules that run "
        "under Snakemake must have it."
    ]
    with pytest.raises(CannotCome, match="no wheel of psutil"):
        packages.needs({"x86_64"}, must=True)


def test_what_only_the_snakefile_imports_is_left_behind_and_named(packages, said, monkeypatch):
    tried = []

    def some(chosen, *_, **__):
        names = [package.name for package in chosen]
        tried.append(names)
        if "pandas" in names:
            raise wheels.NoWheels("no wheel of pandas", [Package("pandas", "2", "fetched")])
        return pack.Pack(None, "0", 1, "2.17")

    chosen = snakemake_packages.Selection(
        (Package("snakemake", "9", "copied"),),
        (Package("pandas", "2", "fetched"), Package("six", "1", "copied")),
    )
    monkeypatch.setattr(pack, "made", some)
    monkeypatch.setattr(pack, "is_kept", lambda *_: True)
    monkeypatch.setattr(snakemake_packages, "selected", lambda *_: chosen)
    monkeypatch.setattr(pack_store, "store", lambda *_: "s3://b/k")
    assert len(packages.needs({"x86_64"}, must=True).packages) == 2
    assert tried == [["snakemake"], ["pandas", "six"], ["six"]]
    assert "pandas (no wheel of pandas)" in said[0]


def test_modules_that_stay_are_named_in_one_sentence(workflow, tmp_path, monkeypatch):
    elsewhere = tmp_path.parent / f"{tmp_path.name}-lab"
    elsewhere.mkdir()
    (elsewhere / "hb_lab_tools.py").touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(elsewhere)])
    (tmp_path / "Snakefile").write_text("import hb_lab_tools\n")
    reported = warning(selected(workflow, HERE).staying)
    assert reported is not None
    assert f"hb_lab_tools ({elsewhere / 'hb_lab_tools.py'} is outside the folder" in reported
    assert warning(()) is None
