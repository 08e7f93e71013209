"""A job run again in a folder: what is kept, what may be edited, what a shell there has."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conda_trees import KEY, Tree

from snakemake_executor_plugin_hutchbatch.rerun import folder, outcome
from snakemake_executor_plugin_hutchbatch.rerun.engine import Chosen
from snakemake_executor_plugin_hutchbatch.rerun.sent_job import SentJob
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    Benchmark,
    Input,
    Log,
    Output,
    Step,
    TaskSpec,
)

from .conftest import ACCESS, REGION, SECRET

WORKDIR = "/HUTCHBATCH-WORKDIR-0"
JOB = SentJob(
    "id",
    "s3://b/t.json",
    "x",
    image="image:1",
    variables={"MINE": "it's", "HUTCHBATCH_REGION": REGION},
)


class Again:
    """A folder of a task, and runs of it."""

    def __init__(self, path: Path, *steps: Step, **more: object) -> None:
        task = TaskSpec("align s=A", "s3://b/", steps, workdir_token=WORKDIR, **more)
        self.path = folder.make(path, task.name, JOB, task, Chosen(why="none"), {}).path

    def run(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(self.path / "run.sh"), *arguments],
            env={**os.environ, "AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET},
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def text(self, name: str) -> str:
        return (self.path / name).read_text()


def test_a_command_is_run_edited_and_run_again(tmp_path):
    command = f'set -eu; echo "$MINE" $OMP_NUM_THREADS > {WORKDIR}/out/A; echo bad > log; exit 3'
    step = Step(
        "align",
        command,
        threads=2,
        outputs=(Output("out/A", "s3://b/out/A"),),
        logs=(Log("log", "s3://b/log"),),
        benchmark=Benchmark("b.tsv", "s3://b/b.tsv", repeats=3),
    )
    again = Again(tmp_path / "f", step)
    first = again.run()
    assert first.returncode == 3, first.stderr
    assert "failed [COMMAND exited; exit_code=3; rule=align]" in first.stderr
    said = outcome.sentence(again.path, 3, "image:1")
    assert said == "the command of rule align ended with exit code 3"
    assert again.text("work/out/A") == "it's 2\n"
    assert again.text("work/log") == "bad\n"
    text = again.text("command.sh")
    assert text.startswith("#!/")
    assert str(again.path / "work/out/A") in text
    (again.path / "command.sh").write_text(text.replace("exit 3", "true"))
    second = again.run()
    assert second.returncode == 0, second.stderr
    assert len(again.text("work/b.tsv").splitlines()) == 2  # once is enough to look into it
    assert outcome.sentence(again.path, 0, "image:1") is None


def test_steps_of_a_group_run_in_their_order_and_nothing_is_removed_between_them(tmp_path):
    steps = (
        Step("trim", "echo 1 > trimmed", level=0, outputs=(Output("trimmed"),), drops=("trimmed",)),
        Step("sort", "cat trimmed > sorted; false", level=1, outputs=(Output("sorted"),)),
    )
    again = Again(tmp_path / "f", *steps)
    assert again.run().returncode == 1
    assert again.text("work/trimmed") == again.text("work/sorted") == "1\n"
    again.path.joinpath("command-2-sort.sh").write_text("rev trimmed > sorted\n")
    assert again.run().returncode == 0


def test_a_shell_has_the_jobs_folder_and_variables_and_what_was_made_stays(tmp_path):
    step = Step("align", "echo $1 > out; exit 4", threads=3, outputs=(Output("out"),))
    again = Again(tmp_path / "f", step)
    assert again.run().returncode == 4
    typed = 'echo "$PWD $MINE $OMP_NUM_THREADS"; ls; bash ../command.sh; exit 9\n'
    shell = again.run("--shell", typed=typed)
    assert shell.returncode == 9, shell.stderr
    assert shell.stdout.splitlines() == [f"{again.path}/work it's 3", "out"]
    assert "'exit' leaves it" in shell.stderr
    # Ctrl-C at its prompt, or in what is typed there, is not for the program around it.
    shell = again.run("--shell", typed="kill -INT $PPID; sleep 0.2; echo still here; exit 7\n")
    assert (shell.returncode, shell.stdout) == (7, "still here\n"), shell.stderr


def test_an_edited_input_is_taken_as_it_is_and_one_that_s3_has_changed_is_not(
    tmp_path, tiny, monkeypatch
):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", tiny.endpoint)
    tiny.objects["/bucket/c.yaml"] = b"a: 1"
    config = Input("s3://bucket/c.yaml", "c.yaml", hashlib.sha256(b"a: 1").hexdigest())
    step = Step("align", "set -eu; cat c.yaml > out", outputs=(Output("out"),))
    again = Again(tmp_path / "f", step, inputs=(config,))
    first = again.run()
    assert (first.returncode, again.text("work/out")) == (0, "a: 1"), first.stderr
    (again.path / "work/c.yaml").write_text("a: 2")
    second = again.run()
    assert (second.returncode, again.text("work/out")) == (0, "a: 2"), second.stderr
    (again.path / "work/c.yaml").unlink()
    tiny.objects["/bucket/c.yaml"] = b"a: 3"
    assert "CHANGED" in again.run().stderr
    assert again.text("work/out") == "a: 2"


def test_a_job_has_its_conda_environment_each_time_and_in_a_shell(tmp_path, tiny, monkeypatch):
    def put(key: str, data: bytes) -> str:
        tiny.objects[f"/bucket/{key}"] = data
        return f"s3://bucket/{key}"

    # Too long for files that hold their path: the environment is at a short one, made each time.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", tiny.endpoint)
    step = Step("align", "set -eu; tool > out", outputs=(Output("out"),), conda=KEY)
    again = Again(tmp_path / "f", step, environments=(Tree().stored(put),))
    for _ in range(2):
        done = again.run()
        assert done.returncode == 0, done.stderr
        assert again.text("work/out").startswith("tool of /")
    shell = again.run("--shell", typed='tool; [ -d "$CONDA_PREFIX" ] && exit 9\n')
    assert shell.returncode == 9, shell.stderr
    assert shell.stdout.startswith("tool of /")


def test_an_output_that_is_missing_is_a_failure_as_in_a_job(tmp_path):
    again = Again(tmp_path / "f", Step("align", "true", outputs=(Output("out/A"),)))
    assert again.run().returncode == 213
    assert "out/A" in str(outcome.sentence(again.path, 213, ""))


def test_two_runs_in_one_folder_do_not_mix(tmp_path):
    again = Again(
        tmp_path / "f", Step("align", "touch ../began; until [ -e ../go ]; do sleep 0.1; done")
    )
    with subprocess.Popen(
        ["bash", str(again.path / "run.sh")],
        env={**os.environ, "AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET},
        stderr=subprocess.DEVNULL,
    ) as first:
        while not (again.path / "began").exists() and first.poll() is None:
            pass
        second = again.run()
        (again.path / "go").touch()
        assert first.wait(60) == 0
    assert second.returncode == 216
    assert "it runs there already" in second.stderr


@pytest.mark.parametrize("arguments", [("--fetch",), ()])
def test_what_cannot_be_fetched_is_said_in_words(tmp_path, arguments):
    again = Again(tmp_path / "f", Step("align", "true"))
    document = json.loads(again.text(".hutchbatch/task.json"))
    document["inputs"] = [{"url": "s3://b/in", "path": "in"}]
    (again.path / ".hutchbatch/task.json").write_text(json.dumps(document))
    done = subprocess.run(
        [
            sys.executable,
            "-IBX",
            "utf8",
            ".hutchbatch/program/start.py",
            str(again.path),
            *arguments,
        ],
        cwd=again.path,
        env={
            "PATH": os.environ["PATH"],
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 211, done.stderr
    assert "takes AWS credentials" in str(outcome.sentence(again.path, 211, ""))
