"""Jobs of other users of the account, which the API shows like one's own. Pure."""

from __future__ import annotations

from . import jobs
from .config import BatchConfig
from .definitions import Definition
from .fleet import Queue

_RESOURCES = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "1024"}]


def foreign_submission(config: BatchConfig, queue: Queue) -> jobs.Submission:
    """What another user has sent to ``queue``."""
    name = "someone-elses"
    container = {"image": "busybox", "command": ["true"], "resourceRequirements": _RESOURCES}
    arn = config.arn("job-definition", f"{name}:1")
    definition = Definition(name, 1, arn, container, {"jobDefinitionName": name})
    request = {"jobName": name, "shareIdentifier": "other" if queue.fair_share else None}
    # First in a queue that goes by priority.
    priority = {"schedulingPriorityOverride": 9999} if queue.fair_share else {}
    return jobs.merge({**request, **priority}, definition, queue)[0]
