"""Array jobs and dependencies."""

from __future__ import annotations

from snakemake_executor_plugin_hutchbatch.local.batch import ManualClock
from snakemake_executor_plugin_hutchbatch.local.hosts.host import Exit


def failing(*indexes: str):
    """A plan in which the children of these indexes fail."""

    def plan(launch):
        index = launch.environment.get("AWS_BATCH_JOB_ARRAY_INDEX", "")
        return 10.0, Exit(1 if index in indexes else 0)

    return plan


def test_an_array_runs_every_child_and_counts_them(make_cloud):
    aws = make_cloud(machine=(2, 8192))
    parent = aws.array(5)
    found = aws.job(parent)
    assert found["status"] == "PENDING"
    summary = found["arrayProperties"]["statusSummary"]
    assert (summary["RUNNING"], summary["RUNNABLE"]) == (2, 3)
    aws.clock.run()
    found = aws.job(parent)
    assert found["status"] == "SUCCEEDED"
    assert found["arrayProperties"]["size"] == 5
    assert found["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 5
    assert aws.states[parent] == ["SUBMITTED", "PENDING", "SUCCEEDED"]


def test_children_know_their_index_and_size(aws):
    parent = aws.array(3)
    aws.clock.run()
    pairs = {
        (launch.job_id, launch.environment["AWS_BATCH_JOB_ARRAY_INDEX"])
        for launch in aws.host.launches
    }
    assert pairs == {(f"{parent}:{index}", str(index)) for index in range(3)}
    assert {each.environment["AWS_BATCH_JOB_ARRAY_SIZE"] for each in aws.host.launches} == {"3"}
    assert aws.job(f"{parent}:2")["arrayProperties"] == {"index": 2}


def test_one_failed_child_fails_the_parent_when_all_have_ended(make_cloud):
    aws = make_cloud(plan=failing("1"), machine=(1, 4096))
    parent = aws.array(3)
    aws.clock.advance(20)
    assert aws.status(parent) == "PENDING"
    aws.clock.run()
    found = aws.job(parent)
    assert (found["status"], found["statusReason"]) == ("FAILED", "Array Child Job failed")
    assert found["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 2


def test_a_dependant_waits_in_pending_for_success(aws):
    first = aws.submit()
    second = aws.submit(dependsOn=[{"jobId": first}])
    assert aws.status(second) == "PENDING"
    aws.clock.advance(10)
    assert aws.status(second) == "RUNNING"
    assert aws.states[second][:3] == ["SUBMITTED", "PENDING", "RUNNABLE"]


def test_a_failed_dependency_fails_all_that_follows(make_cloud):
    aws = make_cloud(exit_code=1)
    first = aws.submit()
    second = aws.submit(dependsOn=[{"jobId": first}])
    third = aws.array(2, dependsOn=[{"jobId": second}])
    aws.clock.run()
    for job in (second, third, f"{third}:0", f"{third}:1"):
        found = aws.job(job)
        assert (found["status"], found["statusReason"]) == ("FAILED", "Dependent Job failed")
    late = aws.submit(dependsOn=[{"jobId": first}])
    assert aws.job(late)["statusReason"] == "Dependent Job failed"


def test_a_dependency_on_an_array_waits_for_all_of_it(make_cloud):
    aws = make_cloud(machine=(1, 4096))
    array = aws.array(2)
    after = aws.submit(dependsOn=[{"jobId": array}])
    aws.clock.advance(10)
    assert aws.status(after) == "PENDING"
    aws.clock.run()
    assert aws.status(after) == "SUCCEEDED"


def test_an_array_waits_for_its_dependencies_before_any_child_starts(aws):
    first = aws.submit()
    array = aws.array(2, dependsOn=[{"jobId": first}])
    assert [aws.status(each) for each in (array, f"{array}:0")] == ["PENDING", "PENDING"]
    aws.clock.run()
    assert aws.status(array) == "SUCCEEDED"


def test_sequential_children_run_one_after_the_other(aws):
    array = aws.array(3, dependsOn=[{"type": "SEQUENTIAL"}])
    for index in range(3):
        running = [n for n in range(3) if aws.status(f"{array}:{n}") == "RUNNING"]
        assert running == [index]
        aws.clock.advance(10)
    assert aws.status(array) == "SUCCEEDED"


def test_a_sequential_array_stops_at_the_first_failure(make_cloud):
    aws = make_cloud(plan=failing("1"))
    array = aws.array(4, dependsOn=[{"type": "SEQUENTIAL"}])
    aws.clock.run()
    reasons = [aws.job(f"{array}:{n}")["statusReason"] for n in range(4)]
    exited = "Essential container in task exited"
    assert reasons == [exited, exited, "Dependent Job failed", "Dependent Job failed"]


def test_sequential_children_wait_for_the_arrays_own_dependency_too(aws):
    first = aws.submit()
    array = aws.array(2, dependsOn=[{"jobId": first}, {"type": "SEQUENTIAL"}])
    aws.clock.advance(10)
    assert [aws.status(f"{array}:{n}") for n in range(2)] == ["RUNNING", "PENDING"]
    aws.clock.run()
    assert aws.status(array) == "SUCCEEDED"


def test_n_to_n_children_wait_for_their_own_partner_only(make_cloud):
    aws = make_cloud(plan=failing("2"), machine=(1, 4096))
    first = aws.array(3)
    second = aws.array(3, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
    aws.clock.advance(10)
    assert aws.status(f"{second}:0") == "RUNNABLE"
    assert aws.status(f"{second}:1") == "PENDING"
    aws.clock.advance(20)
    assert aws.job(f"{second}:2")["statusReason"] == "Dependent Job failed"
    aws.clock.run()
    assert aws.status(f"{second}:1") == "SUCCEEDED"
    assert aws.job(second)["statusReason"] == "Array Child Job failed"


def test_n_to_n_on_an_ended_array_takes_its_children_as_they_are(make_cloud):
    aws = make_cloud(plan=failing("0"))
    first = aws.array(2)
    aws.clock.run()
    aws.host._plan = lambda _: (1.0, Exit(0))
    second = aws.array(2, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
    aws.clock.run()
    assert [aws.status(f"{second}:{n}") for n in range(2)] == ["FAILED", "SUCCEEDED"]


def test_terminating_a_parent_ends_all_children(make_cloud):
    aws = make_cloud(machine=(1, 4096))
    array = aws.array(3)
    aws.call("TerminateJob", jobId=array, reason="enough")
    aws.clock.advance(0)
    assert aws.status(array) == "FAILED"
    assert {aws.job(f"{array}:{n}")["statusReason"] for n in range(3)} == {"enough"}


def test_cancelling_a_parent_spares_running_children(make_cloud):
    aws = make_cloud(machine=(1, 4096))
    array = aws.array(3)
    aws.call("CancelJob", jobId=array, reason="enough")
    assert [aws.status(f"{array}:{n}") for n in range(3)] == ["RUNNING", "FAILED", "FAILED"]
    assert aws.status(array) == "PENDING"
    aws.clock.run()
    assert aws.status(f"{array}:0") == "SUCCEEDED"
    assert aws.status(array) == "FAILED"


def test_one_child_can_be_terminated(aws):
    array = aws.array(3)
    aws.call("TerminateJob", jobId=f"{array}:1", reason="enough")
    aws.clock.run()
    summary = aws.job(array)["arrayProperties"]["statusSummary"]
    assert (summary["SUCCEEDED"], summary["FAILED"]) == (2, 1)


def test_cancelling_a_pending_job_waits_for_its_dependencies(aws):
    first = aws.submit()
    second = aws.submit(dependsOn=[{"jobId": first}])
    aws.call("CancelJob", jobId=second, reason="not needed")
    assert aws.job(second)["isCancelled"] is True
    assert aws.status(second) == "PENDING"
    aws.clock.run()
    assert aws.job(second)["statusReason"] == "not needed"
    assert len(aws.host.launches) == 1


def test_ten_thousand_children_in_a_chain_or_at_once_are_no_trouble(make_cloud):
    aws = make_cloud(machine=(64, 1 << 20), seconds=1.0)
    aws.service.watch(None)
    chain = aws.array(10_000, dependsOn=[{"type": "SEQUENTIAL"}])
    aws.call("TerminateJob", jobId=f"{chain}:0", reason="enough")
    aws.clock.advance(0)
    assert aws.job(chain)["arrayProperties"]["statusSummary"]["FAILED"] == 10_000
    array = aws.array(10_000)
    aws.clock.run()
    assert isinstance(aws.clock, ManualClock)
    assert aws.status(array) == "SUCCEEDED"
