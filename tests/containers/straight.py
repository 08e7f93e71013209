"""Jobs as the plugin sends them, without Snakemake before it: its definition, a task, SubmitJob."""

from __future__ import annotations

import hashlib
import itertools
import time
from dataclasses import replace

from snakemake_executor_plugin_hutchbatch.planning import batch_requests, supervisor_bundle
from snakemake_executor_plugin_hutchbatch.planning.plan import JobPlan
from snakemake_executor_plugin_hutchbatch.planning.supervisor_bundle import Bundle
from snakemake_executor_plugin_hutchbatch.planning.work import TaskLocation
from snakemake_executor_plugin_hutchbatch.queues.choice import Ladder
from snakemake_executor_plugin_hutchbatch.settings.values import Mount
from snakemake_executor_plugin_hutchbatch.submission import submit_job
from snakemake_executor_plugin_hutchbatch.supervisor import taskspec

PATIENCE = 90
_number = itertools.count()


def until(condition):
    """Waits until ``condition`` gives something true, and gives it."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)
    return found


class Straight:
    """Submits tasks; ``store`` is a prefix of the local bucket."""

    def __init__(self, cloud, client) -> None:
        self.cloud = cloud
        self.batch, self.s3, self.logs = client("batch"), client("s3"), client("logs")
        self.folder = f"straight-{next(_number)}"
        self.url = f"s3://hutchbatch/{self.folder}"
        self.stored = cloud.bucket_dir / self.folder

    def submit(self, image: str, task: taskspec.TaskSpec, **container) -> str:
        number = next(_number)
        plan = JobPlan(
            label="job",
            rule="job",
            job_name=f"jdoe-straight-{number}",
            mode="direct",
            why_not_direct=None,
            direct_only=True,
            image=image,
            vcpus=1,
            memory=256,
            gpus=0,
            timeout=None,
            queue="mixed",
            ladder=Ladder(("mixed",), "set by you"),
            job_role="arn:aws:iam::000000000000:role/local-batchtask",
            scratch=Mount("/docker_scratch", "/tmp"),
            aws_cli_path="/home/ec2-user/miniconda",
            log_group="/aws/batch/job",
            attempt=1,
            conda={each.key: each.name for each in task.environments},
        )
        request = batch_requests.registration(plan)
        request["containerProperties"].update(container)
        request["jobDefinitionName"] += f"-{number}"
        arn = self.batch.register_job_definition(**request)["jobDefinitionArn"]
        key = f"supervisor/{supervisor_bundle.bundle_sha256()}"
        self.put(key, supervisor_bundle.bundle())
        task = replace(task, status=f"{self.url}/status/")
        text = taskspec.dumps(task).encode()
        self.put(f"task-{number}", text)
        bundle = Bundle(f"{self.url}/{key}")
        place = TaskLocation(f"{self.url}/task-{number}", hashlib.sha256(text).hexdigest())
        variables = submit_job.environment(plan, place, bundle, "us-west-2", None)
        sent = submit_job.submit_request(plan, plan.job_name, arn, variables, {})
        return self.batch.submit_job(**sent)["jobId"]

    def put(self, key: str, content: bytes) -> None:
        self.s3.put_object(Bucket="hutchbatch", Key=f"{self.folder}/{key}", Body=content)

    def look(self, job: str) -> dict:
        return self.batch.describe_jobs(jobs=[job])["jobs"][0]

    def ended(self, job: str) -> dict:
        def over():
            found = self.look(job)
            return found if found["status"] in ("SUCCEEDED", "FAILED") else None

        return until(over)

    def lines(self, job: str) -> list[str]:
        stream = self.look(job)["container"].get("logStreamName")
        if not stream:
            return []
        try:
            answer = self.logs.get_log_events(
                logGroupName="/aws/batch/job", logStreamName=stream, startFromHead=True
            )
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in answer["events"]]

    def until_line(self, job: str, line: str) -> None:
        until(lambda: line in self.lines(job))

    def status(self, job: str, attempt: int = 1) -> taskspec.Status:
        url = taskspec.status_url(f"{self.folder}/status/", job, attempt)
        body = self.s3.get_object(Bucket="hutchbatch", Key=url)["Body"].read()
        return taskspec.load_status(body.decode())
