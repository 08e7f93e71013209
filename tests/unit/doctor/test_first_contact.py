"""What a first contact makes of its jobs' output, and what it sends to others."""

import threading
from types import SimpleNamespace

import pytest
from aws_doubles import Time

from snakemake_executor_plugin_hutchbatch.doctor import contact_answers, contact_questions
from snakemake_executor_plugin_hutchbatch.doctor.contact_answers import Answer, masked
from snakemake_executor_plugin_hutchbatch.doctor.contact_jobs import TimeUp
from snakemake_executor_plugin_hutchbatch.doctor.contact_questions import Asking
from snakemake_executor_plugin_hutchbatch.settings.values import Mount

SCRATCH = """\
noise
hb mount 620 600 259:1 /docker_scratch /tmp rw,noatime - xfs /dev/nvme0n1p1 rw
hb mount 621 600 259:1 /var/lib/docker/containers/4f2a4f2a4f2a4f2a/hosts /etc/hosts rw - xfs x rw
hb mode 0:0 755
hb uid 0:0
hb df 31457280 20971520
hb kernel 6.1.0-amzn2023
hb cgroup 2
hb end
"""


def test_a_scratch_is_told_in_one_line_with_the_verdict():
    line = contact_answers.scratch(SCRATCH.splitlines(), Mount("/docker_scratch", "/tmp"))
    assert "root disk, 32.2 GB, 21.5 GB of it free" in line
    assert "/tmp root=/docker_scratch xfs /dev/nvme0n1p1 259:1" in line
    assert "/var/lib/docker/containers/…/hosts" in line
    assert "owner and mode 0:0 755; job runs as 0:0" in line
    assert "unknown" not in line


@pytest.mark.parametrize("lines", [[], ["hb"], ["hb mount x", "hb df", "hb df a b", "\x1b[2J"]])
def test_output_that_is_not_as_it_should_be_is_an_answer_too(lines):
    mount = Mount("/docker_scratch", "/tmp")
    assert "?" in contact_answers.scratch(lines, mount)
    assert "?" in contact_answers.machine(lines, "x")
    assert "not provoked" in contact_answers.spot(lines)


def test_array_children_that_start_twice_are_told():
    once, twice = {"attempts": [{}]}, {"attempts": [{}, {}]}
    assert "1 and 1 attempts of 5" in contact_answers.child_attempts([once, once], 5)
    assert contact_answers.child_attempts([once, twice], 5).endswith("NOT one each")
    assert contact_answers.child_attempts([], 5).endswith("NOT one each")


def test_lines_for_others_name_nobody():
    reported = (
        "arn:aws:iam::123456789012:role/fh-pi-doe-j-batchtask in 123456789012 on i-0abc1234def "
        "(10.1.2.3) s3://fh-pi-doe-j/x jdoe-first-contact of jdoe\n"
        "3f1c0000-aaaa-bbbb-cccc-0123456789ab "
        "token=hunter2hunter2 fh-pi-doe-j"
    )
    line = masked(reported, ("jdoe", "fh-pi-doe-j", ""))
    for word in ("1234567", "10.1.2.3", "fh-pi", "of jdoe", "aaaa-bbbb", "hunter2", "\n", "0abc"):
        assert word not in line
    assert masked("root=/x of root", ("root", "*")) == "root=/x of root"
    assert len(masked("x" * 10_000)) < 1_000


def test_the_block_is_a_title_a_line_for_each_question_and_what_stays():
    lines = contact_answers.block("T", [Answer("scratch", "fine"), Answer("spot", "?")], ())
    assert lines == ["T", "1. scratch: fine", "2. spot: ?", "Left behind: nothing."]
    assert contact_answers.block("T", [], ("a", "b"))[-1] == "Left behind: a; b."


class Jobs:
    """A job whose states come one a second; ``states``: by what is done to it."""

    def __init__(self, time, *states, after_terminate="FAILED"):
        self.time, self.states, self.done = time, list(states), []
        self.clients = SimpleNamespace(batch=self)
        self.after_terminate = after_terminate

    def submit_script(self, what, script):
        self.done.append(what)
        self.terminated = False
        return what

    def watched(self, job_id, until, pause):
        while True:
            if self.terminated:
                self.states = [self.after_terminate]
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            yield {"status": state, "statusReason": "why"}
            if state in ("SUCCEEDED", "FAILED"):
                return
            if self.time.now >= until:
                raise TimeUp(state)
            self.time.sleep(pause)

    def ended(self, job_id, until):
        return list(self.watched(job_id, until, 1.0))[-1]

    def cancel_job(self, jobId, reason):
        self.done.append("cancelled")

    def terminate_job(self, jobId, reason):
        self.done.append("terminated")
        self.terminated = True


def cancelled(*states, seconds=1200.0):
    time = Time()
    jobs = Jobs(time, *states)
    return contact_questions.cancellation(Asking(jobs, None, None, seconds, time.clock)), jobs.done


def test_how_a_cancelled_job_ends_is_told():
    line, done = cancelled("SUBMITTED", "RUNNABLE", "RUNNABLE", "RUNNABLE", "FAILED")
    assert line == "CancelJob ended it after 2 s (why)"
    assert done == ["cancel1", "cancelled"]
    line, done = cancelled("RUNNABLE")
    assert line == "still RUNNABLE 120 s after CancelJob; TerminateJob ended it after 0 s"
    assert done == ["cancel1", "cancelled", "terminated"]
    line, _ = cancelled("RUNNABLE", "RUNNABLE", "STARTING")
    assert line == "CancelJob did not keep it from STARTING after 1 s"
    line, done = cancelled("STARTING")
    assert line.startswith("not asked: each of 3 jobs started at once")
    assert done == [word for n in (1, 2, 3) for word in (f"cancel{n}", "terminated")]


def test_a_machine_is_asked_once_for_both_questions():
    asked = []

    class Once:
        def plan(self, what):
            return SimpleNamespace(aws_cli_path=None)

        def submit_script(self, what, script, job_role):
            asked.append((what, job_role))
            return "j"

        def ended(self, job_id, until):
            return {"status": "SUCCEEDED"}

        def output(self, job):
            return ["hb capacity spot", "hb end"]

    machine = contact_questions.Machine(Asking(Once(), None, None, 9.0))
    threads = [threading.Thread(target=machine.output) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [("machine", False)]
    assert "machine was spot" in contact_questions.spot_loss(machine)
