"""The program of a detached run's job, as a process with an empty folder each time: killed,
stopped, replaced and cancelled."""

import hashlib
import json
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import warm_start
from test_survival import RESULT, SECONDS, SNAKEFILE, Killable, until
from workflows import LIVE, Workflow

from snakemake_executor_plugin_hutchbatch.controller import documents, saved_files, state_restore
from snakemake_executor_plugin_hutchbatch.controller.documents import Cancel, Request
from snakemake_executor_plugin_hutchbatch.controller.program import EXIT_AGAIN
from snakemake_executor_plugin_hutchbatch.planning import source_archive
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.schema import Job
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout

ID = "20260101-000000-abc"
#: Its times are for days.
PROGRAM = """
import os, sys
from snakemake_executor_plugin_hutchbatch.controller import __main__, program, saving
saving.FIRST_SAVE = saving.SAVE_SECONDS = program.WAIT_SECONDS = 0.5
sys.exit(__main__.main(sys.argv[1:], os.environ))
"""


#: The same: slow jobs fail where they are told to, and are tried twice.
TRIED_TWICE = SNAKEFILE.replace("rule slow:", "rule slow:\n        retries: 1").replace(
    "sleep 0.1; done;", "sleep 0.1; done; test ! -s {GO}/{wildcards.x} || exit 1;"
)


class Detached(Killable):
    """A submitted run. Each start of its program has an empty folder of its own."""

    def __init__(self, workflow, folder):
        super().__init__(workflow, folder)
        workflow.write("Snakefile", TRIED_TWICE)
        self.place = folder
        self.starts = 0
        self.work = f"{workflow.prefix}/work/"
        self.stored = workflow.stored / "work" / "detached" / ID
        self.environment = workflow.environment(
            **self.variables, SNAKEMAKE_HUTCHBATCH_WORK_PREFIX=self.work
        )
        snakefile = workflow.folder / "Snakefile"
        code = source_archive.pack({"Snakefile": snakefile})
        digest = hashlib.sha256(code).hexdigest()
        self._put(f"work/sources/{digest}.tar.xz", code)
        arguments = tuple(workflow.command()[3:])
        request = Request(
            ID, "jdoe", 1.0, "laptop", "/x", arguments, digest, workflow.prefix, "us-west-2",
            "jdoe-controller", "default", attempts=3,
        )  # fmt: skip
        content = documents.dumps(request)
        self._put(f"work/detached/{ID}/request.json", content)
        self.arguments = [self.work, ID, hashlib.sha256(content).hexdigest()]

    def _put(self, name, content):
        path = self.workflow.stored / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    @contextmanager
    def started(self, **changes):
        self.starts += 1
        folder = self.place / f"start-{self.starts}"
        folder.mkdir()
        with (
            (self.place / f"log-{self.starts}").open("w") as log,
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *self.arguments],
                cwd=folder,
                env={**self.environment, **changes},
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()
                print(self.said())

    def said(self):
        return (self.place / f"log-{self.starts}").read_text()

    def lease_expires(self):
        """In a moment, not in a minute and a half."""
        path = self.stored / "lease.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "seconds": 0.5}))

    def document(self, name):
        path = self.stored / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def restored(self, folder):
        """The saved state."""
        layout = WorkLayout(self.work).detached(ID)
        state_restore.fetch(self.workflow.client("s3"), layout, ID, folder)
        return folder

    def saved_jobs(self, rule):
        """How many jobs of a rule are on AWS Batch, as the saved state has it."""
        with tempfile.TemporaryDirectory() as folder:
            record = self.restored(Path(folder)) / saved_files.RECORD
            if not record.exists():
                return 0
            with Reader(record) as reader:
                return len(reader.rows(Job, "rule = ? AND state = 'sent'", rule))


@pytest.fixture
def detached(cloud, tmp_path):
    # Jobs have a /tmp of their own.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Detached(Workflow(cloud, tmp_path, f"detached-{tmp_path.name}"), Path(folder))


