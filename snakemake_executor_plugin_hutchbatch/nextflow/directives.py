"""Directives of processes, for all or for some, as parts of a profile."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ..settings import parsers
from .carried import Carried, listed
from .container_options import options
from .expressions import Amount, Raw, quantity

#: Groovy of more than these is a function in Snakemake.
NOT_PLAIN = "more than sums and products with task.attempt: write a function in the rule"
NO_VALUE = "it is not a plain value"


class Unfit(Exception):
    """The value cannot be used; the message says why."""


class Needless(str):
    """A reason why nothing is lost without a value."""


@dataclass(frozen=True)
class Limits:
    """The most that a job may ask for: ``resourceLimits``, or nf-core's older ``params.max_…``.
    ``amounts``: MB or minutes, by the resource's name here."""

    amounts: Mapping[str, float] = field(default_factory=dict)
    threads: int | None = None


@dataclass(frozen=True)
class Place:
    """Where a directive goes: ``rule``, or all jobs with an empty name."""

    made: Carried
    rule: str
    limits: Limits

    def put(self, name: str, value: int | str) -> None:
        """As a resource."""
        made = self.made
        (made.rules.setdefault(self.rule, {}) if self.rule else made.defaults)[name] = value

    def set(self, setting: str, value: str) -> None:
        """As a setting of hutchbatch: the rule's own resource, or the run's."""
        if self.rule:
            self.put(f"hutchbatch_{setting}", int(value) if value.isdecimal() else value)
        else:
            self.made.settings[setting] = value


def _cpus(place: Place, value: object) -> Iterator[str]:
    threads = _expression(number(value), place.limits.threads)
    if not place.rule:
        yield f"a profile can only set them for single rules: set-threads ({threads})"
        return
    place.made.threads[place.rule] = threads


def _resource(name: str, unit: str) -> Callable[[Place, object], Iterator[str]]:
    def carry(place: Place, value: object) -> Iterator[str]:
        amount = quantity(value, unit)
        if amount is None:
            raise Unfit(NOT_PLAIN if isinstance(value, Raw) else NO_VALUE)
        place.put(name, _expression(amount, place.limits.amounts.get(name)))
        yield from ()

    return carry


def _queue(place: Place, value: object) -> Iterator[str]:
    if isinstance(value, Raw):
        names = re.findall(r"['\"]([\w-]+)['\"]", value.text)
        if "task.attempt" in value.text and 1 < len(set(names)) <= 5:
            raise Unfit(
                f"hutchbatch moves a job by itself: name the queues in the order to try them, "
                f"such as hutchbatch-queue: {','.join(dict.fromkeys(names))}"
            )
    queue = plain(value)
    parsers.parse_queue(queue)
    place.set("queue", queue)
    yield from ()


def _container(place: Place, value: object) -> Iterator[str]:
    image = parsers.parse_image(plain(value))
    if place.rule:
        place.put("hutchbatch_image", image)
    else:
        place.made.container_image = image
    yield from ()


def _accelerator(place: Place, value: object) -> Iterator[str]:
    if not isinstance(value, dict):
        place.put("gpu", whole(value))
        return
    place.put("gpu", whole(value.get("request", value.get("limit", Amount(1)))))
    if "type" in value:
        yield from _gpu_type(place, value["type"])


def _gpu_type(place: Place, value: object) -> Iterator[str]:
    yield "which GPU: the queue decides: name one with such machines in hutchbatch_queue"


def _container_options(place: Place, value: object) -> Iterator[str]:
    volumes = []
    text = plain(value)
    if not text.strip():
        yield Needless("it is empty")
    for option in options(text):
        if option.setting == "volumes":
            volumes.append(option.value)
        elif option.setting:
            place.set(option.setting, option.value)
        else:
            why = f"{option.text}: {option.why}"
            yield Needless(why) if option.needless else why
    if volumes and place.rule:
        place.put("hutchbatch_volumes", ",".join(volumes))
    elif volumes:
        known = place.made.settings.get("volumes")
        place.made.settings["volumes"] = [*(known if isinstance(known, list) else []), *volumes]


