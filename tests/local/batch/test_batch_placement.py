"""Who starts next, and what bounds it."""

from __future__ import annotations

from snakemake_executor_plugin_hutchbatch.local.batch import BatchConfig, ComputeEnvironment, Queue


def names(aws):
    return [aws.job(each.job_id)["jobName"] for each in aws.host.launches]


def test_the_machines_vcpus_and_memory_bound_what_runs(make_cloud):
    aws = make_cloud(machine=(4, 4096))
    for vcpus, memory in ((2, 1024), (1, 2048), (1, 2048)):
        aws.submit(**aws.needs(vcpus, memory))
    assert len(aws.host.launches) == 2
    aws.clock.advance(10)
    assert len(aws.host.launches) == 3


def test_jobs_start_in_order_of_submission(make_cloud):
    aws = make_cloud(machine=(1, 4096))
    for name in ("a", "b", "c"):
        aws.submit(name)
    aws.clock.run()
    assert names(aws) == ["a", "b", "c"]


def test_priorities_count_on_fair_share_queues_only(make_cloud):
    fair = BatchConfig(queues=(Queue("q", ("mixed",), fair_share=True),))
    plain = BatchConfig(queues=(Queue("q", ("mixed",)),))
    orders = []
    for config in (fair, plain):
        aws = make_cloud(config, machine=(1, 4096))
        share = {"shareIdentifier": "lab"} if config is fair else {}
        for name, priority in (("first", 1), ("low", 1), ("high", 9)):
            aws.submit(name, jobQueue="q", schedulingPriorityOverride=priority, **share)
        aws.clock.run()
        orders.append(names(aws))
    assert orders == [["first", "high", "low"], ["first", "low", "high"]]


def test_a_queue_of_higher_priority_goes_first(make_cloud):
    queues = (Queue("low", ("mixed",), 1), Queue("high", ("mixed",), 10))
    aws = make_cloud(BatchConfig(queues=queues), machine=(1, 4096))
    for name, queue in (("first", "low"), ("second", "low"), ("urgent", "high")):
        aws.submit(name, jobQueue=queue)
    aws.clock.run()
    assert names(aws) == ["first", "urgent", "second"]


def test_a_request_larger_than_the_machine_runs_alone_and_is_said_once(make_cloud):
    aws = make_cloud(machine=(2, 4096))
    small = aws.submit("small")
    large = aws.submit("large", **aws.needs(16, 1024))
    after = aws.submit("after")
    huge = aws.submit("huge", **aws.needs(1, 1_000_000))
    running = []
    for _ in range(4):
        jobs = (small, large, after, huge)
        running.append([each for each in jobs if aws.status(each) == "RUNNING"])
        aws.clock.advance(10)
    assert running == [[small], [large], [after], [huge]]
    assert len(aws.said) == 1
    assert aws.said[0].startswith("large ")
    assert "16 vCPUs" in aws.said[0]


def test_one_job_that_a_job_has_submitted_runs_even_where_that_one_leaves_no_room(make_cloud):
    aws = make_cloud(machine=(2, 4096))
    leader = aws.submit("leader", **aws.needs(1, 1024))
    large = aws.submit("large", **aws.needs(2, 4096))  # the user's: until the leader has ended
    request = {"jobQueue": "cpu-spot-50", "jobDefinition": aws.job(leader)["jobDefinition"]}
    parts = [
        aws.service.call(
            "SubmitJob", {"jobName": name, **request, **aws.needs(2, 4096)}, by_job=True
        )["jobId"]
        for name in ("one", "other")
    ]
    states = [aws.status(each) for each in (leader, large, *parts)]
    assert states == ["RUNNING", "RUNNABLE", "RUNNING", "RUNNABLE"]


