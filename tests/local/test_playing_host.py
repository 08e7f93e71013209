"""The benchmark of many jobs runs: its host plays jobs of both modes, single ones and children."""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.local.batch import ThreadTimers
from snakemake_executor_plugin_hutchbatch.local.hosts.host import Launch
from snakemake_executor_plugin_hutchbatch.planning import arrays
from snakemake_executor_plugin_hutchbatch.supervisor import taskspec
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Output, Step, TaskSpec

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Plays a container with an environment and a command; waits for its end."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    from playing import PlayingHost  # noqa: PLC0415 - where benchmarks live

    host = PlayingHost(
        tmp_path, ThreadTimers(time.time), 0.0, lambda target: [f"s3://b/{target[-1]}.txt"]
    )
    (tmp_path / "b").mkdir()
    yield lambda environment, *command: host.start(
        Launch("id:1", 1, "image", command, environment, 1.0, 100), print
    ).wait()
    host.close()


def task(name, command="true"):
    step = Step(name=name, command=command, outputs=(Output(path="x", url=f"s3://b/{name}"),))
    return taskspec.dumps(TaskSpec(name=name, status="s3://b/status/", steps=(step,)))


def single(url, text):
    """The environment of a job by itself."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"HUTCHBATCH_TASK": url, "HUTCHBATCH_TASK_SHA256": digest}


def test_a_job_of_hutchbatch_leaves_outputs_and_status(play, tmp_path):
    (tmp_path / "b" / "task").write_text(task("one"))
    assert play(single("s3://b/task", task("one"))).exit_code == 0
    assert (tmp_path / "b" / "one").is_file()
    status = taskspec.load_status((tmp_path / "b/status/id-1.1.json").read_text())
    assert (status.phase, status.exit_code) == ("done", 0)


def test_an_arrays_child_reads_its_own_part(play, tmp_path):
    tasks = [task("none"), task("mine"), task("other")]
    content, size, root = arrays.joined([each.encode() for each in tasks])
    (tmp_path / "b" / "tasks").write_bytes(content)
    done = play(
        {
            "HUTCHBATCH_TASK": "s3://b/tasks",
            "HUTCHBATCH_TASK_SHA256": root,
            "HUTCHBATCH_TASK_SIZE": str(size),
            "AWS_BATCH_JOB_ARRAY_INDEX": "1",
        }
    )
    assert done.exit_code == 0
    assert (tmp_path / "b" / "mine").is_file()
    assert not (tmp_path / "b" / "other").exists()


def test_a_command_line_of_snakemake_leaves_its_targets_outputs(play, tmp_path):
    line = "python -m snakemake --target-jobs 'one:n=1 one:n=2' --cores all"
    assert play({}, "/bin/bash", "-c", line).exit_code == 0
    assert sorted(each.name for each in (tmp_path / "b").iterdir()) == ["1.txt", "2.txt"]


def test_a_task_that_is_none_fails(play, tmp_path):
    (tmp_path / "b" / "task").write_text(text := json.dumps({"version": 0}))
    assert play(single("s3://b/task", text)).exit_code == 1


def test_the_benchmark_runs_and_counts_and_all_jobs_are_handed_over_at_once(tmp_path):
    command = [sys.executable, BENCHMARKS / "many_jobs.py", "--sizes", "110", "--peer-sizes", ""]
    done = subprocess.run(
        [
            *command,
            "--seconds",
            "0.1",
            "--keep",
            tmp_path,
            "--",
            "--seconds-between-status-checks",
            "1",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    reported = dict(line.strip().rsplit(maxsplit=1) for line in done.stdout.splitlines()[1:])
    # All at once, though Snakemake would hand over 100 a second: arrays of a few calls.
    assert "Execute 110 jobs..." in (tmp_path / "hutchbatch-110" / "output.txt").read_text()
    assert int(reported["Batch SubmitJob"]) < 10
    assert sum(name.startswith("S3 ") for name in reported) > 2
    assert float(reported["last submission, s"]) <= float(reported["in all, s"])
    assert int(reported["controller's peak memory, MB"]) > 20
