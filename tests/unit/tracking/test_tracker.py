"""What a poll finds, and what it does not lose."""

from aws_doubles import Time, refused

from snakemake_executor_plugin_hutchbatch.tracking.news import (
    LOST_AFTER_POLLS,
    LOST_AFTER_SECONDS,
    Poll,
)
from snakemake_executor_plugin_hutchbatch.tracking.tracker import Tracker


class Batch:
    """States of jobs as an account has them; counts its calls."""

    def __init__(self, **states):
        self.states = states
        self.calls = 0
        self.broken = False

    def describe_jobs(self, jobs):
        self.calls += 1
        if self.broken:
            raise refused("ServerException", 500)
        assert len(jobs) <= 100
        return {"jobs": [{"jobId": j, "status": self.states[j]} for j in jobs if j in self.states]}


def tracker(batch, ids, said=None, time=None):
    clock = (time or Time()).clock
    made = Tracker(batch, (said if said is not None else []).append, clock)
    for job_id in ids:
        made.add(job_id, job_id.upper())
    return made


def test_ended_jobs_are_reported_once_with_what_they_were():
    batch = Batch(a="SUCCEEDED", b="RUNNING", c="FAILED")
    tracked = tracker(batch, "abc")
    found = tracked.poll()
    assert [(e.job_id, e.what) for e in found.ended] == [("a", "A"), ("c", "C")]
    assert [live.job_id for live in found.changed] == ["b"]
    assert found.started == ["B"]
    assert tracked.live_ids() == ([], ["b"])
    assert tracked.poll() == Poll()


def test_hundreds_of_jobs_are_asked_for_in_hundreds():
    ids = [f"j{i}" for i in range(250)]
    batch = Batch(**dict.fromkeys(ids, "RUNNING"))
    tracker(batch, ids).poll()
    assert batch.calls == 3


def test_a_poll_that_fails_loses_nothing_and_complains_once():
    batch, said = Batch(a="SUCCEEDED"), []
    tracked = tracker(batch, "a", said)
    batch.broken = True
    for _ in range(3):
        assert tracked.poll() == Poll()
    assert len(said) == 1
    batch.broken = False
    assert len(tracked.poll().ended) == 1


def test_an_answer_that_is_none_loses_nothing_and_is_reported_once_with_its_traceback(caplog):
    class Odd(Batch):
        def describe_jobs(self, jobs):
            return self.answer

    batch = Odd()
    batch.answer = {"html": "<p>proxy</p>"}
    tracked = tracker(batch, "ab")
    for _ in range(LOST_AFTER_POLLS + 1):
        assert tracked.poll() == Poll()
    assert caplog.text.count("Traceback") == 1
    # One job that is not understood takes no other with it.
    batch.answer = {"jobs": [{"jobId": "a", "status": "FAILED"}, {"jobId": "b"}]}
    assert [e.job_id for e in tracked.poll().ended] == ["a"]
    assert tracked.live_ids() == ([], ["b"])
    batch.answer = {"jobs": [{"jobId": "b", "status": "SUCCEEDED"}]}
    assert [e.job_id for e in tracked.poll().ended] == ["b"]


def polls(tracked, time, count):
    found = []
    for _ in range(count):
        found += tracked.poll().ended
        time.now += 10
    return found


def test_a_job_that_batch_does_not_know_for_a_while_is_not_lost():
    batch, time = Batch(), Time()
    tracked = tracker(batch, "a", time=time)
    assert polls(tracked, time, int(LOST_AFTER_SECONDS / 10)) == []
    batch.states["a"] = "RUNNING"
    assert polls(tracked, time, 1) == []
    del batch.states["a"]
    assert polls(tracked, time, int(LOST_AFTER_SECONDS / 10)) == []


def test_many_quick_polls_do_not_make_a_job_lost():
    tracked = tracker(Batch(), "a")
    assert all(tracked.poll() == Poll() for _ in range(10 * LOST_AFTER_POLLS))


def test_a_job_that_batch_no_longer_knows_is_lost():
    time = Time()
    tracked = tracker(Batch(), "a", time=time)
    (lost,) = polls(tracked, time, 20)
    assert lost.description is None
    assert tracked.live_ids() == ([], [])


# Arrays


class Arrays:
    """An account with arrays: a state for each child, and calls that are counted."""

    def __init__(self, **arrays):
        self.arrays = {name: list(states) for name, states in arrays.items()}
        self.calls = []
        self.parent = {}
        self.hidden = set()

    def describe_jobs(self, jobs):
        self.calls.append("describe")
        assert len(jobs) <= 100
        return {"jobs": [d for job in jobs if (d := self._described(job)) is not None]}

    def _described(self, job):
        parent, _, index = job.partition(":")
        if parent in self.hidden or parent not in self.arrays:
            return None
        states = self.arrays[parent]
        if index:
            return {"jobId": job, "status": states[int(index)], "attempts": [{}]}
        counts = {state: states.count(state) for state in set(states)}
        over = set(states) <= {"SUCCEEDED", "FAILED"}
        status = self.parent.get(parent) or ("SUCCEEDED" if over else "PENDING")
        return {"jobId": job, "status": status, "arrayProperties": {"statusSummary": counts}}

    def list_jobs(self, arrayJobId, jobStatus, nextToken="0"):
        self.calls.append(f"list {jobStatus}")
        found = [i for i, s in enumerate(self.arrays[arrayJobId]) if s == jobStatus]
        start, page = int(nextToken), 1000
        jobs = [
            {"jobId": f"{arrayJobId}:{i}", "status": jobStatus} for i in found[start : start + page]
        ]
        more = {"nextToken": str(start + page)} if len(found) > start + page else {}
        return {"jobSummaryList": jobs, **more}


