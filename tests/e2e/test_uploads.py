"""Inputs that lie here are uploaded before the jobs that need them."""

import os

import pytest

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
