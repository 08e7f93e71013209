"""What several unit tests use."""

from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.planning import batch_requests, supervisor_bundle
from snakemake_executor_plugin_hutchbatch.planning.supervisor_bundle import Bundle
from snakemake_executor_plugin_hutchbatch.planning.work import TaskLocation
from snakemake_executor_plugin_hutchbatch.submission.submit_job import environment


def job(plan=PLAN, endpoint=None, **changes):
    """As DescribeJobs has one that was sent for ``plan``."""
    variables = environment(
        plan,
        TaskLocation("s3://b/task", "0" * 64),
        Bundle(f"s3://b/supervisor/{supervisor_bundle.bundle_sha256()}"),
        "us-west-2",
        endpoint,
    )
    container = {
        **batch_requests.container_properties(plan),
        "environment": [{"name": k, "value": v} for k, v in variables.items()],
        "resourceRequirements": [{"type": "VCPU", "value": "64"}],
        "ulimits": [],
        "networkInterfaces": [],
        "taskArn": "arn:task",
        "logStreamName": "x/default/1",
        "exitCode": 0,
    }
    container["volumes"] = container["volumes"][::-1]
    return {"jobId": "id", "container": {**container, **changes}}