def tracked_array(batch, name, size, time=None):
    made = Tracker(batch, [].append, (time or Time()).clock)
    made.add_array(name, [f"job {i}" for i in range(size)])
    return made


def ended(poll):
    return sorted((e.what, e.description["status"]) for e in poll.ended)


def test_an_array_of_which_nothing_is_new_costs_one_call():
    batch = Arrays(p=["RUNNING"] * 5000)
    tracked = tracked_array(batch, "p", 5000)
    tracked.poll()
    assert tracked.states() == {"RUNNING": 5000}
    batch.calls.clear()
    assert not tracked.poll()
    assert batch.calls == ["describe"]


def test_children_are_listed_only_when_a_count_changed():
    batch = Arrays(p=["RUNNING"] * 3000)
    tracked = tracked_array(batch, "p", 3000)
    tracked.poll()
    batch.calls.clear()
    batch.arrays["p"][:1500] = ["SUCCEEDED"] * 1500
    assert len(tracked.poll().ended) == 1500
    assert batch.calls == ["describe", "list SUCCEEDED", "list SUCCEEDED"]
    batch.calls.clear()
    assert not tracked.poll()
    assert batch.calls == ["describe"]


def test_a_failed_child_is_described_and_the_others_go_on():
    batch = Arrays(p=["RUNNING", "FAILED", "SUCCEEDED"])
    tracked = tracked_array(batch, "p", 3)
    poll = tracked.poll()
    assert ended(poll) == [("job 1", "FAILED"), ("job 2", "SUCCEEDED")]
    (failed,) = (e for e in poll.ended if e.description["status"] == "FAILED")
    assert failed.description["attempts"]
    assert tracked.live_count() == 1
    batch.arrays["p"][0] = "SUCCEEDED"
    assert ended(tracked.poll()) == [("job 0", "SUCCEEDED")]
    assert tracked.live_ids() == ([], [])


def test_a_parent_that_is_over_leaves_no_child_behind_even_if_its_counts_lag():
    batch = Arrays(p=["SUCCEEDED", "FAILED", "SUCCEEDED"])
    batch.parent["p"] = "FAILED"
    lagging = batch._described

    def described(job):
        reported = lagging(job)
        if ":" not in job:
            reported["arrayProperties"]["statusSummary"] = {"RUNNING": 3}
        return reported

    batch._described = described
    assert len(tracked_array(batch, "p", 3).poll().ended) == 3


def test_which_child_waits_is_known_without_asking_where_all_do_and_listed_seldom_else():
    time = Time()
    time.now = 1000.0
    batch = Arrays(p=["RUNNABLE"] * 4)
    tracked = tracked_array(batch, "p", 4, time)
    tracked.poll()
    assert len(tracked.waiting()) == 4
    assert batch.calls == ["describe"]
    batch.arrays["p"][2] = "RUNNING"
    poll = tracked.poll()
    assert poll.started
    assert sorted(live.job_id for live in tracked.waiting()) == ["p:0", "p:1", "p:3"]
    assert batch.calls == ["describe", "describe", "list RUNNING"]
    batch.arrays["p"][3] = "STARTING"
    tracked.poll()
    assert batch.calls[3:] == ["describe"]
    time.now += 60
    tracked.poll()
    assert batch.calls[4:] == ["describe", "list RUNNING", "list STARTING"] or batch.calls[4:] == [
        "describe",
        "list STARTING",
        "list RUNNING",
    ]


def test_a_list_that_breaks_off_tells_nothing_of_those_it_does_not_name():
    time = Time()
    time.now = 1000.0
    batch = Arrays(p=["RUNNABLE"] * 3 + ["RUNNING"])
    tracked = tracked_array(batch, "p", 4, time)
    whole = batch.list_jobs

    def broken(**request):
        raise refused("ServerException", 500)

    batch.list_jobs = broken
    tracked.poll()
    assert tracked.waiting() == []
    batch.list_jobs = whole
    tracked.poll()
    assert sorted(live.job_id for live in tracked.waiting()) == ["p:0", "p:1", "p:2"]


def test_an_array_that_batch_does_not_tell_of_for_a_while_is_not_lost():
    time, batch = Time(), Arrays(p=["RUNNING"] * 2)
    tracked = tracked_array(batch, "p", 2, time)
    batch.hidden.add("p")
    assert polls(tracked, time, int(LOST_AFTER_SECONDS / 10)) == []
    batch.hidden.clear()
    batch.arrays["p"] = ["SUCCEEDED"] * 2
    assert len(polls(tracked, time, 1)) == 2


def test_the_children_of_an_array_that_batch_no_longer_knows_are_lost():
    time = Time()
    tracked = tracked_array(Arrays(), "p", 2, time)
    lost = polls(tracked, time, 60)
    assert [e.description for e in lost] == [None, None]
    assert tracked.live_ids() == ([], [])
