"""The supervisor and the controller against an S3 that is not of our making.

What only AWS has (checksums of whole objects, the region in a signature) Ceph 16 does not check.
"""

from __future__ import annotations

import os
import re
import uuid

import pytest
from supervisor.conftest import BUCKET, Container, Store
from workflows import Workflow

from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.schema import Attempt
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Input, Log, Output, Step

#: Keys that clients and proxies like to change on the way.
ODD = (
    *("a//b", "/leading", "trailing. ", "space and+plus", "per%cent%41", "question?#hash"),
    *("a&<b>'\"", "Ünïcode-中文-🙂", "control\x01\x7f", "new\nline", "dot/./x", "dots/../x"),
    *("..", "~!*()=;:@,$"),
    "é" * 500,
)
#: Fetched in three ranges, and stored in five parts.
LARGE, LARGER = 40 * 1024 * 1024 + 1, 70 * 1024 * 1024 + 1


@pytest.fixture
def bucket(second_s3) -> Store:
    client = second_s3.client()
    client.create_bucket(Bucket=BUCKET)
    return Store(client, f"t{uuid.uuid4().hex[:8]}/")


@pytest.fixture
def job(second_s3, bucket, tmp_path) -> Container:
    (tmp_path / "scratch").mkdir()
    return Container(bucket, second_s3.url, tmp_path / "scratch", environ=second_s3.user)


def test_a_job_fetches_and_stores_odd_keys_large_files_and_folders(job, bucket) -> None:
    large = os.urandom(LARGE)
    inputs = [
        Input(bucket.put(f"in/{key}", f"content of {number}"), f"in/{number}")
        for number, key in enumerate(ODD)
    ]
    inputs.append(Input(bucket.put("large", large), "large"))
    bucket.put("folder/a/b", "b")
    bucket.put("folder/é +%", "e")
    inputs.append(Input(bucket.url("folder"), "folder"))
    outputs = [Output(f"out/{n}", bucket.url(f"out/{key}")) for n, key in enumerate(ODD)]
    outputs += [
        Output("larger", bucket.url("larger")),
        Output("empty", bucket.url("empty")),
        Output("made", bucket.url("made"), directory=True),
    ]
    command = (
        "cp in/* out/ && mkdir -p made && cp -r folder made/sub && : > empty && "
        f"{{ cat large; head -c {LARGER - LARGE} /dev/zero; }} > larger && echo fine > log"
    )
    step = Step("odd", command, outputs=tuple(outputs), logs=(Log("log", bucket.url("log")),))
    task = job.task(steps=(step,), inputs=tuple(inputs), tmpdir_token="TMP-TOKEN")
    # The second time all is there already, and is replaced.
    for _ in range(2):
        ended = job.run(task)
        assert ended.code == 0, ended.err
    stored = {key: bucket.get(f"out/{key}").decode() for key in ODD}
    assert stored == {key: f"content of {number}" for number, key in enumerate(ODD)}
    assert bucket.get("larger") == large + bytes(LARGER - LARGE)
    assert bucket.get("empty") == b""
    assert bucket.keys("made/") == ["made/sub/a/b", "made/sub/é +%"]
    assert bucket.get("log") == b"fine\n"
    assert ended.status is not None
    assert ended.status.files_in == len(ODD) + 3


def test_a_wrong_secret_is_noticed_by_the_server_and_reported(job, second_s3) -> None:
    wrong = {**second_s3.user, "AWS_SECRET_ACCESS_KEY": "wrong"}
    ended = job.with_(environ=wrong).run(job.task(steps=(Step("s", "true"),)))
    assert ended.code != 0
    assert "SignatureDoesNotMatch" in ended.err or "HTTP 403" in ended.err


