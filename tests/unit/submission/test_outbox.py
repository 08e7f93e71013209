"""Jobs on their way out do not wait for each other."""

import logging
import threading
from types import SimpleNamespace

from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.planning.work import History, PlanPool, Work
from snakemake_executor_plugin_hutchbatch.recovery.takeover import NOT_YET
from snakemake_executor_plugin_hutchbatch.submission import outbox as module
from snakemake_executor_plugin_hutchbatch.submission.outbox import Outbox
from snakemake_executor_plugin_hutchbatch.submission.sender import PendingSubmission


def work(number, output):
    return Work(
        SimpleNamespace(),
        number,
        "a",
        f"jdoe-a-{number}",
        "",
        PLAN,
        History(),
        (output,),
        "s3://b/",
    )


class Earlier:
    """Knows of two earlier jobs: nothing of ``late`` before ``known`` was taken over."""

    def __init__(self):
        self.taken = []

    def concerns(self, outputs):
        return "new" not in outputs

    def resolve(self, work, identity):
        if work.outputs == ("late",) and "known" not in self.taken:
            return NOT_YET
        self.taken.append(work.outputs[0])
        return SimpleNamespace(batch_id=f"id-{work.number}", state="RUNNING"), work


class Batch:
    """Snakemake, the sender and the tracker in one: what happened, in order."""

    def __init__(self):
        self.happened = []
        self.all_there = threading.Event()

    def submitted(self, job, job_id):
        pass

    def divided(self, family):
        return [family]

    def send(self, family):
        return "new-job", [pending.work for pending in family]

    def add(self, batch_id, what):
        self.happened.append(batch_id)
        if len(self.happened) == 3:
            self.all_there.set()

    def wake(self):
        pass


def test_an_earlier_job_that_does_not_show_yet_holds_up_no_other(monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    batch = Batch()
    logger = logging.getLogger("outbox")
    outbox = Outbox(
        batch, logger, batch, Earlier(), batch, batch, PlanPool(), array_size=1, threads=1
    )
    for number, output in enumerate(("late", "known", "new")):
        outbox.take(PendingSubmission(work(number, output), b"{}"), "identity")
    assert batch.all_there.wait(30)
    outbox.close()
    assert sorted(batch.happened) == ["id-0", "id-1", "new-job"]
    assert batch.happened.index("id-1") < batch.happened.index("id-0")


def test_a_job_that_is_cancelled_before_it_is_sent_fails_alone():
    batch, refused = Batch(), []
    batch.rejected = lambda job, failure, work: refused.append((work.number, failure.cause.value))
    held = {3: work(3, "held")}
    hold = SimpleNamespace(drop=lambda number: held.pop(number, None), waiting=lambda: len(held))
    outbox = Outbox(
        *(batch, logging.getLogger("outbox"), batch, Earlier(), batch, batch, PlanPool()),
        array_size=1,
        threads=1,
        hold=hold,
    )
    outbox.cancel([3, 4])
    outbox.cancel([3, 4])  # as it is read at each look
    assert refused == [(3, "TERMINATED")]
    outbox.take(PendingSubmission(work(4, "new"), b"{}"), "identity")
    outbox.close()
    assert refused == [(3, "TERMINATED"), (4, "TERMINATED")]
    assert batch.happened == []
