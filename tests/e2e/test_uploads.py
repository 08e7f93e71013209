"""Inputs that lie here are uploaded before the jobs that need them."""

import json
import os
import subprocess
import sys
import time

import pytest
import warm_start

WORKFLOW = """
from pathlib import Path
OUTSIDE = config["outside"]
rule all:
    input: "results/all.txt", "results/here.txt", "results/under.txt", "results/picked.txt"
def reads(wildcards):
    return [f"data/{wildcards.s}.fq", f"{OUTSIDE}/ref of {wildcards.s}.fa"]
rule one:
    input: reads
    output: "results/one/{s}.txt"
    params: stem=lambda w, input: Path(input[1]).stem
    shell: "cat {input:q} > {output}; echo {params.stem} >> {output}"
rule convert:  # could make any of them, if its own input were there
    input: "raw/{name}.raw"
    output: "data/{name}"
    shell: "cp {input} {output}"
rule gather:
    input: expand("results/one/{s}.txt", s=("a", "b")), folder="data/folder", up="../above/x.txt",
           old=ancient("data/old.txt"), empty="data/empty", odd="data/o#d ?ü.txt",
           link="data/link.txt"
    output: "results/all.txt"
    shell: "cat results/one/*.txt {input.old} {input.up} {input.empty} > {output};"
           " cat {input.odd:q} {input.link} >> {output};"
           " (cd {input.folder}; find . -type f | sort; cat deep/z.txt) >> {output}"
rule under:
    input: "data/a.fq", OUTSIDE + "/ref of a.fa"
    output: "results/under.txt"
    run:
        Path(output[0]).write_text("".join(Path(name).read_text() for name in input))
localrules: here
rule here:
    input: "data/only here.txt", "data/a.fq", "results/under.txt"
    output: "results/here.txt"
    shell: "cat {input:q} > {output}"
checkpoint pick:
    output: "picked.list"
    shell: "echo late > {output}"
def picked(wildcards):
    name = Path(checkpoints.pick.get().output[0]).read_text().strip()
    return f"data/{name}.txt"
rule picked:
    input: picked
    output: "results/picked.txt"
    shell: "cat {input} > {output}"
"""


def puts(workflow):
    return workflow.cloud.s3_calls().get("PutObject", 0)


def uploaded(workflow):
    """Names below the prefix of what was sent from here."""
    names = set()
    for path in workflow.stored.rglob("*"):
        name = path.relative_to(workflow.stored).as_posix()
        if path.is_file() and not name.startswith((".hutchbatch/", "results/", "picked.list")):
            names.add(name)
    return names


@pytest.fixture
def outside(tmp_path_factory):
    return tmp_path_factory.mktemp("fh fast")


@pytest.fixture
def project(workflow, outside):
    """A workflow with inputs of all kinds, in a folder of its own folder."""
    workflow.folder = workflow.folder / "project"
    workflow.write("Snakefile", WORKFLOW)
    for name in ("a.fq", "b.fq", "old.txt", "late.txt", "only here.txt", "o#d ?ü.txt"):
        workflow.write(f"data/{name}", f"{name}\n")
    workflow.write("data/empty", "")
    workflow.write("data/folder/y.txt", "y\n")
    workflow.write("data/folder/deep/z.txt", "z\n")
    workflow.write("../above/x.txt", "above\n")
    (workflow.folder / "data/link.txt").symlink_to("../../above/x.txt")
    for sample in ("a", "b"):
        (outside / f"ref of {sample}.fa").write_text(f">{sample}\n")
    workflow.arguments = ("--config", f"outside={outside}")
    return workflow


