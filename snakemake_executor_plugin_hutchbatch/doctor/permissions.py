"""Which permissions a user of hutchbatch needs, and the smallest policy that gives them. Pure.

Actions: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import cast

#: What a run cannot do without, and what then happens.
NEEDED: Mapping[str, str] = {
    "batch:SubmitJob": "no job can be submitted",
    "batch:RegisterJobDefinition": "jobs in a new image cannot be submitted",
    "batch:TagResource": "no job can be submitted, because jobs have tags",
    "batch:DescribeJobs": "no job can be followed",
    "iam:PassRole": "jobs cannot get the roles that you set",
}
#: What it can do without, at a price.
USEFUL: Mapping[str, str] = {
    "batch:DescribeJobQueues": "queues are taken from the catalogue, whatever their state",
    "batch:DescribeComputeEnvironments": "what fits a queue is taken from the catalogue",
    "batch:DescribeJobDefinitions": "every run registers its job definitions again",
    "batch:ListJobs": "a job whose submission got no answer may be sent twice",
    "batch:GetJobQueueSnapshot": "how many jobs are ahead of a waiting one is not shown",
    "batch:TerminateJob": "Ctrl-C leaves your jobs running",
    "batch:CancelJob": "jobs that wait too long do not move to another queue",
    "servicequotas:GetServiceQuota": "the account's vCPU quota is not known when jobs wait for it",
    "ec2:DescribeSpotPriceHistory": "what a run cost is only known to be at most the bid",
    "logs:GetLogEvents": "the output of jobs is not shown",
    "logs:FilterLogEvents": "the output of jobs cannot be looked up by hand",
}
#: What of it only people do, by hand.
_BY_HAND = ("logs:FilterLogEvents",)
#: What fails without it in a run that was submitted, where that is something else.
_WITHOUT_THERE: Mapping[str, str] = {
    "batch:ListJobs": "jobs that were being sent when its machine was lost may be sent twice",
    "batch:TerminateJob": "the jobs of a run that is cancelled, or fails, go on",
    "logs:GetLogEvents": "the output of failed jobs is not in the run's log",
}
_TOLD = re.compile(r"not authorized to perform: (\w+:\w+)")


@dataclass(frozen=True)
class AccountContext:
    """What a policy is about. ``roles``: ARNs of those that jobs get; ``places``: S3 URLs below
    which files are read and written."""

    region: str
    account: str
    partition: str = "aws"
    log_group: str = "/aws/batch/job"
    roles: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


def of_controller(context: AccountContext) -> dict[str, str]:
    """What the role of a submitted run's Snakemake needs beyond what jobs do, and what happens
    without it."""
    needs = {**NEEDED, **USEFUL, **_WITHOUT_THERE}
    left_out = (*_BY_HAND, *(() if context.roles else ("iam:PassRole",)))
    return {action: price for action, price in needs.items() if action not in left_out}


def role_of(arn: str) -> str:
    """The name of the role as which somebody calls; a whole ARN that is none of a role's."""
    _, assumed, rest = arn.partition(":assumed-role/")
    return rest.partition("/")[0] if assumed else arn


def refused_action(message: str, asked: str) -> str:
    """The action that AWS's refusal names, otherwise the one that was tried."""
    found = _TOLD.search(message)
    return found[1] if found else asked


def policy(missing: Iterable[str], context: AccountContext) -> dict[str, object]:
    """The smallest policy (a JSON document of IAM) that allows ``missing``."""
    by_resource: dict[tuple[str, ...], list[str]] = {}
    for action in sorted(set(missing)):
        by_resource.setdefault(_resources(action, context), []).append(action)
    statements: list[dict[str, object]] = []
    for resources, actions in by_resource.items():
        statement: dict[str, object] = {"Effect": "Allow", "Action": actions}
        statement["Resource"] = list(resources)
        if actions == ["iam:PassRole"]:
            service = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
            statement["Condition"] = service
        statements.append(statement)
    return {"Version": "2012-10-17", "Statement": statements}


def role_arn(role: str, context: AccountContext) -> str:
    """The ARN of a role of the account; of a machine's only the name is known."""
    if not role or role.startswith("arn:"):
        return role
    return f"arn:{context.partition}:iam::{context.account}:role/{role}"


def role_policy(lacks: Iterable[tuple[str, str]], context: AccountContext) -> dict[str, object]:
    """The same for the jobs' role; ``lacks``: actions with places in S3."""
    by_places: dict[tuple[str, ...], list[str]] = {}
    for action in dict.fromkeys(action for action, _ in lacks):
        places = tuple(dict.fromkeys(place for known, place in lacks if known == action))
        by_places.setdefault(places, []).append(action)
    statements: list[object] = []
    for places, actions in by_places.items():
        one = policy(actions, replace(context, places=places))
        statements += cast("list[object]", one["Statement"])
    return {"Version": "2012-10-17", "Statement": statements}


def _resources(action: str, context: AccountContext) -> tuple[str, ...]:
    """What an action must be allowed on. Describe… and ListJobs know no resources."""
    batch = f"arn:{context.partition}:batch:{context.region}:{context.account}"
    definition, jobs = f"{batch}:job-definition/hutchbatch-*", f"{batch}:job/*"
    logs = f"arn:{context.partition}:logs:{context.region}:{context.account}"
    buckets = dict.fromkeys(
        place.removeprefix("s3://").partition("/")[0] for place in context.places
    )
    if action == "s3:ListBucket":
        return tuple(f"arn:{context.partition}:s3:::{bucket}" for bucket in buckets)
    if action.startswith("s3:"):
        places = (place.removeprefix("s3://").rstrip("/") for place in context.places)
        return tuple(f"arn:{context.partition}:s3:::{place}/*" for place in dict.fromkeys(places))
    if action == "iam:PassRole":
        return context.roles or (f"arn:{context.partition}:iam::{context.account}:role/*",)
    if action.startswith("logs:"):
        return (f"{logs}:log-group:{context.log_group}:*",)
    return {
        "batch:SubmitJob": (definition, f"{batch}:job-queue/*"),
        "batch:RegisterJobDefinition": (definition,),
        "batch:TagResource": (definition, jobs),
        "batch:TerminateJob": (jobs,),
        "batch:CancelJob": (jobs,),
        "batch:GetJobQueueSnapshot": (f"{batch}:job-queue/*",),
    }.get(action, ("*",))
