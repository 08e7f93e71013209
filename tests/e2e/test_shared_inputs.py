"""A reference that the jobs of one machine share: real Snakemake, real S3, real jobs."""

import json
import os
from pathlib import Path

from snakemake_executor_plugin_hutchbatch.supervisor.download import PART

SIZE = PART + 1000

SNAKEFILE = """
    storage other:
        provider="s3"
    rule all:
        input: expand("out/{x}.txt", x=range(4)), "grouped.txt", "under.txt"
    rule use:
        input:
            genome="ref/genome.fa",
            index=storage.other("s3://hutchbatch/SHARED/index"),
            reads="reads/{x}.txt",
        output: "out/{x}.txt"
        resources: hutchbatch_shared="genome"
        shell:
            "wc -c < {input.genome} > {output}; cat {input.reads} {input.index}/* >> {output}; "
            "head -c 5 {input.genome} >> {output}; ls -R {input.index}; sleep 1"
    rule under:
        input: genome="ref/genome.fa"
        output: "under.txt"
        resources: hutchbatch_shared="genome"
        run:
            with open(input.genome, "rb") as genome, open(output[0], "wb") as file:
                file.write(genome.read(5))
    rule first:
        input: genome="ref/genome.fa"
        output: temp("first.txt")
        group: "g"
        resources: hutchbatch_shared="genome"
        shell: "head -c 5 {input.genome} > {output}"
    rule second:
        input: first="first.txt", genome="ref/genome.fa"
        output: "grouped.txt"
        group: "g"
        resources: hutchbatch_shared="genome"
        shell: "cat {input.first} > {output}; head -c 5 {input.genome} >> {output}"
"""


def fetched(workflow) -> list[int]:
    """The bytes that each job of the last run has fetched, the most first."""
    runs = sorted((workflow.stored / ".hutchbatch" / "runs").iterdir(), key=os.path.getmtime)
    found = [json.loads(path.read_text()) for path in (runs[-1] / "status").rglob("*.json")]
    return sorted((status.get("bytes_in", 0) for status in found), reverse=True)


def test_jobs_of_one_machine_fetch_a_reference_once_and_only_who_may(workflow):
    place = workflow.prefix.removeprefix("s3://hutchbatch/") + "-shared"
    workflow.write("Snakefile", SNAKEFILE.replace("SHARED", place))
    s3 = workflow.client("s3")
    for name in "ab":
        s3.put_object(Bucket="hutchbatch", Key=f"{place}/index/{name}", Body=f"{name}\n".encode())
    genome = workflow.folder / "ref" / "genome.fa"
    genome.parent.mkdir()
    genome.write_bytes(b"ACGT\n" + os.urandom(SIZE - 5))
    for number in range(4):
        workflow.write(f"reads/{number}.txt", f"{number}\n")
    shared = ("--hutchbatch-shared", f"s3://hutchbatch/{place}/")

    # A name that is none is refused before anything is sent.
    output = workflow.fail("--set-resources", "use:hutchbatch_shared=genom", *shared)
    assert "did you mean 'genome'?" in output
    assert workflow.submissions() == 0

    workflow.succeed(*shared)
    for number in range(4):
        assert workflow.text(f"out/{number}.txt") == f"{SIZE}\n{number}\na\nb\nACGT\n"
    assert workflow.text("grouped.txt") == "ACGT\nACGT\n"
    assert workflow.text("under.txt") == "ACGT\n"
    # One of six jobs has fetched the reference; the others their own small files.
    first, *rest = fetched(workflow)
    assert len(rest) == 5
    assert first >= SIZE > 100 * sum(rest)

    # Another reference is fetched again, once; the index is there.
    genome.write_bytes(b"TTTT\n" + os.urandom(SIZE - 5))
    only = [f"out/{number}.txt" for number in range(4)]
    workflow.succeed(*only, *shared)
    assert {workflow.text(f"out/{n}.txt")[-5:] for n in range(4)} == {"TTTT\n"}
    first, *rest = fetched(workflow)
    assert len(rest) == 3
    assert first >= SIZE > 100 * sum(rest)

    # Sharing is no part of what a job is: without it nothing runs again.
    without = ("--set-resources", "use:hutchbatch_shared=none")
    assert "Nothing to be done" in workflow.succeed(*only, *without)
    caches = list(Path(workflow.cloud.directory).rglob("hutchbatch-cache"))
    assert len(caches) == 1

    # A role that may not read it has no use of what is there.
    workflow.cloud.fault(kind="deny", action="s3:GetObject", caller="role", key="*ref/genome.fa")
    output = workflow.fail(*shared, "--forcerun", "use", "--until", "use")
    assert "[STAGE_IN]" in output
    assert "role/local-batchtask has permission to read them" in output
    assert "ref/genome.fa" in output
    assert not list((workflow.stored / "out").glob("*"))


def test_a_rule_that_writes_into_its_shared_input_has_the_results_of_plain_snakemake(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: expand("out/{x}.txt", x=range(2))
        rule writes:
            input: genome="genome.fa"
            output: "out/{x}.txt"
            resources: hutchbatch_shared="genome"
            shell: "cat {input.genome} > {output}; sleep 1; echo harm > {input.genome}"
        """,
    )
    workflow.write("genome.fa", "ACGT\n")
    output = workflow.succeed()
    assert workflow.text("out/0.txt") == workflow.text("out/1.txt") == "ACGT\n"
    if "shares with other jobs" in output:  # a disk with links
        assert "genome.fa, which it shares with other jobs of its machine" in output
        assert "It is being started again." in output
        assert 2 <= workflow.submissions() <= 4
