"""Jobs are ended in few calls, and none is forgotten."""

from test_aws import Time, patience, refused

from snakemake_executor_plugin_hutchbatch.termination import TRIES, Termination


class Account:
    """Notes whom it ended; may know no bulk calls, refuse them, or throttle."""

    def __init__(self, permitted=True, stubborn=(), throttled=0):
        self.permitted, self.stubborn, self.throttled = permitted, set(stubborn), throttled
        self.bulk, self.single = [], []

    def terminate_jobs(self, jobs, reason):
        self._may()
        if not self.permitted:
            raise refused("AccessDeniedException", 403)
        self.bulk.append(list(jobs))
        return {"errors": [{"job": j} for j in jobs if j in self.stubborn]}

    def cancel_jobs(self, jobs, reason):
        return self.terminate_jobs(jobs, reason)

    def terminate_job(self, jobId, reason):
        self._may()
        if jobId in self.stubborn:
            raise refused("AccessDeniedException", 403)
        self.single.append(jobId)

    def cancel_job(self, jobId, reason):
        self.terminate_job(jobId, reason)

    def _may(self):
        if self.throttled:
            self.throttled -= 1
            raise refused("TooManyRequestsException", 429)


def termination(account):
    return Termination(account, patience(Time(), []))


def test_jobs_are_ended_fifty_a_call_and_arrays_first():
    account, told = Account(stubborn=["j7"]), []
    singles = [f"j{i}" for i in range(110)]
    left = termination(account).end(["p", "q"], singles, "cancelled", told.append)
    assert left == ["j7"]
    assert [len(part) for part in account.bulk] == [50, 50, 12]
    assert account.bulk[0][:2] == ["p", "q"]
    assert told == [50, 100, 112]


def test_where_the_bulk_call_is_refused_or_unknown_jobs_are_ended_one_by_one():
    account = Account(permitted=False)
    assert termination(account).end([], ["a", "b"], "cancelled") == []
    assert account.single == ["a", "b"]

    class Old:
        def __init__(self):
            self.ended = []

        def terminate_job(self, jobId, reason):
            self.ended.append(jobId)

    old = Old()
    assert termination(old).end(["p"], ["a"], "cancelled") == []
    assert old.ended == ["p", "a"]


def test_throttled_calls_are_repeated_and_given_up_in_the_end():
    account = Account(throttled=3)
    assert termination(account).end([], ["a", "b"], "cancelled") == []
    assert account.bulk == [["a", "b"]]
    account = Account(throttled=TRIES)
    assert termination(account).end([], ["a", "b"], "cancelled") == ["a", "b"]
    assert account.single == []


def test_a_job_that_may_not_be_taken_out_is_told_as_such():
    left, denied = termination(Account(permitted=False, stubborn=["b"])).take_out("ab", "leaving")
    assert (left, denied) == (["b"], True)
    left, denied = termination(Account(throttled=TRIES)).take_out("ab", "leaving")
    assert (left, denied) == (["a", "b"], False)
