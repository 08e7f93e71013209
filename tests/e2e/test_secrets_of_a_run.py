"""Secrets of a command line are where jobs need them, as long as they do, and nowhere else."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import suppress

from snakemake_executor_plugin_hutchbatch.record.journal import PLACE
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.schema import Job, Run
from snakemake_executor_plugin_hutchbatch.reporting import charts

TOKEN = "Zx9-hunter2-zX"
HUTCHBATCH = (sys.executable, "-m", "snakemake_executor_plugin_hutchbatch.cli.main")
WEBHOOK = "https://hooks.slack.com/services/T00/B00/hunter3hunter3"
SNAKEFILE = """
    import os
    GO = os.environ["GO"]
    rule all:
        input: "told.txt", "plain.txt", "loud.txt"
    rule reported:
        output: "told.txt"
        params: token=config["token"]
        resources: mem_mb=50
        shell: "while [ ! -e {GO} ]; do sleep 0.1; done;"
               "echo {params.token} | wc -c > {output}"
    rule plain:
        output: "plain.txt"
        resources: mem_mb=50
        shell: "echo > {output}"
    rule loud:
        input: "told.txt"
        output: "loud.txt"
        params: token=config["token"]
        resources: mem_mb=50
        shell: "echo 'Authorization: Bearer {params.token}'; echo 'it was {params.token}'; exit 3"
"""


def left(workflow):
    """(name, content) of the objects below the work prefix."""
    top = workflow.stored / ".hutchbatch"
    found = {}
    for path in top.rglob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):  # jobs write and remove meanwhile
            found[str(path.relative_to(top))] = path.read_bytes()
    return found


def of_runs(workflow, name):
    return sorted(path for path in left(workflow) if name in path)


def test_secrets_go_with_the_last_job_that_needs_them(workflow, tmp_path):
    go, log = tmp_path / "go", tmp_path / "log"
    workflow.write("Snakefile", SNAKEFILE)
    arguments = ("--keep-going", "--config", f"token={TOKEN}", f"hook={WEBHOOK}", "num=7")
    with workflow.started(*arguments, output=log.open("w"), GO=str(go)) as killed:
        deadline = time.monotonic() + 120
        while not (workflow.stored / "plain.txt").exists() or not of_runs(workflow, "private/"):
            assert time.monotonic() < deadline and killed.poll() is None, log.read_text()
            time.sleep(0.1)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    # Its job lives and may start once more: what it needs is there.
    assert len(of_runs(workflow, "config.yaml")) == 1
    assert len(of_runs(workflow, "private/")) == 1
    go.touch()
    output = workflow.fail(*arguments, GO=str(go))
    assert workflow.text("told.txt") == f"{len(TOKEN) + 1}\n"
    assert "loud failed: " in output
    # In S3, of both runs: gone, and the rest does not hold it.
    assert of_runs(workflow, "config.yaml") == of_runs(workflow, "private/") == []
    assert len(of_runs(workflow, "tasks/")) >= 1
    secrets = [TOKEN.encode(), b"hunter3"]
    for name, content in left(workflow).items():
        assert not [each for each in secrets if each in content], name
    # On this machine: in the record, its copies of logs aside, which are the job's own words.
    folder = workflow.folder / PLACE.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
            assert not [each for each in secrets if each in path.read_bytes()], path
    with Reader(workflow.folder / PLACE) as reader:
        runs, (loud,) = reader.rows(Run), reader.rows(Job, "rule = 'loud'")
    assert len(runs) == 2
    for run in runs:
        assert "--config 'token=…'" in run.command
        assert "num=7" in run.command
    assert "Authorization: …" in loud.log_end
    assert "it was …" in loud.log_end
    # In our lines; Snakemake's own tell the command and its parameters.
    report = output[output.index("loud failed: ") :].split("[", 1)[0]
    assert TOKEN not in report
    done = subprocess.run(
        [*HUTCHBATCH, "report", "-o", "page.html", "--trace", "trace.tsv"],
        cwd=workflow.folder,
        env=workflow.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    reported = done.stdout + done.stderr
    for name in ("page.html", "trace.tsv"):
        path = workflow.folder / name
        reported += path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()
    page = (workflow.folder / "page.html").read_text()
    reported += json.dumps(charts.data_of(page), ensure_ascii=False)
    assert not [each for each in secrets if each.decode() in reported]
    assert "it was …" in reported


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