def test_a_controller_that_is_lost_is_replaced_and_no_job_is_sent_twice(detached):
    batch = detached.workflow.client("batch")
    with detached.started() as first:
        until(lambda: len(detached.slow()) == 2, first)
        until(lambda: detached.saved_jobs("slow") == 3, first)
        submitted = detached.workflow.submissions()
        # As it is for another machine, for which the process number says nothing.
        for mark in (detached.workflow.stored / "work" / "open").iterdir():
            mark.write_text(json.dumps({**json.loads(mark.read_text()), "host": "elsewhere"}))
        first.send_signal(signal.SIGKILL)
        first.wait(SECONDS)
    # Its Snakemake has ended with it: a failure that nobody sees counts for the next one.
    fails = detached.slow()[0]
    (detached.go / fails).write_text("fail")
    (array,) = (job["jobId"] for state in LIVE for job in jobs(batch, state))
    failed = {"arrayJobId": array, "jobStatus": "FAILED"}
    until(lambda: batch.list_jobs(**failed)["jobSummaryList"])
    (detached.go / fails).unlink()
    # Batch starts the next one elsewhere.
    detached.lease_expires()
    with detached.started() as second:
        until(lambda: "controller 2 of run" in detached.said(), second)
        until(lambda: f"slow x={fails}: failed in an earlier run" in detached.said(), second)
        until(lambda: detached.workflow.submissions() == submitted + 1, second)
        until(lambda: detached.saved_jobs("slow") == 3, second)
        second.send_signal(signal.SIGTERM)
        assert second.wait(SECONDS) == EXIT_AGAIN
    assert detached.document("outcome") is None
    # It has given the lease back: the next one need not wait.
    with detached.started() as third:
        until(lambda: "controller 3 of run" in detached.said(), third)
        goes_on = f"slow x={fails}: continues from an earlier run in attempt 2"
        until(lambda: goes_on in detached.said(), third)
        detached.release()
        assert third.wait(SECONDS) == 0
    assert detached.text() == RESULT
    assert detached.workflow.submissions() == submitted + 2  # of the second try and the last rule
    began = {name: detached.began(name) for name in ("quick", "slow.a", "slow.b", "slow.c", "end")}
    assert began == {**dict.fromkeys(began, 1), f"slow.{fails}": 2}
    outcome = detached.document("outcome")
    assert (outcome["exit_code"], outcome["fence"]) == (0, 3)
    # What Snakemake knows of all files has come along, also of those that were made unseen.
    state = detached.restored(detached.place)
    known = [json.loads(path.read_text()) for path in (state / "metadata").iterdir()]
    assert sorted(each["rule"] for each in known) == ["end", "quick", "slow", "slow", "slow"]
    assert not list((state / "incomplete").iterdir())


@pytest.mark.parametrize(
    "by", [pytest.param("the next controller", marks=pytest.mark.thorough), "hutchbatch cancel"]
)
def test_a_run_that_is_cancelled_while_it_has_no_controller_leaves_no_job(detached, by):
    with detached.started() as first:
        until(lambda: len(detached.slow()) == 2, first)
        first.send_signal(signal.SIGKILL)
    # The state was saved before the last jobs were sent, if at all.
    (detached.stored / "state" / "manifest.json").unlink()
    detached.lease_expires()
    if by == "the next controller":
        cancel = Cancel(ID, "jdoe", "laptop", 1.0)
        (detached.stored / "cancel.json").write_bytes(documents.dumps(cancel))
        with detached.started() as second:
            assert second.wait(SECONDS) == 1
        assert "Starting snakemake" not in detached.said()
    else:
        command = ("cancel", ID, "--yes", "--work-prefix", detached.work)
        done = warm_start.hutchbatch(*command, cwd=detached.place, env=detached.environment)
        assert done.returncode == 0, done.stderr
    outcome = detached.document("outcome")
    assert outcome["exit_code"] == 1
    assert outcome["cancelled_by"]
    batch = detached.workflow.client("batch")
    until(lambda: not any(jobs(batch, state) for state in LIVE))
    assert jobs(batch, "FAILED")


def jobs(batch, state):
    """In the queue that this run's jobs go to."""
    return batch.list_jobs(jobQueue="cpu-spot-50", jobStatus=state)["jobSummaryList"]
