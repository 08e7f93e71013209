"""What a job definition says, so that two can be compared whole: AWS's description of one with the
request that would register it. Pure.

AWS answers a registration with more than it was given: empty lists for what was left out, a default
for some fields, lists of named things in another order. All that is evened out; whatever else
differs is a difference, fields that this module does not know included. What AWS adds and reorders
is known from what others had to even out
(https://github.com/hashicorp/terraform-provider-aws/pull/12000 and its followers) and from
https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDefinition.html.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDefinitionTypeDef

#: Which definition it is, not what it says. Others may tag what is theirs, too, for their bills.
_LABELS = ("jobDefinitionName", "jobDefinitionArn", "revision", "status", "tags")
#: What means the same as leaving the field out.
_DEFAULTS: Mapping[str, object] = {
    "containerOrchestrationType": "ECS",
    "platformCapabilities": ["EC2"],
    "retryStrategy": {"attempts": 1},
    "schedulingPriority": 0,
}
#: Lists of named things, which AWS may give back in any order.
_UNORDERED = frozenset(
    (
        *("environment", "secrets", "secretOptions", "volumes", "mountPoints"),
        *("resourceRequirements", "ulimits", "devices", "tmpfs"),
    )
)
#: Mappings whose keys are not AWS's: there an empty text is a value.
_FREE = frozenset(("options", "parameters"))
#: More tags than this are a difference: a job gets its definition's, too (``sizes.tags_fit``).
MOST_TAGS = 10
#: Of a job's container: what its submission repeats, what only a job has, and where its output
#: goes, which changes no result.
_OF_JOBS = frozenset(
    (
        *("environment", "resourceRequirements", "vcpus", "memory", "logConfiguration"),
        *("exitCode", "reason", "containerInstanceArn", "taskArn", "logStreamName"),
        *("networkInterfaces", "instanceType"),
    )
)

#: SHA-256 of what each field says, by its name; fields that say nothing are left out.
Fields = Mapping[str, str]


def of_definition(definition: Mapping[str, object]) -> Fields:
    """The fields of a RegisterJobDefinition request, or of a definition that AWS describes; those
    of ``containerProperties`` as ``container.…``."""
    own = {name: value for name, value in definition.items() if name not in _LABELS}
    container = own.pop("containerProperties", None)
    own = {
        name: value for name, value in _evened_fields(own).items() if value != _DEFAULTS.get(name)
    }
    tags = definition.get("tags")
    if isinstance(tags, Mapping) and len(tags) > MOST_TAGS:
        own["tags"] = tags
    inner = _container(container) if isinstance(container, Mapping) else {}
    parts = {**own, **{f"container.{name}": value for name, value in inner.items()}}
    return {name: _digest(value) for name, value in parts.items()}


def of_container(container: Mapping[str, object]) -> Fields:
    """The fields of a job's container that its definition decides: of DescribeJobs' answer, or of
    the definition's own ``containerProperties``."""
    found = _container(container).items()
    return {name: _digest(value) for name, value in found if name not in _OF_JOBS}


def differences(one: Fields, other: Fields) -> list[str]:
    """AWS's names of the fields that differ."""
    names = one.keys() | other.keys()
    found = (name for name in names if one.get(name) != other.get(name))
    return sorted(name.removeprefix("container.") for name in found)


@dataclass(frozen=True)
class Revision:
    """An active revision of a definition, as AWS describes it. ``tags``: their keys."""

    arn: str
    number: int
    fields: Fields
    tags: frozenset[str] = frozenset()


def revisions(
    described: Iterable[JobDefinitionTypeDef], prefix: str
) -> Iterator[tuple[str, Revision]]:
    """Definitions whose name begins with ``prefix``: name and what it says. One whose ARN does not
    name its revision is none: AWS would take the newest."""
    for each in described:
        name, arn, number = each["jobDefinitionName"], each["jobDefinitionArn"], each["revision"]
        if name.startswith(prefix) and arn.endswith(f"/{name}:{number}"):
            yield name, Revision(arn, number, of_definition(each), frozenset(each.get("tags", ())))


def newest_equal(
    seen: Iterable[Revision],
    wanted: Fields,
    fits: Callable[[Revision], bool] = lambda revision: True,
) -> Revision | None:
    """The newest revision with exactly the content ``wanted`` that ``fits``; None if there is
    none."""
    equal = [revision for revision in seen if revision.fields == wanted and fits(revision)]
    return max(equal, key=lambda revision: revision.number) if equal else None


def passed_over(name: str, revision: Revision, wanted: Fields) -> str:
    """A sentence about a revision whose content does not match its name."""
    differing = ", ".join(differences(revision.fields, wanted))
    return (
        f"The job definition {name}:{revision.number} in your account does not match its name. "
        f"These fields differ: {differing}. It is not used; another one is registered. If nobody "
        "in your group knows where it comes from, tell SciComp."
    )


def _container(properties: Mapping[str, object]) -> dict[str, object]:
    evened = _evened_fields(properties)
    # Processors and memory in the form of before 2020, or 0 where the newer form is in use.
    required = evened.pop("resourceRequirements", None)
    named: list[object] = list(required) if isinstance(required, list) else []
    kinds = {requirement.get("type") for requirement in named if isinstance(requirement, dict)}
    for old, kind in (("vcpus", "VCPU"), ("memory", "MEMORY")):
        value = evened.pop(old, 0)
        requirement = {"type": kind, "value": str(value)}
        if not value or requirement in named:
            continue
        if kind in kinds:
            evened[old] = value  # two that say different things
        else:
            named.append(requirement)
    if named:
        evened["resourceRequirements"] = _sorted(named)
    return evened


def _evened_fields(fields: Mapping[str, object]) -> dict[str, object]:
    inner = {name: _evened(item, name) for name, item in fields.items()}
    return {name: item for name, item in inner.items() if not _says_nothing(item)}


def _evened(value: object, name: str = "") -> object:
    if isinstance(value, Mapping):
        if name in _FREE:
            return {key: item for key, item in value.items() if item is not None}
        return _evened_fields(value)
    if isinstance(value, (list, tuple)):
        items = [_evened(item) for item in value]
        return _sorted(items) if name in _UNORDERED else items
    return value


def _says_nothing(value: object) -> bool:
    return value is None or value is False or value in ("", [], {})  # 0 may be a limit


def _sorted(items: list[object]) -> list[object]:
    return sorted(items, key=_text)


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _digest(value: object) -> str:
    return hashlib.sha256(_text(value).encode()).hexdigest()
