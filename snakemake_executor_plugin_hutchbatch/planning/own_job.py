"""The plan of a job that is hutchbatch's own, not a rule's. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..queues.choice import Ladder
from ..settings.options import ExecutorSettings
from ..settings.values import unless_none
from . import naming
from .plan import Budgets, JobPlan, Site, batch_user
from .requirements import Request

_NONE: Mapping[str, str] = {}


def run_tags(site: Site) -> dict[str, str]:
    """Those by which jobs of a run are found."""
    return {
        "hutchbatch-run": naming.tag_value(site.run_id),
        "hutchbatch-user": naming.tag_value(site.user),
    }


def plan(
    settings: ExecutorSettings,
    region: str | None,
    label: str,
    rule: str,
    job_name: str,
    image: str,
    needs: Request,
    ladder: Ladder,
    budgets: Budgets,
    *,
    tags: Mapping[str, str] = _NONE,
    environment: Mapping[str, str] = _NONE,
) -> JobPlan:
    """``rule``: what tags have in place of a rule's name; ``tags``: beside that and the user's own;
    ``environment``: its variables."""
    value = settings.value
    return JobPlan(
        label=label,
        rule=rule,
        job_name=job_name,
        mode="direct",
        why_not_direct=None,
        direct_only=True,
        image=image,
        vcpus=needs.vcpus,
        memory=needs.memory,
        gpus=needs.gpus,
        timeout=needs.timeout,
        queue=ladder.rungs[0],
        ladder=ladder,
        job_role=unless_none(value("job_role")),
        execution_role=unless_none(value("execution_role")),
        repository_credentials=unless_none(value("repository_credentials")),
        scratch=value("scratch"),
        aws_cli_path=unless_none(value("aws_cli_path")),
        log_group=value("log_group"),
        attempt=1,
        tags={**value("tags"), **tags, "hutchbatch-rule": rule},
        environment=environment,
        container_user=batch_user(value("container_user")),
        region=region,
        share_identifier=value("share_identifier"),
        scheduling_priority=value("scheduling_priority"),
        budgets=budgets,
    )
