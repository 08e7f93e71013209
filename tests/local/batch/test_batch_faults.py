"""Each fault that can be set on purpose."""

from __future__ import annotations

import pytest

from snakemake_executor_plugin_hutchbatch.local.batch import BatchError

SPOT_ONLY = {
    "attempts": 3,
    "evaluateOnExit": [
        {"onStatusReason": "Host EC2*", "action": "RETRY"},
        {"onReason": "*", "action": "EXIT"},
    ],
}


def test_a_lost_host_leaves_no_exit_code(aws):
    aws.service.fault({"kind": "lose_host", "name": "al*", "after": 4})
    lost, kept = aws.submit("align"), aws.submit("sort")
    aws.clock.run()
    found = aws.job(lost)
    assert found["statusReason"].startswith("Host EC2 (instance i-0")
    assert found["statusReason"].endswith(") terminated.")
    assert "exitCode" not in found["container"]
    assert found["stoppedAt"] - found["startedAt"] == 4000
    assert aws.status(kept) == "SUCCEEDED"


def test_the_retry_strategy_decides_after_a_lost_host(aws):
    aws.service.fault({"kind": "lose_host", "after": 4, "times": 2})
    job = aws.submit(retryStrategy=SPOT_ONLY)
    aws.clock.run()
    found = aws.job(job)
    assert found["status"] == "SUCCEEDED"
    assert ["exitCode" in each["container"] for each in found["attempts"]] == [False, False, True]


def test_every_nth_start_on_a_queue_loses_its_host(aws):
    aws.service.fault({"kind": "lose_host", "queue": "cpu-spot-30", "every": 2, "after": 1})
    jobs = [aws.submit(jobQueue="cpu-spot-30") for _ in range(4)]
    other = aws.submit()
    aws.clock.run()
    states = [aws.status(each) for each in (*jobs, other)]
    assert states == ["SUCCEEDED", "FAILED", "SUCCEEDED", "FAILED", "SUCCEEDED"]


def test_a_job_that_ends_first_keeps_its_own_end(aws):
    aws.service.fault({"kind": "lose_host", "after": 60})
    job = aws.submit()
    aws.clock.run()
    assert aws.status(job) == "SUCCEEDED"


def test_a_starved_queue_starts_nothing_until_it_is_over(aws):
    aws.service.fault({"kind": "starve", "queue": "cpu-*", "seconds": 60})
    head, behind = aws.submit(jobQueue="cpu-spot-30"), aws.submit(jobQueue="cpu-spot-30")
    other = aws.submit()
    assert aws.status(other) == "RUNNING"
    reason = aws.job(head)["statusReason"]
    assert reason.startswith("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - ")
    assert "statusReason" not in aws.job(behind)
    aws.clock.advance(59)
    assert aws.status(head) == "RUNNABLE"
    aws.clock.advance(1)
    assert aws.status(head) == "RUNNING"
    assert aws.job(head).get("statusReason") is None


def test_a_starved_queue_moves_again_after_a_reset(aws):
    aws.service.fault({"kind": "starve", "reason": "UNDETERMINED - blocked"})
    job = aws.submit()
    assert aws.job(job)["statusReason"] == "UNDETERMINED - blocked"
    aws.service.reset()
    assert aws.status(job) == "RUNNING"


def refused(aws, operation, **parameters):
    try:
        aws.call(operation, **parameters)
    except BatchError as error:
        return error.status
    return None


def test_the_next_calls_are_throttled(aws):
    aws.service.fault({"kind": "throttle", "operation": "DescribeJobs", "calls": 2})
    assert refused(aws, "DescribeJobQueues") is None
    answers = [refused(aws, "DescribeJobs", jobs=[]) for _ in range(3)]
    assert answers == [429, 429, None]


def test_a_seeded_fraction_of_calls_is_throttled(make_cloud):
    def answers():
        aws = make_cloud()
        aws.service.fault({"kind": "throttle", "fraction": 0.3, "seed": 7})
        return [refused(aws, "DescribeJobs", jobs=[]) for _ in range(100)]

    one, two = answers(), answers()
    assert one == two
    assert 10 < one.count(429) < 50


def test_a_failing_call_does_nothing(aws):
    aws.service.fault({"kind": "error", "operation": "SubmitJob", "calls": 1})
    with pytest.raises(BatchError, match="ServerException"):
        aws.submit()
    assert aws.host.launches == []
    assert aws.status(aws.submit()) == "RUNNING"


def test_a_lost_answer_leaves_the_job_behind(aws):
    aws.service.fault({"kind": "error", "operation": "SubmitJob", "performed": True})
    with pytest.raises(BatchError) as caught:
        aws.submit("ghost")
    assert caught.value.status == 500
    filters = [{"name": "JOB_NAME", "values": ["ghost"]}]
    found = aws.call("ListJobs", jobQueue="mixed", filters=filters)["jobSummaryList"]
    assert [each["status"] for each in found] == ["RUNNING"]


def test_an_image_that_cannot_be_pulled_fails_the_task(aws):
    aws.service.fault({"kind": "no_image", "image": "private/*"})
    aws.define("hidden", image="private/tool:1")
    found = aws.job(aws.submit(jobDefinition="hidden"))
    assert found["statusReason"] == "Task failed to start"
    assert found["container"]["reason"].startswith("CannotPullContainerError: ")
    assert "exitCode" not in found["container"]
    assert aws.host.launches == []


def test_out_of_memory_is_137_with_its_reason(aws):
    aws.service.fault({"kind": "out_of_memory", "name": "big*", "after": 2})
    job = aws.submit("big-one")
    aws.clock.run()
    container = aws.job(job)["container"]
    assert container["exitCode"] == 137
    assert container["reason"].startswith("OutOfMemoryError: ")
    assert aws.job(job)["statusReason"] == "Essential container in task exited"


