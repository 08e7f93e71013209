"""Jobs are ended in few calls, and none is forgotten."""

import pytest
from aws_doubles import Time, refused, retrier

from snakemake_executor_plugin_hutchbatch.aws.termination import TRIES, Termination


class Account:
    """Notes whom it ended; may know no bulk calls, refuse them, or throttle."""

    def __init__(self, permitted=True, stubborn=(), throttled=0, code="ClientException"):
        self.permitted, self.throttled = permitted, throttled
        self.stubborn = {job: {"code": code, "message": "so it is"} for job in stubborn}
        self.passing, self.mute = set(), False
        self.bulk, self.single = [], []

    def terminate_jobs(self, jobs, reason):
        self._may()
        if not self.permitted:
            raise refused("AccessDeniedException", 403)
        self.bulk.append(list(jobs))
        errors = [{"job": j, **self.stubborn[j]} for j in jobs if j in self.stubborn]
        for error in errors:
            if error["job"] in self.passing:
                self.stubborn.pop(error["job"])
        return {"successful": [], "errors": errors} if self.mute else self._answer(jobs, errors)

    def _answer(self, jobs, errors):
        bad = {e["job"] for e in errors}
        return {"successful": [j for j in jobs if j not in bad], "errors": errors}

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
    return Termination(account, retrier(Time(), []))


def test_jobs_are_ended_fifty_a_call_and_arrays_first():
    account, reported = Account(stubborn=["j7"]), []
    singles = [f"j{i}" for i in range(110)]
    left = termination(account).end(["p", "q"], singles, "cancelled", reported.append)
    assert (left.ids, left.denied, left.why) == (["j7"], False, "ClientException: so it is")
    assert [len(part) for part in account.bulk] == [50, 50, 12]
    assert account.bulk[0][:2] == ["p", "q"]
    assert reported == [50, 100, 112]


def test_where_the_bulk_call_is_refused_or_unknown_jobs_are_ended_one_by_one():
    account = Account(permitted=False)
    assert not termination(account).end([], ["a", "b"], "cancelled")
    assert account.single == ["a", "b"]

    class Old:
        def __init__(self):
            self.ended = []

        def terminate_job(self, jobId, reason):
            self.ended.append(jobId)

    old = Old()
    assert not termination(old).end(["p"], ["a"], "cancelled")
    assert old.ended == ["p", "a"]


def test_throttled_calls_are_repeated_and_given_up_in_the_end():
    account = Account(throttled=3)
    assert not termination(account).end([], ["a", "b"], "cancelled")
    assert account.bulk == [["a", "b"]]
    account = Account(throttled=TRIES)
    left = termination(account).end([], ["a", "b"], "cancelled")
    assert (left.ids, left.denied) == (["a", "b"], False)
    assert "TooManyRequestsException" in left.why
    assert account.single == []


@pytest.mark.parametrize("code", ["ThrottlingException", "ServerException"])
def test_single_jobs_that_aws_says_to_try_again_are_tried_again_and_no_others(code):
    account = Account(stubborn=["b", "c"], code=code)
    account.passing = {"b", "c"}
    account.stubborn["d"] = {"code": "ValidationException", "message": "no id"}
    left = termination(account).end([], list("abcd"), "cancelled")
    assert (left.ids, left.why) == (["d"], "ValidationException: no id")
    assert account.bulk == [list("abcd"), ["b", "c"]]


def test_a_job_that_stays_throttled_is_given_up_and_reported():
    account, time = Account(stubborn=["b"], code="ThrottlingException"), Time()
    left = Termination(account, retrier(time, [])).end([], ["a", "b"], "cancelled")
    assert (left.ids, left.denied, left.why) == (["b"], False, "ThrottlingException: so it is")
    assert account.bulk == [["a", "b"], *[["b"]] * (TRIES - 1)]
    assert time.now > 0


def test_a_job_that_the_answer_leaves_out_is_asked_for_again():
    account = Account()
    account.mute = True
    left = termination(account).end([], ["a", "b"], "cancelled")
    assert left.ids == ["a", "b"]
    assert account.bulk == [["a", "b"]] * TRIES


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_a_job_that_may_not_be_taken_out_is_reported_as_such(code):
    left = termination(Account(permitted=False, stubborn=["b"])).take_out("ab", "leaving")
    assert (left.ids, left.denied) == (["b"], True)
    left = termination(Account(stubborn=["b"], code=code)).take_out("ab", "leaving")
    assert (left.ids, left.denied, left.why) == (["b"], True, f"{code}: so it is")
    left = termination(Account(throttled=TRIES)).take_out("ab", "leaving")
    assert (left.ids, left.denied) == (["a", "b"], False)
