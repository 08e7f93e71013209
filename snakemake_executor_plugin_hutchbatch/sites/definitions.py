"""What an account's job definitions show: where machines have their scratch, and which roles jobs
have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from ..aws import batch_calls
from ..settings.parsers import SettingError, parse_mount
from ..settings.values import Mount

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: Pages of a hundred definitions that are read at most.
MOST_PAGES = 3
#: How the names of hutchbatch's own definitions begin. What they mount was itself assumed once.
OURS = "hutchbatch-"


@dataclass(frozen=True)
class Shown:
    """How many definitions of others mount a host folder, and how many have a role."""

    mounts: Mapping[Mount, int] = field(default_factory=dict)
    roles: Mapping[str, int] = field(default_factory=dict)


def look(batch: BatchClient) -> Shown:
    """A few calls at most. Raises botocore's errors."""
    ask = partial(batch.describe_job_definitions, status="ACTIVE", maxResults=100)
    pages = islice(batch_calls.pages(ask), MOST_PAGES)
    return shown(
        cast(Mapping[str, Any], each) for page in pages if page for each in page["jobDefinitions"]
    )


def shown(definitions: Iterable[Mapping[str, Any]]) -> Shown:
    """The same of definitions as AWS describes them. Pure."""
    mounts: Counter[Mount] = Counter()
    roles: Counter[str] = Counter()
    for definition in definitions:
        tasks = _tasks(definition)
        if not definition["jobDefinitionName"].startswith(OURS):
            mounts.update({mount for task in tasks for mount in _mounts(task)})
        roles.update({role for task in tasks if (role := task.get("taskRoleArn"))})
    return Shown(mounts, roles)


def _tasks(definition: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Its tasks, whichever way it describes them."""
    tasks = list((definition.get("ecsProperties") or {}).get("taskProperties") or [])
    if one := definition.get("containerProperties"):
        role = one.get("jobRoleArn")
        tasks.append(
            {"taskRoleArn": role, "volumes": one.get("volumes") or [], "containers": [one]}
        )
    return tasks


def _mounts(task: Mapping[str, Any]) -> Iterator[Mount]:
    """Host folders of a task's volumes, as its containers mount them."""
    sources = {
        volume.get("name"): (volume.get("host") or {}).get("sourcePath", "").rstrip("/")
        for volume in task.get("volumes") or []
    }
    for container in task.get("containers") or []:
        for point in container.get("mountPoints") or []:
            source = sources.get(point.get("sourceVolume"), "")
            with suppress(SettingError):  # one that nobody could write as a setting
                mount = parse_mount(f"{source}:{point.get('containerPath')}")
                yield replace(mount, read_only=bool(point.get("readOnly")))