def test_an_outage_lasts_its_time(aws):
    aws.service.fault({"kind": "outage", "seconds": 30})
    assert aws.service.service_faults.verdict("batch", "AKIA") == "cut"
    aws.clock.advance(30)
    assert aws.service.service_faults.verdict("batch", "AKIA") is None


def test_delays_add_up_by_operation(aws):
    aws.service.fault({"kind": "delay", "ms": 40})
    aws.service.fault({"kind": "delay", "ms": 10, "operation": "Submit*"})
    assert aws.service.delay("DescribeJobs") == pytest.approx(0.04)
    assert aws.service.delay("SubmitJob") == pytest.approx(0.05)


def test_calls_and_errors_are_counted_until_a_reset(aws):
    aws.service.reset()
    aws.submit()
    refused(aws, "ListJobs")
    assert aws.service.calls() == {
        "calls": {"SubmitJob": 1, "ListJobs": 1},
        "errors": {"ListJobs": 1},
    }
    aws.service.reset()
    assert aws.service.calls() == {"calls": {}, "errors": {}}


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({}, "kind should be one of"),
        ({"kind": "flood"}, "kind should be one of"),
        ({"kind": "delay", "seconds": 1}, "no field seconds"),
        ({"kind": "delay", "ms": "40"}, "ms should be of type"),
        ({"kind": "error", "calls": True}, "calls should be of type"),
        ({"kind": "lose_host", "every": 0}, "at least 1"),
    ],
    ids=str,
)
def test_a_senseless_fault_is_refused_in_a_sentence(aws, form, message):
    with pytest.raises(ValueError, match=message):
        aws.service.fault(form)


def test_a_forgotten_job_is_left_out_for_a_time_and_runs_on(aws):
    job = aws.submit("one")
    aws.service.fault({"kind": "forget", "name": "on*", "seconds": 30})
    assert aws.service.call("DescribeJobs", {"jobs": [job]}) == {"jobs": []}
    aws.clock.advance(31)
    assert aws.job(job)["status"] == "SUCCEEDED"


def test_a_host_that_gives_notice_leaves_the_containers_own_end(aws):
    aws.service.fault({"kind": "lose_host", "after": 4, "notice": 120, "times": 1})
    job = aws.submit(retryStrategy=SPOT_ONLY)
    aws.clock.run()
    found = aws.job(job)
    assert (found["status"], found["statusReason"]) == (
        "FAILED",
        "Essential container in task exited",
    )
    assert found["container"]["exitCode"] == 143
    assert found["stoppedAt"] - found["startedAt"] == 4000


def test_a_container_that_heeds_no_signal_goes_with_its_host(make_cloud):
    aws = make_cloud(stubborn=True, seconds=600)
    aws.define()
    aws.service.fault({"kind": "lose_host", "after": 4, "notice": 20, "times": 1})
    job = aws.submit()
    aws.clock.run()
    assert aws.job(job)["statusReason"].startswith("Host EC2 (instance i-0")


def test_a_start_fails_in_whatever_words(aws):
    words = "CannotPullContainerError: unexpected EOF"
    aws.service.fault({"kind": "cannot_start", "name": "al*", "reason": words, "times": 1})
    aws.service.fault({"kind": "cannot_start", "name": "so*", "status_reason": words, "times": 1})
    aws.service.fault({"kind": "no_image", "error": "not found", "in_status": True, "times": 1})
    jobs = [aws.job(aws.submit(name)) for name in ("align", "sort", "call", "plot")]
    aws.clock.run()
    reported = [(job["container"].get("reason"), job.get("statusReason")) for job in jobs]
    assert reported[:3] == [
        (words, "Task failed to start"),
        (None, words),
        (None, "CannotPullContainerError: not found busybox"),
    ]
    assert all("startedAt" not in job for job in jobs[:3])


def test_a_queues_time_limit_cancels_what_is_runnable(aws):
    reason = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"
    aws.service.fault(
        {"kind": "time_limit", "queue": "cpu-*", "reason": reason, "seconds": 600, "times": 1}
    )
    held, other = aws.submit(jobQueue="cpu-spot-30"), aws.submit(jobQueue="cpu-spot-30")
    assert (aws.status(held), aws.job(held)["statusReason"]) == ("RUNNABLE", reason)
    aws.clock.run()
    found = aws.job(held)
    assert found["status"] == "FAILED"
    assert found["statusReason"] == f"Canceled by JobStateTimeLimit action due to reason: {reason}"
    assert "startedAt" not in found
    assert aws.status(other) == "SUCCEEDED"


@pytest.mark.parametrize("operation", ["TerminateJobs", "CancelJobs"])
def test_bulk_calls_tell_of_single_jobs_that_were_not_ended(aws, operation):
    aws.service.fault(
        {
            "kind": "not_ended",
            "operation": operation,
            "name": "al*",
            "code": "AccessDenied",
            "message": "no",
            "times": 1,
        }
    )
    aws.service.fault({"kind": "starve"})
    align, sort = aws.submit("align"), aws.submit("sort")
    answer = aws.call(operation, jobs=[align, sort], reason="enough")
    assert answer["successful"] == [sort]
    assert answer["errors"] == [{"job": align, "code": "AccessDenied", "message": "no"}]
    assert (aws.status(align), aws.status(sort)) == ("RUNNABLE", "FAILED")
    assert aws.call(operation, jobs=[align], reason="enough")["successful"] == [align]
