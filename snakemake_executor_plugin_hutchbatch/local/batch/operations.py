"""AWS Batch's operations: each turns a request into an answer. The caller has checked the request
against the service model and holds the lock."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..json_types import Json
from . import describe, jobs, rules
from .catalogue import Catalogue
from .config import BatchConfig
from .definitions import Definitions
from .errors import not_found, refused
from .fault_kinds import NotEnded
from .jobs import Job
from .lifecycle import Lifecycle
from .listing import list_jobs
from .placement import Placement

#: AWS: GetJobQueueSnapshot, "The first 100 RUNNABLE jobs".
FRONT = 100

_JOB_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(:[0-9]+)?")

Request = Mapping[str, Json]
Answer = dict[str, Json]


class Operations:
    """Methods have the names of AWS's operations in snake case."""

    def __init__(
        self,
        config: BatchConfig,
        placement: Placement,
        lifecycle: Lifecycle,
        forgotten: Callable[[str], bool] = lambda name: False,
        not_ended: Callable[[str, str], NotEnded | None] = lambda operation, name: None,
    ) -> None:
        self._forgotten = forgotten
        self._not_ended = not_ended
        self._placement = placement
        self._lifecycle = lifecycle
        self._config = config
        self._definitions = Definitions(
            lambda name: config.arn("job-definition", name), config.account
        )
        self._catalogue = Catalogue(config, placement.used)
        self._jobs: dict[str, Job] = {}
        self._by_queue: dict[str, list[Job]] = {queue.name: [] for queue in config.queues}
        self._by_name: dict[str, Callable[[Request], Answer]] = {
            "RegisterJobDefinition": self.register_job_definition,
            "DescribeJobDefinitions": self.describe_job_definitions,
            "DeregisterJobDefinition": self.deregister_job_definition,
            "DescribeJobs": self.describe_jobs,
            "ListJobs": self.list_jobs,
            "CancelJob": self.cancel_job,
            "CancelJobs": self.cancel_jobs,
            "TerminateJob": self.terminate_job,
            "TerminateJobs": self.terminate_jobs,
            "DescribeJobQueues": self._catalogue.describe_queues,
            "DescribeComputeEnvironments": self._catalogue.describe_environments,
            "GetJobQueueSnapshot": self.get_job_queue_snapshot,
            "TagResource": self.tag_resource,
            "UntagResource": self.untag_resource,
            "ListTagsForResource": self.list_tags_for_resource,
        }

    def perform(self, operation: str, request: Request, by_job: bool = False) -> Answer:
        """``by_job``: the caller is a job."""
        if operation == "SubmitJob":
            return self.submit_job(request, by_job)
        return self._by_name[operation](request)

    # -- definitions

    def register_job_definition(self, request: Request) -> Answer:
        made = self._definitions.register(request)
        return {
            "jobDefinitionName": made.name,
            "jobDefinitionArn": made.arn,
            "revision": made.revision,
        }

    def describe_job_definitions(self, request: Request) -> Answer:
        found, token = self._definitions.describe(request)
        return {"jobDefinitions": [each.describe() for each in found], **_token(token)}

    def deregister_job_definition(self, request: Request) -> Answer:
        self._definitions.deregister(request["jobDefinition"])
        return {}

    # -- submission

    def submit_job(self, request: Request, by_job: bool) -> Answer:
        queue = self._catalogue.queue(request["jobQueue"])
        if not queue.enabled:
            raise refused(f"JobQueue {queue.name} is not in ENABLED state")
        rules.check_platform(queue.name, self._config.environments_of(queue)[0].queue_type)
        definition = self._definitions.for_submission(request["jobDefinition"])
        array = request.get("arrayProperties") or {}
        size = array.get("size") if array else None
        _check_submission(request, queue.fair_share)
        dependencies = [
            (each.get("type"), self._dependency(each, size))
            for each in request.get("dependsOn") or ()
        ]
        submission, tags = jobs.merge(request, definition, queue)
        submission = replace(submission, by_job=by_job)
        job = self._lifecycle.admit(submission, tags, size, dependencies)
        self.show(job)
        return {"jobArn": job.arn, "jobName": submission.name, "jobId": job.id}

    def show(self, job: Job) -> None:
        """Lets the API know of a job."""
        self._by_queue[job.submission.queue.name].append(job)
        self._jobs[job.id] = job
        self._jobs.update((child.id, child) for child in job.children)

    def _dependency(self, each: Mapping[str, Json], size: int | None) -> Job | None:
        job_id = each.get("jobId")
        if not job_id:
            return None
        other = self._jobs.get(job_id)
        if other is None:
            raise not_found(f"Job {job_id} does not exist")
        if each.get("type") == "N_TO_N" and len(other.children) != size:
            raise refused("N_TO_N dependencies need array jobs of the same size")
        return other

    # -- jobs

    def describe_jobs(self, request: Request) -> Answer:
        """Unknown ids are left out, as AWS does."""
        ids = request["jobs"]
        if len(ids) > rules.DESCRIBED_JOBS:
            raise refused(f"Maximum number of jobs supported is  {rules.DESCRIBED_JOBS} .")
        found = [self._jobs[each] for each in dict.fromkeys(ids) if each in self._jobs]
        kept = [j for j in found if j.is_shown and not self._forgotten(j.submission.name)]
        return {"jobs": [self._detail(job) for job in kept]}

    def _detail(self, job: Job) -> Answer:
        arn = self._catalogue.queue_arn(job.submission.queue.name)
        return describe.job_detail(job, arn, self._lifecycle.blocked(job))

    def list_jobs(self, request: Request) -> Answer:
        queue, array = request.get("jobQueue"), request.get("arrayJobId")
        if request.get("multiNodeJobId"):
            raise refused("multi-node parallel jobs are not supported")
        if bool(queue) == bool(array):
            raise refused("Exactly one of jobQueue, arrayJobId, multiNodeJobId must be specified")
        if array:
            parent = self._jobs.get(array)
            if parent is None or not parent.is_array:
                raise not_found(f"Array job {array} does not exist")
            pool = [child for child in parent.children if child.is_shown]
        else:
            pool = self._by_queue[self._catalogue.queue(str(queue)).name]
        page, token = list_jobs(request, pool, bool(array))
        summaries = [describe.job_summary(job, self._lifecycle.blocked(job)) for job in page]
        return {"jobSummaryList": summaries, **_token(token)}

    def cancel_job(self, request: Request) -> Answer:
        self._end(request, self._lifecycle.stopping.cancel)
        return {}

    def terminate_job(self, request: Request) -> Answer:
        self._end(request, self._lifecycle.stopping.terminate)
        return {}

    def cancel_jobs(self, request: Request) -> Answer:
        return self._end_many("CancelJobs", request, self._lifecycle.stopping.cancel)

    def terminate_jobs(self, request: Request) -> Answer:
        return self._end_many("TerminateJobs", request, self._lifecycle.stopping.terminate)

    def _end(self, request: Request, how: Callable[[Job, str], None]) -> None:
        rules.check_reason(request["reason"])
        job = self._jobs.get(request["jobId"])
        if job is not None:
            how(job, request["reason"])

    def _end_many(
        self, operation: str, request: Request, how: Callable[[Job, str], None]
    ) -> Answer:
        """AWS: "Jobs that can't be found are treated as successfully processed"."""
        rules.check_reason(request["reason"])
        if not 1 <= len(request["jobs"]) <= rules.BULK_JOBS:
            raise refused(f"Between 1 and {rules.BULK_JOBS} jobs must be specified")
        done, errors = [], []
        for job_id in request["jobs"]:
            if not _JOB_ID.fullmatch(job_id):
                errors.append(
                    {
                        "job": job_id,
                        "code": "ValidationException",
                        "message": "Job id is not valid",
                    }
                )
                continue
            job = self._jobs.get(job_id)
            fault = self._not_ended(operation, job.submission.name) if job else None
            if fault is not None:
                errors.append({"job": job_id, "code": fault.code, "message": fault.message})
                continue
            if job is not None:
                how(job, request["reason"])
            done.append(job_id)
        return {"successful": done, "errors": errors}

    def get_job_queue_snapshot(self, request: Request) -> Answer:
        queue = self._catalogue.queue(request["jobQueue"])
        front = self._placement.front(queue.name, FRONT)
        summaries = [
            {
                "jobArn": job.arn,
                "earliestTimeAtPosition": describe.milliseconds(job.runnable_since or job.created),
            }
            for job in front
        ]
        now = describe.milliseconds(self._lifecycle.now())
        used = self._placement.used_by_share(queue.name)
        return {
            "frontOfQueue": {"jobs": summaries, "lastUpdatedAt": now},
            "queueUtilization": describe.utilization(used, queue.fair_share, now),
        }

    # -- tags

    def tag_resource(self, request: Request) -> Answer:
        tags = self._tags(request["resourceArn"])
        rules.check_tags({**tags, **request["tags"]})
        tags.update(request["tags"])
        return {}

    def untag_resource(self, request: Request) -> Answer:
        tags = self._tags(request["resourceArn"])
        for key in request["tagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, request: Request) -> Answer:
        return {"tags": dict(self._tags(request["resourceArn"]))}

    def _tags(self, arn: str) -> dict[str, str]:
        if arn in self._catalogue.tags:
            return self._catalogue.tags[arn]
        definition = self._definitions.find(arn)
        if definition is not None:
            return definition.tags
        job = self._jobs.get(arn.rpartition("job/")[2])
        if job is not None and job.arn == arn:
            if job.parent is not None:
                raise refused("ARNs of child jobs are not supported")
            return job.tags
        raise not_found(f"Resource {arn} not found")


def _check_submission(request: Request, fair_share: bool) -> None:
    rules.check_name("Job name", request["jobName"])
    for key in (
        "nodeOverrides",
        "eksPropertiesOverride",
        "ecsPropertiesOverride",
        "consumableResourcePropertiesOverride",
    ):
        if request.get(key) is not None:
            raise refused(f"{key} is not supported")
    override = request.get("containerOverrides") or {}
    rules.check_command(override.get("command") or ())
    rules.check_environment(override.get("environment") or ())
    rules.check_resources(override.get("resourceRequirements") or ())
    if override.get("memory") is not None:
        rules.check_memory(override["memory"])
    rules.check_tags(request.get("tags") or {})
    rules.check_timeout(request.get("timeout") or {})
    rules.check_priority(request.get("schedulingPriorityOverride"))
    rules.check_share(request.get("shareIdentifier"), fair_share)
    if request.get("retryStrategy") is not None:
        rules.check_retries(request["retryStrategy"])
    array = request.get("arrayProperties") or {}
    if array:
        rules.check_array(array)
    rules.check_dependencies(request.get("dependsOn") or (), bool(array))


def _token(token: str | None) -> dict[str, str]:
    return {} if token is None else {"nextToken": token}
