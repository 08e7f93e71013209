"""An array's children that lose their machines are noticed, in few calls."""

from types import SimpleNamespace

from aws_doubles import Time

from snakemake_executor_plugin_hutchbatch.submission import messages
from snakemake_executor_plugin_hutchbatch.tracking.tracker import Tracker

LOST = {"statusReason": "Host EC2 (instance i-0abc) terminated."}


class Batch:
    """An array's children: states and ended attempts. ``described``: ids of children."""

    def __init__(self, *states):
        self.states, self.lost = list(states), [0] * len(states)
        self.described, self.lists = [], 0

    def describe_jobs(self, jobs):
        if jobs == ["p"]:
            counts = {state: self.states.count(state) for state in self.states}
            parent = {"jobId": "p", "status": "PENDING", "arrayProperties": {}}
            parent["arrayProperties"]["statusSummary"] = counts
            return {"jobs": [parent]}
        self.described += jobs
        return {"jobs": [self.child(int(j.partition(":")[2])) for j in jobs]}

    def child(self, n):
        attempts = [LOST] * self.lost[n]
        return {"jobId": f"p:{n}", "status": self.states[n], "attempts": attempts}

    def list_jobs(self, arrayJobId, jobStatus, **_):
        self.lists += 1
        found = [{"jobId": f"p:{n}", "status": s} for n, s in enumerate(self.states)]
        return {"jobSummaryList": [job for job in found if job["status"] == jobStatus]}


def test_children_that_wait_again_are_asked_about_and_no_others():
    batch, time = Batch(*["RUNNING"] * 50), Time()
    tracked = Tracker(batch, lambda _: None, time.clock)
    tracked.add_array("p", [f"job {n}" for n in range(50)])
    assert not tracked.poll().again
    batch.states[7], batch.lost[7] = "RUNNABLE", 1
    found = tracked.poll()
    assert [(what, len(job["attempts"])) for what, job in found.again] == [("job 7", 1)]
    assert batch.described == ["p:7"]
    # A second one soon after: the next list is not waited for.
    batch.states[9], batch.lost[9] = "RUNNABLE", 1
    assert [what for what, _ in tracked.poll().again] == ["job 9"]
    assert not tracked.poll().again


def works(count):
    plan = SimpleNamespace(rule="align", queue="spot", budgets=SimpleNamespace(spot_attempts=5))
    return [SimpleNamespace(label=f"align x={n}", plan=plan) for n in range(count)]


def test_many_that_start_again_take_two_lines():
    lines = messages.restarted((work, {"attempts": [LOST]}) for work in works(40))
    assert lines[0].startswith("align x=0: AWS Batch restarts it on spot (attempt 2 of 5; ")
    assert lines[1:] == ["The same for 39 more jobs of rule align."]
    assert len(messages.restarted((work, {"attempts": [LOST]}) for work in works(3))) == 3


def test_losses_that_no_poll_has_shown_are_said_at_the_end():
    assert messages.lost_unseen((work, 2) for work in works(5)) == [
        "5 jobs of rule align lost 10 spot machines on the way, and AWS Batch started them again: "
        "align x=0, align x=1, align x=2, and 2 more."
    ]
    assert messages.lost_unseen([]) == []
