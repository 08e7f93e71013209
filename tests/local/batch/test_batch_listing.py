"""Definitions, lists, pages, queues, environments and tags."""

from __future__ import annotations

import pytest

from snakemake_executor_plugin_hutchbatch.local.batch import BatchError


def test_each_registration_is_a_new_revision(aws):
    arn = aws.define("tool")
    assert arn == "arn:aws:batch:us-west-2:000000000000:job-definition/tool:2"
    found = aws.call("DescribeJobDefinitions", jobDefinitionName="tool")["jobDefinitions"]
    assert [each["revision"] for each in found] == [2, 1]
    assert aws.job(aws.submit())["jobDefinition"] == arn


def test_a_retired_definition_takes_no_jobs_but_can_be_seen(aws):
    aws.define("tool")
    aws.call("DeregisterJobDefinition", jobDefinition="tool:2")
    assert aws.job(aws.submit())["jobDefinition"].endswith("tool:1")
    with pytest.raises(BatchError, match="does not exist or is not in ACTIVE status"):
        aws.submit(jobDefinition="tool:2")
    by_status = {
        status: [
            each["revision"]
            for each in aws.call("DescribeJobDefinitions", status=status)["jobDefinitions"]
        ]
        for status in ("ACTIVE", "INACTIVE")
    }
    assert by_status == {"ACTIVE": [1], "INACTIVE": [2]}


def test_a_definition_is_found_by_name_revision_and_arn(aws):
    arn = aws.define("tool")
    for text in (arn, arn.rpartition(":")[0], "tool", "tool:2"):
        assert aws.job(aws.submit(jobDefinition=text))["jobDefinition"] == arn
    found = aws.call("DescribeJobDefinitions", jobDefinitions=[arn, "tool:1", "ghost:1"])
    assert [each["revision"] for each in found["jobDefinitions"]] == [2, 1]
    with pytest.raises(BatchError, match="not found"):
        aws.call("DeregisterJobDefinition", jobDefinition="ghost:1")
    with pytest.raises(BatchError, match="with a revision"):
        aws.call("DeregisterJobDefinition", jobDefinition="tool")


def test_definitions_come_in_pages(aws):
    for _ in range(6):
        aws.define("paged")
    seen, token = [], None
    while token is not None or not seen:
        more = {} if token is None else {"nextToken": token}
        page = aws.call("DescribeJobDefinitions", jobDefinitionName="paged", maxResults=4, **more)
        seen += [each["revision"] for each in page["jobDefinitions"]]
        token = page.get("nextToken")
    assert seen == [6, 5, 4, 3, 2, 1]


def ids(answer):
    return [each["jobId"] for each in answer["jobSummaryList"]]


def test_jobs_are_listed_by_state_and_running_is_the_default(make_cloud):
    aws = make_cloud(machine=(1, 4096))
    running, waiting = aws.submit(), aws.submit()
    assert ids(aws.call("ListJobs", jobQueue="mixed")) == [running]
    assert ids(aws.call("ListJobs", jobQueue="mixed", jobStatus="RUNNABLE")) == [waiting]
    assert ids(aws.call("ListJobs", jobQueue="cpu-spot-50")) == []


def test_children_are_listed_with_their_exits_and_only_by_their_array(make_cloud):
    aws = make_cloud(exit_code=4)
    array = aws.array(3)
    aws.clock.run()
    found = aws.call("ListJobs", arrayJobId=array, jobStatus="FAILED")["jobSummaryList"]
    assert [each["jobId"] for each in found] == [f"{array}:{n}" for n in range(3)]
    assert {each["container"]["exitCode"] for each in found} == {4}
    assert ids(aws.call("ListJobs", jobQueue="mixed", jobStatus="FAILED")) == [array]
    filters = [{"name": "JOB_NAME", "values": ["job"]}]
    assert ids(aws.call("ListJobs", jobQueue="mixed", filters=filters)) == [array]


def test_lists_come_in_pages_of_up_to_a_thousand(aws):
    array = aws.array(1001, containerOverrides={"command": ["x" * 8192]})
    first = aws.call("ListJobs", arrayJobId=array, jobStatus="FAILED", maxResults=5000)
    rest = aws.call("ListJobs", arrayJobId=array, jobStatus="FAILED", nextToken=first["nextToken"])
    assert [len(each["jobSummaryList"]) for each in (first, rest)] == [1000, 1]
    assert "nextToken" not in rest