def test_inputs_are_uploaded_once_and_again_when_they_change(project, outside):
    workflow, arguments = project, project.arguments
    output = workflow.succeed(*arguments)
    assert "Uploading 11 files" in output
    assert "Uploaded 11 files" in output
    assert "Uploaded 1 file," in output  # that a checkpoint has chosen
    assert "Removing local copy of storage file: data" not in output
    assert (workflow.folder / "data/only here.txt").exists()
    assert workflow.text("results/all.txt").splitlines() == [
        *("a.fq", ">a", "ref of a", "b.fq", ">b", "ref of b", "old.txt", "above", "o#d ?ü.txt"),
        *("above", "./deep/z.txt", "./y.txt", "z"),
    ]
    assert workflow.text("results/under.txt") == "a.fq\n>a\n"
    assert workflow.text("results/here.txt") == "only here.txt\na.fq\na.fq\n>a\n"
    assert workflow.text("results/picked.txt") == "late.txt\n"
    outer = str(outside).lstrip("/")
    assert uploaded(workflow) == {
        *(f"data/{name}" for name in ("a.fq", "b.fq", "old.txt", "late.txt", "empty")),
        *("data/o#d ?ü.txt", "data/link.txt", "data/folder/y.txt", "data/folder/deep/z.txt"),
        *(f"{outer}/ref of a.fa", f"{outer}/ref of b.fa", ".above-1/above/x.txt"),
    }

    # Nothing is sent twice, from another clone neither.
    assert "Nothing to be done" in workflow.succeed(*arguments)
    for path in workflow.folder.rglob("data/**/*"):
        os.utime(path)
    (workflow.folder / ".snakemake/hutchbatch/sent.json").unlink()
    before = puts(workflow)
    assert "Nothing to be done" in workflow.succeed(*arguments)
    assert puts(workflow) == before

    # As in plain Snakemake, a new time alone counts for folders, and for files over 1 MB.
    os.utime(workflow.folder / "data/a.fq")
    assert "Nothing to be done" in workflow.succeed(*arguments)
    os.utime(workflow.folder / "data/folder/y.txt")
    os.utime(workflow.folder / "data/folder/deep/z.txt")
    assert "rule gather" in workflow.run(*arguments, "-n").output
    output = workflow.succeed(*arguments)
    assert "Updated input files: data/folder" in output
    assert "Uploading" not in output
    assert "Nothing to be done" in workflow.succeed(*arguments)

    # What has changed is sent, and its jobs run again, as in plain Snakemake.
    workflow.write("data/b.fq", "changed\n")
    output = workflow.succeed(*arguments)
    assert "Uploading 1 file (8 bytes)" in output
    assert "changed" in workflow.text("results/all.txt")
    assert "wildcards: s=b" in output
    assert "wildcards: s=a" not in output

    # What is older here than in S3 stays in S3.
    workflow.write("data/b.fq", "older!!\n")
    os.utime(workflow.folder / "data/b.fq", (1e9, 1e9))
    output = workflow.succeed(*arguments, "--forcerun", "one")
    assert "data/b.fq here differs from" in output
    assert "changed" in workflow.text("results/all.txt")


SIMPLE = """
rule all:
    input: "out/a.txt", "out/b.txt", "here.txt"
rule copy:
    input: "in/{x}.txt"
    output: "out/{x}.txt"
    shell: "cp {input} {output}"
localrules: here
rule here:
    input: "in/only_here.txt", "in/a.txt"
    output: "here.txt"
    run:
        with open(output[0], "w") as file:
            file.writelines(open(name).read() for name in input)
"""


@pytest.fixture
def simple(workflow):
    workflow.write("Snakefile", SIMPLE)
    for name in ("a", "b", "only_here"):
        workflow.write(f"in/{name}.txt", f"{name}\n")
    return workflow


def hutchbatch(workflow, *arguments):
    return warm_start.hutchbatch(*arguments, cwd=workflow.folder, env=workflow.environment())


def test_a_plan_a_dry_run_and_touch_send_nothing_and_a_limit_stops_a_run(simple):
    given = ("--default-storage-provider", "s3", "--default-storage-prefix", simple.prefix)
    done = hutchbatch(simple, "plan", "--json", "--", *given)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["upload_files"], found["upload_bytes"]) == (2, 4)
    by_rule = {
        rule["rule"]: (rule["upload_files"], rule["upload_bytes"]) for rule in found["rules"]
    }
    assert by_rule == {"all": (0, 0), "copy": (2, 4), "here": (0, 0)}
    assert [each["name"] for each in found["uploads"]] == ["in/a.txt", "in/b.txt"]
    done = hutchbatch(simple, "plan", "--", *given)
    assert "2 files here (4 bytes) would be uploaded first: copy 2 files (4 bytes)." in done.stdout

    output = simple.succeed("-n")
    assert "Missing output files: out/a.txt" in output
    simple.run("--touch")

    output = simple.fail("--hutchbatch-upload-limit", "3B")
    assert "2 files (4 bytes) would be uploaded, more than --hutchbatch-upload-limit" in output
    assert "add --hutchbatch-upload-limit 1GB" in output

    output = simple.fail("--hutchbatch-upload", "never")
    assert "Missing input files for rule" in output
    assert not list(simple.stored.rglob("in/*"))

    # Now it runs, and a job that runs here uses the file where it is.
    simple.succeed()
    assert simple.text("here.txt") == "only_here\na\n"
    assert not (simple.stored / "in/only_here.txt").exists()
    assert (simple.folder / "in/only_here.txt").exists()


def test_what_cannot_be_uploaded_is_refused_before_anything_is_sent(simple):
    (simple.folder / "in/a.txt").unlink()
    (simple.folder / "in/a.txt").symlink_to("nowhere")
    (simple.folder / "in/b.txt").unlink()
    os.mkfifo(simple.folder / "in/b.txt")
    output = simple.fail("out/a.txt", "out/b.txt")
    assert "Rule copy: in/a.txt is a broken link (to nowhere): mend it, or remove it." in output
    assert "Rule copy: in/b.txt is a named pipe" in output
    assert not list(simple.stored.rglob("*"))


