"""AWS's bad days cost nobody a job."""

FOUR = """
    rule all:
        input: expand("{x}.txt", x=range(4))
    rule a:
        output: "{x}.txt"
        resources: mem_mb=50
        shell: "echo {wildcards.x} > {output}; sleep 1"
"""


def _right(workflow):
    assert [workflow.text(f"{x}.txt") for x in range(4)] == [f"{x}\n" for x in range(4)]


def test_throttled_calls_are_repeated(workflow):
    workflow.write("Snakefile", FOUR)
    for operation in ("DescribeJobQueues", "SubmitJob", "DescribeJobs", "RegisterJobDefinition"):
        workflow.cloud.fault(kind="throttle", operation=operation, calls=3)
    workflow.succeed()
    _right(workflow)


def test_a_submission_whose_answer_is_lost_makes_one_job(workflow):
    workflow.write("Snakefile", FOUR)
    workflow.cloud.fault(kind="error", operation="SubmitJob", calls=2, performed=True)
    workflow.succeed()
    _right(workflow)
    listed = workflow.client("batch").list_jobs(
        jobQueue="cpu-spot-50", filters=[{"name": "JOB_NAME", "values": ["*-a-*"]}]
    )["jobSummaryList"]
    ours = {j["jobName"] for j in listed}
    assert len(listed) == len(ours)


def test_an_outage_of_batch_fails_no_job(workflow):
    workflow.write("Snakefile", FOUR)
    workflow.cloud.fault(kind="error", operation="DescribeJobs", calls=4)
    workflow.succeed()
    _right(workflow)


def test_a_lost_spot_host_is_not_noticed(workflow):
    workflow.write("Snakefile", FOUR)
    workflow.cloud.fault(kind="lose_host", name="*-a-1-*", after=0.3, times=1)
    workflow.succeed("--retries", "0")
    _right(workflow)