def test_small_jobs_of_another_queue_do_not_starve_a_large_one(make_cloud):
    aws = make_cloud(machine=(4, 16384))
    aws.submit("running")
    large = aws.submit("large", **aws.needs(4))
    small = aws.submit("small", jobQueue="cpu-spot-50")
    assert aws.status(small) == "RUNNABLE"
    aws.clock.advance(10)
    assert aws.status(large) == "RUNNING"


def test_a_compute_environment_holds_no_more_than_its_vcpus(make_cloud):
    environments = (ComputeEnvironment("ce", 2), ComputeEnvironment("other", 8))
    config = BatchConfig(
        queues=(Queue("narrow", ("ce",)), Queue("wide", ("other",))),
        compute_environments=environments,
    )
    aws = make_cloud(config, machine=(64, 1 << 20))
    jobs = [aws.submit(jobQueue="narrow") for _ in range(3)]
    assert [aws.status(each) for each in jobs] == ["RUNNING", "RUNNING", "RUNNABLE"]
    assert aws.status(aws.submit(jobQueue="wide")) == "RUNNING"
    found = aws.call("DescribeComputeEnvironments")["computeEnvironments"]
    assert [each["computeResources"]["desiredvCpus"] for each in found] == [2, 1]


def test_a_second_compute_environment_takes_what_the_first_cannot(make_cloud):
    environments = (ComputeEnvironment("one", 1), ComputeEnvironment("two", 8))
    config = BatchConfig(queues=(Queue("q", ("one", "two")),), compute_environments=environments)
    aws = make_cloud(config)
    aws.submit(jobQueue="q")
    aws.submit(jobQueue="q")
    used = [each.environment["AWS_BATCH_CE_NAME"] for each in aws.host.launches]
    assert used == ["one", "two"]


def test_a_job_larger_than_its_environment_blocks_the_queue_and_says_why(make_cloud):
    aws = make_cloud(machine=(2000, 1 << 20))
    stuck = aws.submit(**aws.needs(501))
    behind = aws.submit()
    found = aws.job(stuck)
    assert found["status"] == "RUNNABLE"
    assert found["statusReason"].startswith("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - ")
    assert "statusReason" not in aws.job(behind)
    listed = aws.call("ListJobs", jobQueue="mixed", jobStatus="RUNNABLE")["jobSummaryList"]
    assert listed[0]["statusReason"] == found["statusReason"]
    aws.call("TerminateJob", jobId=stuck, reason="too large")
    assert aws.status(behind) == "RUNNING"


def test_gpus_need_a_queue_with_gpu_instances(aws):
    wrong = aws.submit(**aws.needs(gpus=1))
    reason = aws.job(wrong)["statusReason"]
    assert reason.startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - ")
    right = aws.submit(jobQueue="gpu-spot-50", **aws.needs(gpus=2))
    assert aws.status(right) == "RUNNING"
    assert aws.host.launches[-1].gpus == 2
    aws.submit(jobQueue="gpu-spot-50", **aws.needs(gpus=1))
    assert len([line for line in aws.said if "GPU" in line]) == 1


def test_more_than_the_largest_instance_of_the_queue_is_never_placed(make_cloud):
    aws = make_cloud(machine=(500, 1 << 20))
    for wanted in (aws.needs(65), aws.needs(1, 500 * 1024), aws.needs(gpus=9)):
        job = aws.submit(jobQueue="gpu-spot-50", **wanted)
        assert "JOB_RESOURCE_REQUIREMENT" in aws.job(job)["statusReason"]
        aws.call("TerminateJob", jobId=job, reason="no")


def test_the_snapshot_shows_the_first_hundred_in_order(make_cloud):
    aws = make_cloud(machine=(1, 4096))
    jobs = [aws.submit() for _ in range(103)]
    aws.call("CancelJob", jobId=jobs[1], reason="no")
    front = aws.call("GetJobQueueSnapshot", jobQueue="mixed")["frontOfQueue"]["jobs"]
    assert [each["jobArn"].rpartition("/")[2] for each in front] == jobs[2:102]
