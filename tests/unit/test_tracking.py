"""What a poll finds, and what it does not lose."""

from test_aws import Time, refused

from snakemake_executor_plugin_hutchbatch.tracking import (
    LOST_AFTER_POLLS,
    LOST_AFTER_SECONDS,
    Poll,
    Tracker,
)


class Batch:
    """States of jobs as an account has them; counts its calls."""

    def __init__(self, **states):
        self.states = states
        self.calls = 0
        self.broken = False
        self.ended = []

    def describe_jobs(self, jobs):
        self.calls += 1
        if self.broken:
            raise refused("ServerException", 500)
        assert len(jobs) <= 100
        return {"jobs": [{"jobId": j, "status": self.states[j]} for j in jobs if j in self.states]}

    def terminate_job(self, jobId, reason):
        self.ended.append(jobId)


def tracker(batch, ids, said=None, time=None):
    clock = (time or Time()).clock
    made = Tracker(batch, (said if said is not None else []).append, clock)
    for job_id in ids:
        made.add(job_id, job_id.upper())
    return made


def test_ended_jobs_are_told_once_with_what_they_were():
    batch = Batch(a="SUCCEEDED", b="RUNNING", c="FAILED")
    tracked = tracker(batch, "abc")
    found = tracked.poll()
    assert [(e.job_id, e.what) for e in found.ended] == [("a", "A"), ("c", "C")]
    assert sorted(found.changed) == ["a", "b", "c"]
    assert found.started == ["B"]
    assert tracked.live_ids() == ["b"]
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
    assert tracked.live_ids() == []


class BulkBatch(Batch):
    """An account that knows TerminateJobs, and may refuse it."""

    def __init__(self, permitted=True, stubborn=(), **states):
        super().__init__(**states)
        self.permitted, self.stubborn, self.bulk = permitted, stubborn, []

    def terminate_jobs(self, jobs, reason):
        if not self.permitted:
            raise refused("AccessDeniedException", 403)
        self.bulk.append(len(jobs))
        errors = [{"job": j, "code": "x", "message": "y"} for j in jobs if j in self.stubborn]
        return {"successful": [], "errors": errors}


def test_jobs_are_terminated_fifty_a_call_and_never_twice():
    ids = [f"j{i}" for i in range(120)]
    batch = BulkBatch(stubborn=["j7"])
    tracked = tracker(batch, ids)
    assert tracked.terminate_all("cancelled") == 1
    assert batch.bulk == [50, 50, 20]
    assert tracked.terminate_all("cancelled") == 1
    assert batch.bulk == [50, 50, 20, 1]
    assert batch.ended == []


def test_where_the_bulk_call_is_refused_jobs_are_terminated_one_by_one():
    batch = BulkBatch(permitted=False)
    assert tracker(batch, "ab").terminate_all("cancelled") == 0
    assert batch.ended == ["a", "b"]


def test_all_live_jobs_are_terminated():
    batch = Batch(a="RUNNING", b="RUNNABLE")
    assert tracker(batch, "ab").terminate_all("cancelled") == 0
    assert batch.ended == ["a", "b"]