def _secret(place: Place, value: object) -> Iterator[str]:
    names = [plain(each) for each in (value if isinstance(value, list) else [value])]
    yield (
        f"name its ARN (AWS Secrets Manager) in hutchbatch-secrets: {listed(names)}=arn:… "
        if len(names) == 1
        else f"name their ARNs (AWS Secrets Manager) in hutchbatch-secrets: {listed(names)}"
    ).strip()


def labels(place: Place, value: object) -> Iterator[str]:
    """``resourceLabels``."""
    if not isinstance(value, dict):
        raise Unfit(NO_VALUE)
    pairs = [f"{k}={plain(v)}" for k, v in value.items()]
    parsers.parse_tags(pairs)
    if place.rule:
        place.put("hutchbatch_tags", ",".join(pairs))
    else:
        place.made.settings["tags"] = pairs
    yield from ()


#: Each takes a value over, and yields a reason for each part of it that has no place. They raise
#: ``Unfit`` or ``SettingError``.
DIRECTIVES: Mapping[str, Callable[[Place, object], Iterator[str]]] = {
    "cpus": _cpus,
    "memory": _resource("mem_mb", "MB"),
    "time": _resource("runtime", "minutes"),
    "disk": _resource("disk_mb", "MB"),
    "queue": _queue,
    "container": _container,
    "containerOptions": _container_options,
    "accelerator": _accelerator,
    "accelerator.request": _accelerator,
    "accelerator.limit": _accelerator,
    "accelerator.type": _gpu_type,
    "secret": _secret,
    "resourceLabels": labels,
}


def limits(values: Mapping[str, object]) -> Limits:
    """Of ``resourceLimits``, or of values of the same names. Raises ``Unfit``."""
    if set(values) - {"memory", "time", "disk", "cpus"}:
        raise Unfit(NO_VALUE)
    amounts = {}
    for name, resource, unit in (
        ("memory", "mem_mb", "MB"),
        ("time", "runtime", "minutes"),
        ("disk", "disk_mb", "MB"),
    ):
        if name in values:
            amount = quantity(values[name], unit)
            if amount is None or amount.growth:
                raise Unfit(NO_VALUE)
            amounts[resource] = amount.base
    return Limits(amounts, whole(values["cpus"]) if "cpus" in values else None)


def with_registry(image: str, registry: str) -> str:
    """The image's name with ``docker.registry`` before it, unless it has one of its own."""
    first, slash, _ = image.partition("/")
    own = slash and ("." in first or ":" in first or first == "localhost")
    return image if own else f"{registry.rstrip('/')}/{image}"


def plain(value: object) -> str:
    """A text or a number as text. Raises ``Unfit``."""
    if isinstance(value, Amount) and not value.growth and not value.unit:
        return f"{value.base:g}"
    if not isinstance(value, str):
        raise Unfit(NO_VALUE)
    return value


def number(value: object) -> Amount:
    if isinstance(value, Amount) and not value.unit:
        return value
    raise Unfit(NOT_PLAIN if isinstance(value, Raw) else NO_VALUE)


def whole(value: object) -> int:
    amount = number(value)
    if amount.growth or amount.base != int(amount.base):
        raise Unfit(NO_VALUE)
    return int(amount.base)


def _expression(amount: Amount, most: float | None) -> int | str:
    """``8000``, ``8000 * attempt``, ``min(2000 + 4000 * attempt, 64000)``; rounded up."""
    base, growth = math.ceil(amount.base), math.ceil(amount.growth)
    limit = None if most is None else math.floor(most)
    if not growth:
        return base if limit is None else min(base, limit)
    grows = "attempt" if growth == 1 else f"{growth} * attempt"
    sum_ = f"{base} + {grows}" if base else grows
    return sum_ if limit is None else f"min({sum_}, {limit})"
