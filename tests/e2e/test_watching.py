"""Real runs watched from outside, and what Snakemake itself shows of them."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.cli import main
from snakemake_executor_plugin_hutchbatch.record.journal import PLACE, Journal
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.schema import Job, Placement, Run, Submission

#: A logger plugin of Snakemake's kind: writes what errors name, and whether the files are there.
LOGGER = """
from pathlib import Path
from snakemake_interface_logger_plugins.base import LogHandlerBase

class LogHandler(LogHandlerBase):
    writes_to_stream = False
    writes_to_file = True
    has_filter = has_formatter = True
    needs_rulegraph = False

    @property
    def baseFilename(self):
        return "events.txt"

    def emit(self, record):
        if getattr(record, "event", None) and record.event.value == "job_error":
            with open("events.txt", "a") as out:
                for path in record.log:
                    print(record.rule_name, Path(path).is_file(), path, file=out)
"""

SNAKEFILE = """
rule all:
    input:
        expand("ok/{{x}}.txt", x=range(3)), expand("slow/{{x}}.txt", x=range(3)),
        expand("late/{{x}}.txt", x=range(2)), "bad.txt", "later.txt"
rule ok:
    output: "ok/{{x}}.txt"
    shell: "echo out {{wildcards.x}}; echo > {{output}}"
rule bad:
    output: "bad.txt"
    log: "logs/bad.txt"
    shell: "echo no such genome; echo the tool says no > {{log}}; exit 3"
rule slow:  # after the others: this machine may have room for two jobs only
    input: "ok/0.txt", "ok/1.txt", "ok/2.txt"
    output: "slow/{{x}}.txt"
    resources: mem_mb=50
    shell: "sleep 600; echo > {{output}}"
rule late:
    input: "ok/0.txt", "ok/1.txt", "ok/2.txt"
    output: "late/{{x}}.txt"
    resources: mem_mb=51
    shell: "sleep 600; echo > {{output}}"
rule later:
    input: "late/0.txt"
    output: "later.txt"
    shell: "echo > {{output}}"
