"""Registers, finds and deregisters job definitions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..json_types import Json
from . import rules
from .config import split_role
from .errors import access_denied, not_found, refused

#: Members that AWS returns as empty lists if the registration has none.
_LISTS = (
    "command",
    "volumes",
    "environment",
    "mountPoints",
    "ulimits",
    "resourceRequirements",
    "secrets",
)

#: The same within these.
_INNER_LISTS = {"linuxParameters": ("devices", "tmpfs"), "logConfiguration": ("secretOptions",)}
#: Members whose order AWS may change (reports of Terraform's users).
_REORDERED = ("environment", "secrets")

#: AWS: DescribeJobDefinitions, up to 100 ids and results.
PAGE = 100


@dataclass
class Definition:
    """One revision. ``container``: containerProperties as AWS returns them."""

    name: str
    revision: int
    arn: str
    container: dict[str, Json]
    request: Mapping[str, Json]
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "ACTIVE"

    def describe(self) -> dict[str, Json]:
        answer: dict[str, Json] = {
            "jobDefinitionName": self.name,
            "jobDefinitionArn": self.arn,
            "revision": self.revision,
            "status": self.status,
            "type": "container",
            "parameters": dict(self.request.get("parameters") or {}),
            "containerProperties": _reordered(self.container),
            "tags": dict(self.tags),
            "platformCapabilities": ["EC2"],
            "containerOrchestrationType": "ECS",
        }
        for key in ("retryStrategy", "timeout", "schedulingPriority", "propagateTags"):
            if self.request.get(key) is not None:
                answer[key] = self.request[key]
        return answer


class Definitions:
    """All definitions. ``arn`` turns a name into ``…:job-definition/NAME``."""

    def __init__(self, arn: Callable[[str], str], account: str = "000000000000") -> None:
        self._arn = arn
        self._account = account
        self._by_name: dict[str, list[Definition]] = {}
        self._all: list[Definition] = []

    def register(self, request: Mapping[str, Json]) -> Definition:
        """Every registration makes a new revision, even with the same content (as on AWS)."""
        name = request["jobDefinitionName"]
        _check_registration(request, self._account)
        revisions = self._by_name.setdefault(name, [])
        revision = len(revisions) + 1
        container = _echoed(request["containerProperties"])
        definition = Definition(
            name,
            revision,
            self._arn(f"{name}:{revision}"),
            container,
            dict(request),
            dict(request.get("tags") or {}),
        )
        revisions.append(definition)
        self._all.append(definition)
        return definition

    def find(self, text: str) -> Definition | None:
        """Finds a revision by ``name:revision`` or ARN, whatever its status."""
        name, revision = self._split(text)
        revisions = self._by_name.get(name, [])
        if revision is None or not 1 <= revision <= len(revisions):
            return None
        return revisions[revision - 1]

    def for_submission(self, text: str) -> Definition:
        """The definition that SubmitJob uses: an active revision, by default the newest."""
        name, revision = self._split(text)
        if revision is not None:
            found = self.find(text)
            if found is not None and found.status == "ACTIVE":
                return found
        else:
            for each in reversed(self._by_name.get(name, [])):
                if each.status == "ACTIVE":
                    return each
        if text.startswith("arn:"):
            raise not_found(f"JobDefinition {text} not found.")
        raise not_found(f"JobDefinition name {name} does not exist or is not in ACTIVE status")

    def deregister(self, text: str) -> None:
        if self._split(text)[1] is None:
            raise refused("jobDefinition must be name:revision or an ARN with a revision")
        found = self.find(text)
        if found is None:
            raise not_found(f"JobDefinition {text} not found.")
        found.status = "INACTIVE"

    def describe(self, request: Mapping[str, Json]) -> tuple[list[Definition], str | None]:
        """A page, newest first, and the token of the next (AWS: DescribeJobDefinitions)."""
        ids = request.get("jobDefinitions")
        name, status = request.get("jobDefinitionName"), request.get("status")
        if ids:
            if name or status or request.get("nextToken"):
                raise refused("jobDefinitions cannot be used with other parameters")
            if len(ids) > PAGE:
                raise refused(f"Maximum number of job definitions supported is  {PAGE} .")
            return [found for text in ids for found in self._named(text)], None
        most = request.get("maxResults") or PAGE
        if not 1 <= most <= PAGE:
            raise refused(f"maxResults must be between 1 and {PAGE}")
        pool = self._all if not name else self._by_name.get(name, [])
        return self._page(pool, status, most, request.get("nextToken"))

    def _page(
        self, pool: Sequence[Definition], status: str | None, most: int, token: str | None
    ) -> tuple[list[Definition], str | None]:
        page: list[Definition] = []
        position = position_of(token, len(pool)) if token else len(pool)
        while position > 0:
            position -= 1
            if status is None or pool[position].status == status:
                if len(page) == most:
                    return page, f"p{position + 1}"
                page.append(pool[position])
        return page, None

    def _named(self, text: str) -> Iterator[Definition]:
        name, revision = self._split(text)
        for each in self._by_name.get(name, []):
            if revision is None or each.revision == revision:
                yield each

    def _split(self, text: str) -> tuple[str, int | None]:
        """Splits a name or an ARN into name and revision; an ARN of another account matches
        none."""
        if text.startswith("arn:"):
            prefix = self._arn("")
            if not text.startswith(prefix):
                return text, None
            text = text[len(prefix) :]
        name, _, revision = text.partition(":")
        return name, int(revision) if revision.isdigit() else None


def _echoed(properties: Mapping[str, Json]) -> dict[str, Json]:
    """containerProperties as AWS returns them."""
    echoed = {**{key: [] for key in _LISTS}, **properties}
    for name, lists in _INNER_LISTS.items():
        if echoed.get(name) is not None:
            echoed[name] = {**{key: [] for key in lists}, **echoed[name]}
    return echoed


def _reordered(container: Mapping[str, Json]) -> dict[str, Json]:
    return {k: v[::-1] if k in _REORDERED else v for k, v in container.items()}


def position_of(token: str, most: int) -> int:
    """The position in a page token; raises ClientException for an invalid one."""
    if re.fullmatch(r"p[0-9]{1,9}", token) and int(token[1:]) <= most:
        return int(token[1:])
    raise refused("nextToken is not valid")


def _check_registration(request: Mapping[str, Json], account: str) -> None:
    rules.check_name("Job definition name", request["jobDefinitionName"])
    for key in ("nodeProperties", "eksProperties", "ecsProperties", "consumableResourceProperties"):
        if request.get(key) is not None:
            raise refused(f"{key} is not supported")
    if request["type"] != "container":
        raise refused(f"Job definition type {request['type']} is not supported")
    if any(each != "EC2" for each in request.get("platformCapabilities") or ()):
        raise refused("platformCapabilities other than EC2 are not supported")
    if request.get("containerProperties") is None:
        raise refused("containerProperties must be specified")
    rules.check_tags(request.get("tags") or {})
    rules.check_timeout(request.get("timeout") or {})
    rules.check_priority(request.get("schedulingPriority"))
    if request.get("retryStrategy") is not None:
        rules.check_retries(request["retryStrategy"])
    _check_container(request["containerProperties"])
    _check_roles(request["containerProperties"], account)


def _check_roles(container: Mapping[str, Json], account: str) -> None:
    """Whether a role of the account exists is only found out when a task starts."""
    for key in ("jobRoleArn", "executionRoleArn"):
        arn = container.get(key)
        if not arn:
            continue
        parts = split_role(arn)
        if parts is None:
            raise refused(f"{key} {arn} is not the ARN of a role")
        if parts[0] != account:
            raise access_denied("Cross-account pass role is not allowed.")
    if container.get("secrets") and not container.get("executionRoleArn"):
        raise refused(
            "When you are specifying container secrets, you must also specify a value for "
            "'executionRoleArn'"
        )
    if container.get("repositoryCredentials") and not container.get("executionRoleArn"):
        raise refused(
            "When you are specifying repositoryCredentials, you must also specify a value for "
            "'executionRoleArn'"
        )


def _check_container(container: Mapping[str, Json]) -> None:
    rules.check_image(container.get("image"))
    requirements = container.get("resourceRequirements") or ()
    rules.check_resources(requirements)
    kinds = {each["type"] for each in requirements}
    if "VCPU" not in kinds and not container.get("vcpus"):
        raise refused("vCPU is not provided.")
    if "MEMORY" not in kinds:
        if not container.get("memory"):
            raise refused("Container memory is not provided.")
        rules.check_memory(container["memory"])
    rules.check_command(container.get("command") or ())
    rules.check_environment(container.get("environment") or ())
    rules.check_user(container.get("user"))
    names = [volume.get("name") for volume in container.get("volumes") or ()]
    if len(set(names)) != len(names) or None in names:
        raise refused("Volume names must be given and unique")
    for mount in container.get("mountPoints") or ():
        if mount.get("sourceVolume") not in names:
            raise refused(f"Unknown volume '{mount.get('sourceVolume')}' in mountPoints")
        if not (mount.get("containerPath") or "").startswith("/"):
            raise refused("Mount point containerPath must be an absolute path")
