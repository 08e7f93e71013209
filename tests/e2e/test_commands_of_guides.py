"""The commands of the guides do what the guides say: each is run, in their order, in a project at a
Hutch that the local cloud plays."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import warm_start

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = ("first-project", "recipes", "from-slurm", "from-nextflow", "conda", "costs")
#: Commands that cannot be run here, and why.
NOT_RUN = {
    r"hutchbatch init$": "asks questions: test_init answers them",
    r"tmux ": "needs a terminal",
    r"python3 -m venv |source ": "the test command has made one",
    r".*\bdocker ": "there is no registry",
    r"git |pip ": "there is no network",
}
#: Services that the local cloud does not have: AWS's command line says whether it knows the call.
ONLY_PARSED = r"aws (ecr|secretsmanager) "
SNAKEFILE = """\
    rule all:
        input: "results/A.txt"
    rule align:
        input: "reads/{sample}.txt"
        output: "results/{sample}.txt"
        shell: "wc -l < {input} > {output}; echo counted"
    """
NEXTFLOW = """\
    process.queue = 'mixed'
    aws.region = 'us-west-2'
    aws.batch.jobRole = 'arn:aws:iam::000000000000:role/fh-pi-lastname-f-batchtask'
    """
BUCKET = "fh-pi-lastname-f-eco"


def commands(page: str) -> list[str]:
    """Those of a page's shell blocks, for the local cloud's account."""
    blocks = re.findall(r"^ *```sh\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.M | re.S)
    lines = re.sub(r" *\\\n\s*", " ", "\n".join(blocks)).replace("123456789012", "0" * 12)
    plain = (re.sub(r"\s+#.*", "", line).strip() for line in lines.splitlines())
    return list(dict.fromkeys(filter(None, plain)))


@pytest.fixture
def project(workflow):
    workflow.write("Snakefile", SNAKEFILE)
    workflow.write("reads/A.txt", "a read\n")
    workflow.write("genome.fa", ">chr1\nACGT\n")
    workflow.write("token.txt", "a word")
    workflow.write("nextflow.config", NEXTFLOW)
    s3 = workflow.client("s3")
    if BUCKET not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
        )
    yield workflow
    for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=found["Key"])


def run(command: str, folder: Path, env: dict[str, str]) -> tuple[int, str]:
    words = shlex.split(command)
    programs = {"snakemake": "snakemake", "hutchbatch": warm_start.HUTCHBATCH}
    if words[0] in programs and "|" not in words:
        started = [sys.executable, "-m", programs[words[0]], *words[1:]]
        done = warm_start.run(started, cwd=folder, env=env)
        return done.returncode, done.stdout
    if re.match(ONLY_PARSED, command):
        command += " --generate-cli-skeleton"
    aws = Path(os.environ.get("HUTCHBATCH_TEST_AWS", "aws")).parent
    shell = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**env, "PATH": f"{aws}:{Path(sys.executable).parent}:{env['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return shell.returncode, shell.stdout


@pytest.mark.parametrize("page", GUIDES)
def test_the_commands_of_a_guide_run(project, page):
    env = project.environment(SNAKEMAKE_HUTCHBATCH_JOB_ROLE=None)
    to_run = [c for c in commands(page) if not any(re.match(no, c) for no in NOT_RUN)]
    assert to_run
    if page != "from-nextflow":  # it makes one itself
        role = f"arn:aws:iam::{'0' * 12}:role/fh-pi-lastname-f-batchtask"
        init = f"hutchbatch init --yes --site hutch --bucket {BUCKET} --prefix myproject"
        assert run(f"{init} --job-role {role}", project.folder, env)[0] == 0
    for command in to_run:
        code, output = run(command, project.folder, env)
        print(f"$ {command}\n{output}")
        assert code == 0, f"{command}\n{output[-3000:]}"