"""


class Watched:
    """A run of Snakemake that goes on, and commands beside it."""

    def __init__(self, workflow, capfd, *arguments):
        self.folder, self._capfd = workflow.folder, capfd
        self.output = workflow.folder / "output.txt"
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                workflow.command(*arguments),
                cwd=workflow.folder,
                env=workflow.environment(PYTHONPATH=_path(workflow)),
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def __call__(self, *arguments):
        """The exit code and output of a command."""
        self._capfd.readouterr()
        code = main.main([*arguments, "-d", str(self.folder)])
        reported = self._capfd.readouterr()
        return code, reported.out + reported.err

    def until(self, condition, *arguments):
        """The status once ``condition`` holds for it."""
        deadline = time.monotonic() + 120
        while True:
            if (self.folder / PLACE).exists():
                _, out = self("status", "--json", *arguments)
                seen = json.loads(out) if out.startswith("{") else {}
                if seen and condition(seen):
                    return seen
            assert time.monotonic() < deadline, self.output.read_text()[-4000:]
            time.sleep(0.3)


def _path(workflow):
    import os  # noqa: PLC0415

    plugin = workflow.folder / "plugins" / "snakemake_logger_plugin_paths"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").write_text(LOGGER)
    return f"{plugin.parent}:{os.environ.get('PYTHONPATH', '')}"


def counts(seen, rule):
    return next((r for r in seen["rules"] if r["rule"] == rule), {})


def on_batch(seen, rule):
    return sum(counts(seen, rule).get(name, 0) for name in ("waiting", "starting", "running"))


@pytest.fixture
def watched(workflow, capfd, monkeypatch):
    for name, value in workflow.cloud.environment.items():
        monkeypatch.setenv(name, value)
    workflow.write("Snakefile", SNAKEFILE.format())
    started = []

    def start(*arguments):
        started.append(Watched(workflow, capfd, *arguments))
        return started[-1]

    yield start
    for run in started:
        run.process.kill()
        run.process.wait()


def states(workflow, ids):
    found = workflow.client("batch").describe_jobs(jobs=ids)["jobs"]
    return {job["jobId"]: job["status"] for job in found}


def test_a_run_is_watched_and_ended_from_another_terminal(watched, workflow):
    run = watched("--keep-going", "--show-failed-logs", "--logger", "paths", "--verbose")
    seen = run.until(
        lambda s: (
            counts(s, "ok").get("done") == 3
            and counts(s, "bad").get("failed") == 1
            and on_batch(s, "slow") == 3
            and on_batch(s, "late") == 2
            and s["total"]["running"]
        )
    )
    assert seen["outcome"] == "running"
    assert seen["wanted"] == 11  # with rule all, as Snakemake counts
    assert seen["to_come"] == 2
    assert seen["failures"][0].startswith("bad: the command of rule bad ended with exit code 3")
    code, out = run("status")
    assert code == 0
    assert re.search(r"^Run \S+ running: 3 of 11 jobs done, 1 failed; 5 on AWS Batch", out)
    assert run("logs", "ok", "x=1") == (0, "out 1\n")
    assert "no such genome\n" in run("logs", "bad")[1]
    assert " running " in run("runs")[1]
    # One rule ends; Snakemake goes on.
    code, out = run("cancel", "--rule", "slow", "--yes")
    assert (code, "3 jobs of rule slow ended." in out) == (0, True), out
    assert "it does not try these jobs again" in out
    run.until(lambda s: counts(s, "slow")["ended"] == 3)
    assert run.process.poll() is None
    # One job ends, an array's child.
    assert "2 jobs of rule late match: add wildcards" in run("cancel", "late", "--yes")[1]
    code, out = run("cancel", "late", "x=0", "--yes")
    assert (code, out.startswith("late x=0 ended.\n")) == (0, True), out
    # Nobody can be asked here.
    code, out = run("cancel")
    assert (code, "add --yes" in out) == (2, True)
    code, out = run("cancel", "--yes")
    assert (code, out.startswith("1 job ended")) == (0, True), out
    assert run.process.wait(120) != 0
    code, out = run("status", "--watch")
    assert code == 1
    assert re.search(r"^Run \S+ cancelled: 3 of 11 jobs done, 1 failed, 5 ended\. ", out)
    # What Snakemake shows: the copies, in its own place, and to a logger plugin.
    shown = run.output.read_text()
    copies = [Path(line.split()[2]) for line in _events(run) if line.startswith("bad True")]
    assert [path.parts[:4] for path in copies] == [(".snakemake", "hutchbatch", "logs", "bad")] * 2
    texts = [(run.folder / path).read_text() for path in copies]
    assert "no such genome\n" in texts[0]
    assert texts[1] == "the tool says no\n"
    assert all(f"Logfile {path}:\n" in shown for path in copies)
    assert "False" not in "".join(_events(run))
    assert shown.count("the command of rule bad ended with exit code 3") == 1
    report = shown[shown.index("bad failed:") :]
    for said in (
        "  image: ",
        "  last lines of its output (1):\n    no such genome\n",
        "  last lines of its log logs/bad.txt (1):\n    the tool says no\n",
        f"    {copies[0]}: its output\n    {copies[1]}: its log logs/bad.txt\n",
    ):
        assert said in report
    bad = re.search(r"all of it: hutchbatch logs (\S+)", report)[1]
    out = run("logs", bad)[1]
    assert "no such genome\n" in out
    assert "the tool says no\n" in out
    jobs, results, time, cost, command, last = shown[shown.index("\nJobs: ") + 1 :].splitlines()[:6]
    assert jobs.startswith(
        "Jobs: 3 done, 1 failed (bad: 1 COMMAND), 5 ended, 2 not started; 0 starts lost to spot "
    )
    assert last == "5 jobs ended; nothing of this run is left on AWS Batch."
    assert results == f"Results: {workflow.prefix}"
    assert time.startswith("Time: ")
    assert cost.startswith("Cost: none (http://127.0.0.1")
    assert command.removeprefix("Report: hutchbatch report ") in run("runs")[1]


def _events(run):
    return (run.folder / "events.txt").read_text().splitlines()


def test_what_a_killed_snakemake_left_is_shown_and_ended(watched, workflow):
    run = watched("--quiet", "all", "--keep-going")
    run.until(
        lambda s: (
            on_batch(s, "slow") == 3
            and on_batch(s, "late") == 2
            and s["total"]["running"]
            and counts(s, "bad")["failed"]
        )
    )
    run.process.send_signal(signal.SIGKILL)
    run.process.wait()
    assert "AWS Batch" not in run.output.read_text()  # quiet means quiet
    with Reader(run.folder / PLACE) as reader:
        (kept,) = reader.rows(Run)
        late = {job.number for job in reader.rows(Job, "rule = 'late'")}
        places = reader.rows(Placement, "state NOT IN ('SUCCEEDED', 'FAILED')")
        ids = [place.batch_id for place in places]
        unanswered = next(place.submission for place in places if place.number in late)
    code, out = run("status")
    assert code == 1
    assert re.search(
        r"^Run \S+ gone: 3 of 11 jobs done, 1 failed\. Snakemake \(process \d+ on", out
    )
    assert f"'hutchbatch cancel {kept.run_id}'" in out
    # As if the answer to a SubmitJob had been lost with it.
    journal = Journal(run.folder / PLACE)
    journal.change(Submission, (unanswered,), batch_id=None)
    journal.execute("UPDATE placements SET batch_id = NULL WHERE submission = ?", unanswered)
    journal.close()
    before = workflow.cloud.calls()["calls"].get("TerminateJobs", 0)
    assert re.search(r" gone +3 of 11 +1 +0 +5 ", run("runs")[1])
    code, out = run("cancel", "--yes")
    assert (code, out) == (0, "5 jobs ended; nothing of this run is left on AWS Batch.\n")
    assert workflow.cloud.calls()["calls"]["TerminateJobs"] == before + 1
    deadline = time.monotonic() + 120
    while set(states(workflow, ids).values()) != {"FAILED"}:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    code, out = run("status", "--ask")
    assert "3 of 11 jobs done, 1 failed, 5 ended." in out
    assert "Nothing of it is left on AWS Batch" in out
    assert run("cancel", "--yes") == (0, f"Run {kept.run_id} has no jobs on AWS Batch.\n")