def test_filters_give_the_newest_first_whatever_their_state(aws):
    old = aws.submit("Align-one")
    aws.clock.run()
    new = aws.submit("align-two")
    aws.submit("sort")

    def listed(name, value, **more):
        filters = [{"name": name, "values": [value]}]
        return ids(aws.call("ListJobs", jobQueue="mixed", filters=filters, **more))

    assert listed("JOB_NAME", "ALIGN*") == [new, old]
    assert listed("JOB_NAME", "align-one") == [old]
    assert len(listed("JOB_DEFINITION", "to*")) == 3
    assert listed("JOB_DEFINITION", "to") == []
    middle = str(round(aws.clock() * 1000) - 1)
    assert listed("BEFORE_CREATED_AT", middle) == [old]
    assert len(listed("AFTER_CREATED_AT", middle)) == 2


def test_filtered_lists_have_pages_of_a_hundred(make_cloud):
    aws = make_cloud(machine=(1, 4096))
    for _ in range(101):
        aws.submit()
    filters = [{"name": "JOB_NAME", "values": ["job"]}]
    first = aws.call("ListJobs", jobQueue="mixed", filters=filters)
    aws.submit()
    rest = aws.call("ListJobs", jobQueue="mixed", filters=filters, nextToken=first["nextToken"])
    assert [len(each["jobSummaryList"]) for each in (first, rest)] == [100, 1]


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"jobQueue": "mixed", "arrayJobId": "x"},
        {"arrayJobId": "x"},
        {"multiNodeJobId": "x"},
        {"jobQueue": "ghost"},
        {"jobQueue": "mixed", "nextToken": "nonsense"},
        {"jobQueue": "mixed", "maxResults": -1},
        {"jobQueue": "mixed", "filters": [{"name": "COLOUR", "values": ["red"]}]},
        {"jobQueue": "mixed", "filters": [{"name": "JOB_NAME", "values": []}]},
        {"jobQueue": "mixed", "filters": [{"name": "AFTER_CREATED_AT", "values": ["today"]}]},
        {"jobQueue": "mixed", "jobStatus": "DONE"},
    ],
    ids=str,
)
def test_senseless_lists_are_refused(aws, request_):
    with pytest.raises(BatchError, match="ClientException"):
        aws.service.call("ListJobs", request_)


def test_unknown_jobs_are_left_out_of_descriptions(aws):
    job = aws.submit()
    found = aws.call("DescribeJobs", jobs=[job, "unknown", job])["jobs"]
    assert [each["jobId"] for each in found] == [job]


def test_the_hutchs_queues_are_there(aws):
    queues = aws.call("DescribeJobQueues")["jobQueues"]
    names = ["cpu-spot-50", "cpu-spot-40", "cpu-spot-30", "gpu-spot-50", "mixed"]
    assert [each["jobQueueName"] for each in queues] == names
    assert {(each["state"], each["status"]) for each in queues} == {("ENABLED", "VALID")}
    arn = queues[2]["computeEnvironmentOrder"][0]["computeEnvironment"]
    found = aws.call("DescribeComputeEnvironments", computeEnvironments=[arn])
    resources = found["computeEnvironments"][0]["computeResources"]
    assert (resources["maxvCpus"], resources["bidPercentage"]) == (1000, 30)
    assert aws.call("DescribeJobQueues", jobQueues=["ghost"])["jobQueues"] == []


def test_queues_come_in_pages(aws):
    first = aws.call("DescribeJobQueues", maxResults=3)
    rest = aws.call("DescribeJobQueues", nextToken=first["nextToken"])
    assert [len(each["jobQueues"]) for each in (first, rest)] == [3, 2]


def test_tags_of_jobs_definitions_and_queues_can_be_changed(aws):
    job = aws.submit(tags={"run": "1"})
    arns = [
        aws.job(job)["jobArn"],
        aws.job(job)["jobDefinition"],
        aws.job(job)["jobQueue"],
    ]
    for arn in arns:
        aws.call("TagResource", resourceArn=arn, tags={"lab": "x", "run": "2"})
        aws.call("UntagResource", resourceArn=arn, tagKeys=["lab"])
        assert aws.call("ListTagsForResource", resourceArn=arn)["tags"] == {"run": "2"}
    assert aws.job(job)["tags"] == {"run": "2"}


def test_children_and_strangers_cannot_be_tagged(aws):
    array = aws.array(2)
    for arn in (aws.job(f"{array}:0")["jobArn"], "arn:aws:batch:us-west-2:1:job/x"):
        with pytest.raises(BatchError, match="ClientException"):
            aws.call("ListTagsForResource", resourceArn=arn)