SNAKEFILE = """
envvars: "AWS_CA_BUNDLE"

rule all:
    input: "results/counts.txt", "parts", expand("array/{n}.txt", n=range(4))

rule array:
    output: "array/{n}.txt"
    shell: "echo {wildcards.n} > {output}"

rule numbers:
    input: "data/names and more.txt", storage("s3://raw-data/run//1 +%é")
    output: temp("work/numbers.txt")
    shell: "cat {input:q} > {output}; seq 2 >> {output}"

rule parts:
    input: rules.numbers.output
    output: directory("parts")
    log: "logs/parts.log"
    shell: "mkdir {output} && split -l 1 {input} {output}/ 2> {log}"

rule count:
    input: rules.numbers.output, storage("s3://raw-data//run/1")
    output: "results/counts.txt"
    run:
        with open(output[0], "w") as out:
            out.write(str(sum(len(open(name).readlines()) for name in input)))
"""


def test_a_workflow_runs_whose_files_are_all_there(second_s3, cloud, tmp_path, monkeypatch) -> None:
    client = second_s3.client()
    for name in ("hutchbatch", "raw-data"):
        client.create_bucket(Bucket=name)
    for key, body in {"run//1 +%é": b"first\n", "/run/1": b"second\n"}.items():
        client.put_object(Bucket="raw-data", Key=key, Body=body)
    for name, value in {**second_s3.user, "AWS_ENDPOINT_URL_S3": second_s3.url}.items():
        monkeypatch.setitem(cloud.host.given, name, value)
    there = {"AWS_ENDPOINT_URL_S3": second_s3.url, **second_s3.user}
    workflow = Workflow(cloud, tmp_path, "second")
    workflow.write("Snakefile", SNAKEFILE)
    workflow.write("data/names and more.txt", "a\nb\n")
    terms = {"acl": "bucket-owner-full-control", "storage-class": "STANDARD_IA"}
    workflow.succeed(*(f"--hutchbatch-s3-{k}={v}" for k, v in terms.items()), **there)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="hutchbatch", Prefix="second/")
    objects = [item for page in pages for item in page["Contents"]]
    keys = {item["Key"].removeprefix("second/") for item in objects}
    mine = {key for key in keys if not key.startswith(".hutchbatch/")}
    assert mine == {
        "data/names and more.txt",
        "logs/parts.log",
        *(f"parts/a{letter}" for letter in "abcde"),
        *(f"array/{number}.txt" for number in range(4)),
        "results/counts.txt",
    }
    counted = client.get_object(Bucket="hutchbatch", Key="second/results/counts.txt")
    assert counted["Body"].read() == b"6"
    statuses = [key for key in keys if re.search(r"/status/[^/]+/\d+\.1\.1[\w-]+\.json$", key)]
    assert len(statuses) == 4
    with Reader(workflow.folder / ".snakemake" / "hutchbatch" / "journal.sqlite") as record:
        attempts = record.rows(Attempt)
        assert len(attempts) == 7
        assert all(attempt.seconds for attempt in attempts)
    classes = {item["Key"]: item["StorageClass"] for item in objects}
    cold = {key for key, name in classes.items() if name == "STANDARD_IA"}
    assert cold == {"second/" + key for key in mine}  # and no control file
    assert not list((cloud.bucket_dir / "second").glob("**/*"))


def test_an_archived_input_is_refused_before_any_job(second_s3, cloud, tmp_path) -> None:
    client = second_s3.client()
    client.create_bucket(Bucket="hutchbatch")
    for name in ("reads/a.fq", "reads/b.fq"):
        client.put_object(
            Bucket="hutchbatch", Key=f"cold/{name}", Body=b"@", StorageClass="GLACIER"
        )
    workflow = Workflow(cloud, tmp_path, "cold")
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "reads/a.fq", "reads"
            output: "out.txt"
            shell: "cat {input[0]} > {output}"
        """,
    )
    workflow.write("reads/a.fq", "@")  # equal: it would not be sent
    before = workflow.submissions()
    there = {"AWS_ENDPOINT_URL_S3": second_s3.url, **second_s3.user}
    said = workflow.fail(**there)
    assert "s3://hutchbatch/cold/reads/a.fq (GLACIER)" in said
    assert "aws s3api restore-object --bucket hutchbatch --key cold/reads/" in said
    assert workflow.submissions() == before