@pytest.mark.thorough
def test_a_killed_upload_goes_on_where_it_was(simple):
    size = 160 * 2**20
    with (simple.folder / "in/a.txt").open("wb") as file:
        file.truncate(size)
    command = [sys.executable, "-m", warm_start.HUTCHBATCH, "upload", "--prefix", simple.prefix]
    killed = subprocess.Popen(
        [*command, "in/b.txt", "in/a.txt"], cwd=simple.folder, env=simple.environment()
    )
    s3, key = simple.client("s3"), simple.prefix.removeprefix("s3://hutchbatch/") + "/in/a.txt"
    try:
        begun = wait_for(lambda: dict(note_of(simple)["begun"]))
        (upload,) = (each["upload"] for each in begun.values())
        place = {"Bucket": "hutchbatch", "Key": key, "UploadId": upload}
        wait_for(lambda: s3.list_parts(**place).get("Parts"))
        simple.cloud.fault(kind="outage", seconds=60, service="s3")
    finally:
        killed.kill()
        killed.wait()
    simple.cloud.reset()
    there = len(s3.list_parts(**place)["Parts"])
    before = simple.cloud.s3_calls().get("UploadPart", 0)
    done = hutchbatch(simple, "upload", "--prefix", simple.prefix, "in/b.txt", "in/a.txt")
    assert done.returncode == 0, done.stderr
    # Parts that were under way may have arrived after that look.
    assert simple.cloud.s3_calls().get("UploadPart", 0) - before <= 10 - there < 10
    assert (simple.stored / "in/a.txt").stat().st_size == size
    assert not note_of(simple)["begun"]


def note_of(workflow):
    path = workflow.folder / ".snakemake/hutchbatch/sent.json"
    return json.loads(path.read_text()) if path.exists() else {"begun": {}}


def wait_for(look, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.mark.thorough
def test_files_go_both_ways_by_hand(simple):
    given = ("--prefix", simple.prefix)
    done = hutchbatch(simple, "upload", "--dry-run", *given, "in")
    assert done.stdout.splitlines()[-1] == "3 files (14 bytes) would be uploaded."
    assert not simple.stored.exists()
    done = hutchbatch(simple, "upload", *given, "in", "nowhere", str(simple.folder / "in/a.txt"))
    assert done.returncode == 1
    assert "There is no nowhere here." in done.stderr
    assert simple.text("in/only_here.txt") == "only_here\n"
    done = hutchbatch(simple, "upload", *given, "in")
    assert done.stdout == "Nothing to upload: S3 has all of it.\n"

    # Without names: what the workflow needs. Without a prefix: that of the last run here.
    simple.write("in/a.txt", "new a\n")
    done = hutchbatch(simple, "upload", *given)
    assert (done.returncode, simple.text("in/a.txt")) == (0, "new a\n"), done.stderr
    simple.succeed()
    done = hutchbatch(simple, "download", "out", "*.txt")
    assert done.returncode == 0, done.stderr
    assert (simple.folder / "out/a.txt").read_text() == "new a\n"
    assert (simple.folder / "here.txt").read_text() == "only_here\nnew a\n"
    assert (
        "Nothing to download: 3 files here already."
        in hutchbatch(simple, "download", "out/*", "here.txt").stdout
    )

    # Nothing newer is replaced without a word; what is older is.
    simple.write("out/a.txt", "mine\n")
    simple.write("out/b.txt", "old\n")
    os.utime(simple.folder / "out/b.txt", (1e9, 1e9))
    done = hutchbatch(simple, "download", "out/**")
    assert "Kept, because newer here than in S3: out/a.txt" in done.stderr
    assert (simple.folder / "out/a.txt").read_text() == "mine\n"
    assert (simple.folder / "out/b.txt").read_text() == "b\n"
    hutchbatch(simple, "download", "--force", "out/a.txt")
    assert (simple.folder / "out/a.txt").read_text() == "new a\n"
    done = hutchbatch(simple, "download", "no/*")
    assert done.returncode == 1
    assert "nothing in" in done.stderr


def test_a_checkpoint_whose_input_is_gone_goes_on_with_its_output(workflow):
    """As on one machine; once this run said that nothing was to be done."""
    workflow.write(
        "Snakefile",
        """
        def parts(wildcards):
            names = open(checkpoints.split.get().output[0]).read().split()
            return [f"parts/{name}" for name in names]
        rule all:
            input: parts, "given.txt" if exists("given.raw") else []
        checkpoint split:
            input: "gone.txt"
            output: "names.txt", "sizes.txt"
            shell: "exit 1"
        rule part:
            output: "parts/{name}"
            shell: "echo {wildcards.name} > {output}"
        rule given:
            input: "given.raw"
            output: "given.txt"
            shell: "cp {input} {output}"
        """,
    )
    for name in ("names.txt", "sizes.txt", "given.raw"):
        workflow.write(name, "a b\n")
    workflow.succeed()
    assert (workflow.text("parts/a"), workflow.text("parts/b")) == ("a\n", "b\n")
    assert workflow.text("given.txt") == "a b\n"
