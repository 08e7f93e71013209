"""``hutchbatch cleanup`` on the local S3: shows, and removes only with --delete."""

import json
import re
import time

import pytest
from running import client_of

from snakemake_executor_plugin_hutchbatch.cli import main
from snakemake_executor_plugin_hutchbatch.cli.commands import cleanup as cleanup_command
from snakemake_executor_plugin_hutchbatch.local.cloud import BUCKET
from snakemake_executor_plugin_hutchbatch.storage import cleaning
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout

ENDED, KILLED = "20261001-000000-aaaaaa", "20261002-000000-bbbbbb"


@pytest.fixture
def place(cloud, monkeypatch, tmp_path):
    """A work prefix with an ended run, one that was killed, and what they share."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    layout = WorkLayout(f"s3://{BUCKET}/{tmp_path.name}/.hutchbatch/")
    s3 = client_of(cloud, "s3")
    for url in (
        layout.run(ENDED).task("t"),
        layout.run(ENDED).private_task("t"),
        layout.run(KILLED).task("t"),
        layout.mark(KILLED),
        layout.sources("d" * 64),
        layout.conda_manifest("0" * 32),
    ):
        s3.put_object(Bucket=BUCKET, Key=url.removeprefix(f"s3://{BUCKET}/"), Body=b"12345")
    return s3, layout


def keys(s3, layout):
    prefix = layout.prefix.removeprefix(f"s3://{BUCKET}/")
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {item["Key"].removeprefix(prefix) for item in found}


def cleanup(layout, *options):
    return main.main(["cleanup", "--work-prefix", layout.prefix, *options])


def test_nothing_goes_unless_it_is_asked_for_and_then_only_what_nobody_needs(place, capsys):
    s3, layout = place
    before = keys(s3, layout)
    assert cleanup(layout, "--older-than", "0") == 0
    shown = capsys.readouterr().out
    assert f"May go: run {ENDED}, last written" in shown
    assert f"Stays: {KILLED} has not ended in order" in shown
    assert "Nothing has been removed; --delete removes 2 objects, 10 bytes." in shown
    assert keys(s3, layout) == before
    assert cleanup(layout) == 0  # younger than thirty days
    assert "There is nothing that may go." in capsys.readouterr().out
    assert cleanup(layout, "--older-than", "0", "--shared", "--delete") == 0
    shown = capsys.readouterr().out
    assert "Removed: 2 objects, 10 bytes." in shown
    assert "Code and software stay: a run is under way or was killed" in shown
    gone = {key for key in before if key.startswith(f"runs/{ENDED}/")}
    assert len(gone) == 2
    assert keys(s3, layout) == before - gone


def test_one_run_is_removed_by_its_id_and_a_killed_one_is_not(place, capsys):
    s3, layout = place
    before = keys(s3, layout)
    assert cleanup(layout, KILLED, "--delete") == 0
    assert f"Stays: {KILLED}" in capsys.readouterr().out
    assert keys(s3, layout) == before
    assert cleanup(layout, ENDED, "--yes", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found["goes"]] == [ENDED]
    assert found["removed"]
    assert len(keys(s3, layout)) == len(before) - 2
    assert cleanup(layout, "20260101-000000-cccccc") == 1
    assert "There is nothing of a run 20260101-000000-cccccc" in capsys.readouterr().err


def test_what_may_not_be_removed_is_reported(cloud, place, capsys):
    s3, layout = place
    before = keys(s3, layout)
    allowed = ["s3:ListBucket", "s3:GetBucketVersioning", "s3:ListBucketMultipartUploads"]
    policy = {"Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    cloud.fault(kind="only_allow", policy=policy, caller="user")
    try:
        assert cleanup(layout, ENDED, "--delete") == 1
    finally:
        cloud.reset()
    assert re.search(r"denied|not authorized|stays", capsys.readouterr().err)
    assert keys(s3, layout) == before


def test_older_versions_go_for_good_where_that_is_asked_for(place, capsys):
    s3, _ = place
    bucket, name = "kept-versions", "work"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    there = WorkLayout(f"s3://{bucket}/{name}/")
    key = there.run(ENDED).task("t").removeprefix(f"s3://{bucket}/")
    for _ in range(2):
        s3.put_object(Bucket=bucket, Key=key, Body=b"12345")
    mark = there.mark(ENDED).removeprefix(f"s3://{bucket}/")
    s3.put_object(Bucket=bucket, Key=mark, Body=b"12345")
    s3.delete_object(Bucket=bucket, Key=mark)  # as a run does at its end

    def versions():
        found = s3.list_object_versions(Bucket=bucket, Prefix=f"{name}/")
        return len(found.get("Versions", [])), len(found.get("DeleteMarkers", []))

    assert cleanup(there, "--older-than", "0", "--delete") == 0
    assert "keeps versions" in capsys.readouterr().out
    assert versions() == (3, 2)
    assert cleanup(there, "--older-than", "0", "--delete", "--versions") == 0
    assert "Removed: 5 objects, 15 bytes." in capsys.readouterr().out
    assert versions() == (0, 0)


def test_uploads_that_nobody_completed_are_ended_but_not_young_ones(place, capsys, monkeypatch):
    s3, layout = place
    key = layout.run(ENDED).task("big").removeprefix(f"s3://{BUCKET}/")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]

    def there():
        found = s3.list_multipart_uploads(Bucket=BUCKET, Prefix=key).get("Uploads", [])
        return [each["UploadId"] for each in found]

    assert cleanup(layout, "--older-than", "0", "--delete") == 0
    assert "in parts" not in capsys.readouterr().out
    assert there() == [upload]
    later = time.time() + 8 * cleaning.DAY
    monkeypatch.setattr(
        cleanup_command.time, "time", lambda: later
    )  # requests are signed by datetime
    assert cleanup(layout, "--older-than", "0") == 0
    assert "1 upload in parts that nobody completed may be ended" in capsys.readouterr().out
    assert there() == [upload]
    assert cleanup(layout, "--older-than", "0", "--delete") == 0
    assert there() == []
