"""Array jobs and dependencies."""

from __future__ import annotations

from snakemake_executor_plugin_hutchbatch.local.batch import ManualClock
from snakemake_executor_plugin_hutchbatch.local.hosts import Exit


def failing(*indexes: str):
    """A plan in which the children of these indexes fail."""

    def plan(launch):
        index = launch.environment.get("AWS_BATCH_JOB_ARRAY_INDEX", "")
        return 10.0, Exit(1 if index in indexes else 0)

    return plan


def test_an_array_runs_every_child_and_counts_them(make_cloud):
    cloud = make_cloud(machine=(2, 8192))
    parent = cloud.array(5)
    found = cloud.job(parent)
    assert found["status"] == "PENDING"
    summary = found["arrayProperties"]["statusSummary"]
    assert (summary["RUNNING"], summary["RUNNABLE"]) == (2, 3)
    cloud.clock.run()
    found = cloud.job(parent)
    assert found["status"] == "SUCCEEDED"
    assert found["arrayProperties"]["size"] == 5
    assert found["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 5
    assert cloud.states[parent] == ["SUBMITTED", "PENDING", "SUCCEEDED"]


def test_children_know_their_index_and_size(cloud):
    parent = cloud.array(3)
    cloud.clock.run()
    pairs = {
        (launch.job_id, launch.environment["AWS_BATCH_JOB_ARRAY_INDEX"])
        for launch in cloud.host.launches
    }
    assert pairs == {(f"{parent}:{index}", str(index)) for index in range(3)}
    assert {each.environment["AWS_BATCH_JOB_ARRAY_SIZE"] for each in cloud.host.launches} == {"3"}
    assert cloud.job(f"{parent}:2")["arrayProperties"] == {"index": 2}


def test_one_failed_child_fails_the_parent_when_all_have_ended(make_cloud):
    cloud = make_cloud(plan=failing("1"), machine=(1, 4096))
    parent = cloud.array(3)
    cloud.clock.advance(20)
    assert cloud.status(parent) == "PENDING"
    cloud.clock.run()
    found = cloud.job(parent)
    assert (found["status"], found["statusReason"]) == ("FAILED", "Array Child Job failed")
    assert found["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 2


def test_a_dependant_waits_in_pending_for_success(cloud):
    first = cloud.submit()
    second = cloud.submit(dependsOn=[{"jobId": first}])
    assert cloud.status(second) == "PENDING"
    cloud.clock.advance(10)
    assert cloud.status(second) == "RUNNING"
    assert cloud.states[second][:3] == ["SUBMITTED", "PENDING", "RUNNABLE"]


def test_a_failed_dependency_fails_all_that_follows(make_cloud):
    cloud = make_cloud(exit_code=1)
    first = cloud.submit()
    second = cloud.submit(dependsOn=[{"jobId": first}])
    third = cloud.array(2, dependsOn=[{"jobId": second}])
    cloud.clock.run()
    for job in (second, third, f"{third}:0", f"{third}:1"):
        found = cloud.job(job)
        assert (found["status"], found["statusReason"]) == ("FAILED", "Dependent Job failed")
    late = cloud.submit(dependsOn=[{"jobId": first}])
    assert cloud.job(late)["statusReason"] == "Dependent Job failed"


def test_a_dependency_on_an_array_waits_for_all_of_it(make_cloud):
    cloud = make_cloud(machine=(1, 4096))
    array = cloud.array(2)
    after = cloud.submit(dependsOn=[{"jobId": array}])
    cloud.clock.advance(10)
    assert cloud.status(after) == "PENDING"
    cloud.clock.run()
    assert cloud.status(after) == "SUCCEEDED"


def test_an_array_waits_for_its_dependencies_before_any_child_starts(cloud):
    first = cloud.submit()
    array = cloud.array(2, dependsOn=[{"jobId": first}])
    assert [cloud.status(each) for each in (array, f"{array}:0")] == ["PENDING", "PENDING"]
    cloud.clock.run()
    assert cloud.status(array) == "SUCCEEDED"


def test_sequential_children_run_one_after_the_other(cloud):
    array = cloud.array(3, dependsOn=[{"type": "SEQUENTIAL"}])
    for index in range(3):
        running = [n for n in range(3) if cloud.status(f"{array}:{n}") == "RUNNING"]
        assert running == [index]
        cloud.clock.advance(10)
    assert cloud.status(array) == "SUCCEEDED"


def test_a_sequential_array_stops_at_the_first_failure(make_cloud):
    cloud = make_cloud(plan=failing("1"))
    array = cloud.array(4, dependsOn=[{"type": "SEQUENTIAL"}])
    cloud.clock.run()
    reasons = [cloud.job(f"{array}:{n}")["statusReason"] for n in range(4)]
    exited = "Essential container in task exited"
    assert reasons == [exited, exited, "Dependent Job failed", "Dependent Job failed"]


def test_sequential_children_wait_for_the_arrays_own_dependency_too(cloud):
    first = cloud.submit()
    array = cloud.array(2, dependsOn=[{"jobId": first}, {"type": "SEQUENTIAL"}])
    cloud.clock.advance(10)
    assert [cloud.status(f"{array}:{n}") for n in range(2)] == ["RUNNING", "PENDING"]
    cloud.clock.run()
    assert cloud.status(array) == "SUCCEEDED"


def test_n_to_n_children_wait_for_their_own_partner_only(make_cloud):
    cloud = make_cloud(plan=failing("2"), machine=(1, 4096))
    first = cloud.array(3)
    second = cloud.array(3, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
    cloud.clock.advance(10)
    assert cloud.status(f"{second}:0") == "RUNNABLE"
    assert cloud.status(f"{second}:1") == "PENDING"
    cloud.clock.advance(20)
    assert cloud.job(f"{second}:2")["statusReason"] == "Dependent Job failed"
    cloud.clock.run()
    assert cloud.status(f"{second}:1") == "SUCCEEDED"
    assert cloud.job(second)["statusReason"] == "Array Child Job failed"


def test_n_to_n_on_an_ended_array_takes_its_children_as_they_are(make_cloud):
    cloud = make_cloud(plan=failing("0"))
    first = cloud.array(2)
    cloud.clock.run()
    cloud.host._plan = lambda _: (1.0, Exit(0))
    second = cloud.array(2, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
    cloud.clock.run()
    assert [cloud.status(f"{second}:{n}") for n in range(2)] == ["FAILED", "SUCCEEDED"]


def test_terminating_a_parent_ends_all_children(make_cloud):
    cloud = make_cloud(machine=(1, 4096))
    array = cloud.array(3)
    cloud.call("TerminateJob", jobId=array, reason="enough")
    cloud.clock.advance(0)
    assert cloud.status(array) == "FAILED"
    assert {cloud.job(f"{array}:{n}")["statusReason"] for n in range(3)} == {"enough"}


def test_cancelling_a_parent_spares_running_children(make_cloud):
    cloud = make_cloud(machine=(1, 4096))
    array = cloud.array(3)
    cloud.call("CancelJob", jobId=array, reason="enough")
    assert [cloud.status(f"{array}:{n}") for n in range(3)] == ["RUNNING", "FAILED", "FAILED"]
    assert cloud.status(array) == "PENDING"
    cloud.clock.run()
    assert cloud.status(f"{array}:0") == "SUCCEEDED"
    assert cloud.status(array) == "FAILED"


def test_one_child_can_be_terminated(cloud):
    array = cloud.array(3)
    cloud.call("TerminateJob", jobId=f"{array}:1", reason="enough")
    cloud.clock.run()
    summary = cloud.job(array)["arrayProperties"]["statusSummary"]
    assert (summary["SUCCEEDED"], summary["FAILED"]) == (2, 1)


def test_cancelling_a_pending_job_waits_for_its_dependencies(cloud):
    first = cloud.submit()
    second = cloud.submit(dependsOn=[{"jobId": first}])
    cloud.call("CancelJob", jobId=second, reason="not needed")
    assert cloud.job(second)["isCancelled"] is True
    assert cloud.status(second) == "PENDING"
    cloud.clock.run()
    assert cloud.job(second)["statusReason"] == "not needed"
    assert len(cloud.host.launches) == 1


def test_ten_thousand_children_in_a_chain_or_at_once_are_no_trouble(make_cloud):
    cloud = make_cloud(machine=(64, 1 << 20), seconds=1.0)
    cloud.service.watch(None)
    chain = cloud.array(10_000, dependsOn=[{"type": "SEQUENTIAL"}])
    cloud.call("TerminateJob", jobId=f"{chain}:0", reason="enough")
    cloud.clock.advance(0)
    assert cloud.job(chain)["arrayProperties"]["statusSummary"]["FAILED"] == 10_000
    array = cloud.array(10_000)
    cloud.clock.run()
    assert isinstance(cloud.clock, ManualClock)
    assert cloud.status(array) == "SUCCEEDED"
