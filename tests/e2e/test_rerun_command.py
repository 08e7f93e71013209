"""``hutchbatch rerun`` and ``shell``, of the jobs of a run on the local cloud."""

from pathlib import Path

import pytest
from workflows import Workflow

from snakemake_executor_plugin_hutchbatch.cli import main

SNAKEFILE = """
envvars: "WHO"

rule all:
    input: "out/A.txt", "out/B.txt", "table.tsv", "run.txt"

rule trim:
    output: temp("trim/{s}.fq")
    shell: "echo {wildcards.s} > {output}"

rule align:
    input: fq="trim/{s}.fq", ref="ref/genome.fa"
    output: "out/{s}.txt"
    log: "logs/{s}.log"
    threads: 2
    resources: mem_mb=lambda wildcards, attempt: 300 * attempt
    shell:
        "echo aligning {wildcards.s} with {threads} for $WHO; cat {input} > {output}; "
        "echo bad > {log}; exit 3"

rule table:
    input: "ref/genome.fa"
    output: "table.tsv"
    params: n=5
    script: "scripts/table.py"

rule by_run:
    input: "ref/genome.fa"
    output: "run.txt"
    run:
        open(output[0], "w").write(open(input[0]).read() + config["name"])
        raise ValueError("no good")
"""
SCRIPT = """\
with open(snakemake.output[0], "w") as file:
    file.write(str(snakemake.params.n))
raise SystemExit(4)
"""


@pytest.fixture(scope="module")
def failed(cloud, tmp_path_factory):
    """A run whose jobs have failed."""
    made = Workflow(cloud, tmp_path_factory.mktemp("rerun"), "rerun")
    made.write("Snakefile", SNAKEFILE)
    made.write("scripts/table.py", SCRIPT)
    made.write("ref/genome.fa", "ACGT\n")
    done = made.run("--keep-going", "--config", "name=x", WHO="it's me")
    assert done.code == 1, done.output[-3000:]
    return made


@pytest.fixture
def hutchbatch(failed, monkeypatch, capfd):
    """The command, as its user has it in the folder of the workflow."""
    for name, value in failed.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(failed.folder)
    monkeypatch.setenv("TMPDIR", str(failed.folder.parent))
    monkeypatch.setattr("tempfile.tempdir", str(failed.folder.parent))

    def run(*words):
        capfd.readouterr()
        code = main.main(words)
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


def stored(workflow) -> dict[str, tuple[int, bytes]]:
    """The workflow's files in S3, and what the record says, without hutchbatch's own."""
    return {
        str(path.relative_to(workflow.stored)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in workflow.stored.rglob("*")
        if path.is_file() and ".hutchbatch" not in path.parts
    }


def test_failed_jobs_run_again_here_and_can_be_changed(failed, hutchbatch):
    before = stored(failed)
    again = ("rerun", "--engine", "none")
    # By rule and wildcards: a child of an array, with its variables.
    code, out, said = hutchbatch(*again, "align", "s=B")
    assert (code, out) == (3, "aligning B with 2 for it's me\n"), said
    assert "align s=B failed here: the command of rule align ended with exit code 3." in said
    made = Path("hutchbatch-rerun/align-s-B")
    assert (made / "work/out/B.txt").read_text() == "B\nACGT\n"
    assert (made / "work/trim/B.fq").read_text() == "B\n"
    command = made / "command.sh"
    command.write_text(command.read_text().replace("exit 3", "exit 0"))
    code, _, said = hutchbatch(*again, "out/B.txt")
    assert code == 0, said
    assert "is there already" in said
    assert "align s=B succeeded." in said
    # A script, by the file that it makes; edited where its link leads.
    code, _, said = hutchbatch(*again, "table.tsv")
    assert code == 4, said
    script = Path("hutchbatch-rerun/table/script.py")
    script.write_text(script.read_text().replace("SystemExit(4)", "SystemExit(0)"))
    assert hutchbatch(*again, "table")[0] == 0
    assert Path("hutchbatch-rerun/table/work/table.tsv").read_text() == "5"
    # Under Snakemake: its configuration is gone with its run, and it stores nothing.
    code, _, said = hutchbatch(*again, "by_run")
    assert code == 1
    assert "--configfile FILE" in said
    Path("mine.yaml").write_text("name: y\n")
    code, _, said = hutchbatch(*again, "by_run", "--configfile", "mine.yaml")
    assert code == 1
    assert "has the job" in said, said
    (made,) = failed.folder.parent.glob("hutchbatch-rerun-*/by_run")
    snakefile = made / "work/Snakefile"
    snakefile.write_text(snakefile.read_text().replace('raise ValueError("no good")', "pass"))
    code, _, said = hutchbatch(*again, "by_run")
    assert code == 0, said
    assert (made / "work/run.txt").read_text() == "ACGT\ny"
    assert stored(failed) == before


def test_a_job_runs_again_on_batch_apart_from_its_run(failed, hutchbatch):
    before = stored(failed)
    record = Path(".snakemake/hutchbatch/journal.sqlite").read_bytes()
    wanted = ("--on-batch", "--memory", "1GB", "--queue", "mixed")
    code, out, said = hutchbatch("rerun", "align", "s=A", *wanted)
    assert code == 3, said
    assert out.startswith("aligning A with 2 for it's me\n")
    assert "[COMMAND]" in said
    batch_id = said.split(" job ")[1].split()[0]
    (sent,) = failed.client("batch").describe_jobs(jobs=[batch_id])["jobs"]
    needs = {e["type"]: e["value"] for e in sent["container"]["resourceRequirements"]}
    assert needs["MEMORY"] == "954"
    assert sent["jobQueue"].endswith("/mixed")
    kept = list(failed.stored.rglob("reruns/*/files/logs/A.log"))
    assert [each.read_text() for each in kept] == ["bad\n"]
    assert stored(failed) == before
    assert Path(".snakemake/hutchbatch/journal.sqlite").read_bytes() == record
    # What ended cannot be entered.
    code, _, said = hutchbatch("shell", "align", "s=A")
    assert code == 1
    assert "has ended (FAILED)" in said
    # An input that is gone, and one that has changed.
    (failed.stored / "trim/A.fq").unlink()
    code, _, said = hutchbatch("rerun", "align", "s=A", "--engine", "none")
    assert code == 1
    assert "1 input of this job is gone: trim/A.fq, made by trim s=A" in said
    key = f"{failed.stored.name}/ref/genome.fa"
    failed.client("s3").put_object(Bucket="hutchbatch", Key=key, Body=b"TTTT\n")
    place = ("--folder", str(failed.folder.parent / "other"))
    code, _, said = hutchbatch("rerun", "align", "s=B", "--engine", "none", "--no-run", *place)
    assert code == 0, said
    assert "This input has changed since the job ran: ref/genome.fa" in said
    assert (failed.folder.parent / "other/work/ref/genome.fa").read_text() == "TTTT\n"
