"""Snakemake is killed at every moment, and the same command started again."""

import re
import shutil
import signal
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import warm_start

#: Each job leaves a line when it begins and one when it ends, in a place of its own that no rule
#: knows: two jobs that ran show, and two that ran at once.
SNAKEFILE = """
    import os
    FOLDER = os.environ["TRACES"]
    GO = os.environ["GO"]
    rule all:
        input: "end.txt"
    rule quick:
        output: "quick.txt"
        resources: mem_mb=50
        shell: "echo begin $(date +%s%N) >> {FOLDER}/quick; echo quick > {output};"
               "echo end $(date +%s%N) >> {FOLDER}/quick"
    rule slow:
        input: "in.txt", "quick.txt"
        output: "{x}.slow.txt"
        resources: mem_mb=50
        shell: "end() {{ echo end $(date +%s%N) >> {FOLDER}/slow.{wildcards.x}; }}; trap end EXIT;"
               "echo begin $(date +%s%N) >> {FOLDER}/slow.{wildcards.x};"
               "while [ ! -e {GO}/{wildcards.x} ]; do sleep 0.1; done;"
               "echo {wildcards.x} | cat {input[0]} - > {output}"
    rule end:
        input: "quick.txt", expand("{x}.slow.txt", x=list("abc"))
        output: "end.txt"
        resources: mem_mb=50
        shell: "echo begin $(date +%s%N) >> {FOLDER}/end; cat {input} > {output};"
               "echo end $(date +%s%N) >> {FOLDER}/end"
"""
RESULT = "quick\nin\na\nin\nb\nin\nc\n"
SECONDS = 60


class Killable:
    """A workflow whose runs are killed, whose slow jobs end when they are told to, and whose jobs
    leave traces."""

    def __init__(self, workflow, folder):
        self.workflow = workflow
        self.log = folder / "log"
        self.traces, self.go = folder / "traces", folder / "go"
        for made in (self.traces, self.go):
            made.mkdir()
        self.variables = {"TRACES": str(self.traces), "GO": str(self.go)}
        workflow.write("Snakefile", SNAKEFILE)
        workflow.stored.mkdir(parents=True, exist_ok=True)
        (workflow.stored / "in.txt").write_text("in\n")

    @contextmanager
    def running(self, *arguments, **changes):
        """A run that is killed at the end of the block, whatever it was doing."""
        with self._started(*arguments, **changes) as process:
            yield process
            process.send_signal(signal.SIGKILL)
            process.wait(SECONDS)

    def again(self, *arguments, seen="", **changes):
        """The same command once more; slow jobs are let go once it has said ``seen``."""
        with self._started(*arguments, **changes) as process:
            until(lambda: seen in self.log.read_text(), process)
            self.release()
            code = process.wait(SECONDS)
        output = self.log.read_text()
        assert code == 0, output[-4000:]
        return output

    @contextmanager
    def _started(self, *arguments, **changes):
        with (
            self.log.open("w") as log,
            warm_start.start(
                self.workflow.command(*arguments),
                cwd=self.workflow.folder,
                env=self.workflow.environment(**self.variables, **changes),
                stdout=log,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()
                print(self.log.read_text())

    def release(self, names="abc"):
        for name in names:
            (self.go / name).touch()

    def began(self, name):
        """How often a job began."""
        path = self.traces / name
        return path.read_text().count("begin") if path.exists() else 0

    def slow(self):
        """The slow jobs that began."""
        return [x for x in "abc" if self.began(f"slow.{x}")]

    def overlaps(self, name):
        """Whether two runs of one job were under way at once."""
        lines = [line.split() for line in (self.traces / name).read_text().splitlines()]
        under_way = most = 0
        for kind, _ in sorted(lines, key=lambda line: int(line[1])):
            under_way += 1 if kind == "begin" else -1
            most = max(most, under_way)
        return most > 1

    def text(self):
        return (self.workflow.stored / "end.txt").read_text()


def until(condition, process=None):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        assert process is None or process.poll() is None, "Snakemake ended before that"
        time.sleep(0.05)


@pytest.fixture
def killable(workflow):
    # Jobs have a /tmp of their own.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Killable(workflow, Path(folder))


#: The same: each slow job succeeds in its second attempt only, which its command names, and while
#: checkpoints are to run Snakemake removes no temporary file.
SECOND_TRY = (
    (
        SNAKEFILE.replace('output: "quick.txt"', 'input: "raw.txt"\n        output: "quick.txt"')
        .replace("rule slow:", "checkpoint slow:\n        retries: 1")
        .replace(
            'output: "{x}.slow.txt"\n        resources:',
            'output: "{x}.slow.txt"\n        resources: tries=lambda wildcards, attempt: attempt,',
        )
        .replace('shell: "end()', 'shell: "test {resources.tries} = 2 || exit 1; end()')
    )
    + """
    rule raw:
        output: temp("raw.txt")
        resources: mem_mb=50
        shell: "echo raw > {output}"
"""
)


@pytest.mark.parametrize(
    "arguments",
    [[], pytest.param(["--rerun-incomplete"], marks=pytest.mark.thorough)],
    ids=["plain", "rerun"],
)
def test_running_jobs_are_followed_and_finished_ones_count(killable, arguments):
    killable.workflow.write("Snakefile", SECOND_TRY)
    # Two processors: the third slow job waits on Batch.
    with killable.running("--hutchbatch-array-size", "1") as process:
        until((killable.workflow.stored / "quick.txt").exists, process)
        until(lambda: len(killable.slow()) == 2, process)
    done, runs = killable.slow()
    killable.release(done)
    until((killable.workflow.stored / f"{done}.slow.txt").exists)
    raw = killable.workflow.stored / "raw.txt"
    assert raw.exists()
    going = f"slow x={runs}: continues from an earlier run in attempt 2"
    output = killable.again(*arguments, seen=going)
    assert killable.text() == RESULT
    assert [killable.began(n) for n in ("quick", "slow.a", "slow.b", "slow.c", "end")] == [1] * 5
    assert "its lock is removed" in output
    assert f"slow x={done}: finished in an earlier run" in output
    assert not raw.exists()
    # Both runs have ended: no later one looks for anything of them.
    assert not list((killable.workflow.stored / ".hutchbatch" / "open").glob("*"))


@pytest.mark.parametrize(
    "performed", [pytest.param(False, marks=pytest.mark.thorough), True], ids=["before", "after"]
)
def test_a_kill_within_submitjob_makes_no_job_twice(killable, performed):
    # The answer never comes: either the call is still on its way, or its job was made.
    cloud = killable.workflow.cloud
    if performed:
        cloud.fault(kind="error", operation="SubmitJob", calls=100, performed=True)
        cloud.fault(kind="delay", operation="ListJobs", ms=30_000)
    else:
        cloud.fault(kind="delay", operation="SubmitJob", ms=4_000)
    before = killable.workflow.submissions()
    with killable.running() as process:
        until(lambda: killable.workflow.submissions() > before, process)
    cloud.reset()
    killable.again()
    assert killable.text() == RESULT
    assert [killable.began(n) for n in ("quick", "slow.a", "slow.b", "slow.c", "end")] == [1] * 5


@pytest.mark.thorough
def test_what_has_changed_is_made_anew_and_never_beside_the_old_job(killable):
    workflow = killable.workflow
    with killable.running() as process:
        until(lambda: len(killable.slow()) == 2, process)
    changed = SNAKEFILE.replace("echo {wildcards.x} |", "echo {wildcards.x} NEW |")
    workflow.write("Snakefile", changed)
    ran = killable.slow()
    output = killable.again(seen="on queue")
    assert "outdated job" in output
    assert workflow.text("end.txt") == re.sub(r"\b([abc])\b", r"\1 NEW", RESULT)
    assert killable.began("quick") == 1
    assert [killable.began(f"slow.{x}") for x in ran] == [2, 2]
    assert not any(killable.overlaps(f"slow.{x}") for x in "abc")
    assert "Nothing to be done" in killable.again()


SCRIPTED = """
    import os
    rule all:
        input: "a.slow.txt", "b.slow.txt"
    rule a:
        output: "a.slow.txt"
        params: name="a", traces=os.environ["TRACES"], go=os.environ["GO"]
        resources: mem_mb=50
        script: "scripts/a.py"
    rule b:
        output: "b.slow.txt"
        params: name="b", traces=os.environ["TRACES"], go=os.environ["GO"]
        resources: mem_mb=50
        script: "scripts/b.py"
"""
SCRIPT = """
    import os, time
    from helper_{name} import WORD
    name, traces, go = snakemake.params
    def trace(word):
        with open(f"{{traces}}/slow.{{name}}", "a") as file:
            file.write(f"{{word}} {{time.time_ns()}}\\n")
    trace("begin")
    try:
        while not os.path.exists(f"{{go}}/{{name}}"):
            time.sleep(0.1)
        open(snakemake.output[0], "w").write(WORD)
    finally:
        trace("end")
"""


@pytest.mark.thorough
def test_a_changed_file_beside_a_script_is_seen_and_others_change_nothing(killable):
    workflow = killable.workflow
    workflow.write("Snakefile", SCRIPTED)
    for name in "ab":
        workflow.write(f"scripts/{name}.py", SCRIPT.format(name=name))
        workflow.write(f"scripts/helper_{name}.py", "WORD = 'old'")
    with killable.running() as process:
        until(lambda: killable.slow() == ["a", "b"], process)
    workflow.write("scripts/helper_a.py", "WORD = 'new'")
    workflow.write("scripts/unrelated.py", "x = 1")
    workflow.write("notes.txt", "nothing of a rule's")
    killable.again(seen="outdated job")
    assert [workflow.text(f"{name}.slow.txt") for name in "ab"] == ["new", "old"]
    assert [killable.began(f"slow.{name}") for name in "ab"] == [2, 1]
    assert "Nothing to be done" in killable.again()


def test_without_the_folder_jobs_are_found_by_names_and_tags(killable):
    with killable.running() as process:
        until(lambda: len(killable.slow()) == 2, process)
    shutil.rmtree(killable.workflow.folder / ".snakemake")
    killable.again(seen="continues from an earlier run")
    assert killable.text() == RESULT
    assert [killable.began(n) for n in ("quick", "slow.a", "slow.b", "slow.c", "end")] == [1] * 5


@pytest.mark.thorough
def test_a_changed_input_is_seen_also_without_the_record(killable):
    workflow = killable.workflow
    with killable.running() as process:
        until(lambda: len(killable.slow()) == 2, process)
    ran = killable.slow()
    time.sleep(1.1)  # S3 tells times in whole seconds
    (workflow.stored / "in.txt").write_text("new\n")
    record = workflow.folder / ".snakemake" / "hutchbatch" / "journal.sqlite"
    record.write_bytes(record.read_bytes()[:5000])
    # It read what has changed since.
    output = killable.again(f"{ran[0]}.slow.txt", seen="outdated job")
    assert "It is kept as journal-" in output
    assert workflow.text(f"{ran[0]}.slow.txt") == f"new\n{ran[0]}\n"
    assert killable.began(f"slow.{ran[0]}") == 2
    assert not killable.overlaps(f"slow.{ran[0]}")


@pytest.mark.thorough
def test_a_living_neighbour_keeps_its_lock_and_its_jobs(killable):
    with killable.running() as process:
        until(lambda: len(killable.slow()) == 2, process)
        refused = killable.workflow.fail(**killable.variables)
        assert "Directory cannot be locked" in refused
        assert "its lock is removed" not in refused
        assert process.poll() is None
    killable.again(seen="continues from an earlier run")
    assert killable.text() == RESULT
    assert [killable.began(f"slow.{x}") for x in "abc"] == [1] * 3
