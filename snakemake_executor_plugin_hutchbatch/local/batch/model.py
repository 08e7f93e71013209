"""botocore's description of AWS Batch (paths, members, types, enums), and checks against it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import botocore.loaders
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

from .errors import refused

#: The supported operations; the rest of AWS Batch is for managing infrastructure.
OPERATIONS = (
    "RegisterJobDefinition",
    "DescribeJobDefinitions",
    "DeregisterJobDefinition",
    "SubmitJob",
    "DescribeJobs",
    "ListJobs",
    "CancelJob",
    "CancelJobs",
    "TerminateJob",
    "TerminateJobs",
    "DescribeJobQueues",
    "DescribeComputeEnvironments",
    "GetJobQueueSnapshot",
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
)

#: The bulk calls are newer than many installed versions of botocore: added where the model lacks
#: them.
_BULK = ("CancelJobs", "TerminateJobs")

#: EvaluateOnExit: "The values aren't case sensitive" (AWS's text on ``action``).
_ANY_CASE = ("RetryAction",)

_PLAIN: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "string": (str,),
}


@dataclass(frozen=True)
class Route:
    """Where an operation is called over HTTP."""

    operation: str
    method: str
    path: str


@functools.cache
def service_model() -> ServiceModel:
    """The newest model of the installed botocore (2016-08-10)."""
    loader = botocore.loaders.create_loader()  # no session: a bad AWS_PROFILE must not matter
    return ServiceModel(loader.load_service_model("batch", "service-2"), "batch")


@functools.cache
def routes() -> tuple[Route, ...]:
    known = service_model().operation_names
    found = []
    for name in OPERATIONS:
        if name in known:
            http = service_model().operation_model(name).http
            found.append(Route(name, http["method"], http["requestUri"]))
        else:
            found.append(Route(name, "POST", f"/v1/{name.lower()}"))
    return tuple(found)


def check_request(operation: str, parameters: Mapping[str, object]) -> None:
    """Raises ClientException if the request does not match the model."""
    _check(operation, parameters, "input")


def check_answer(operation: str, answer: Mapping[str, object]) -> None:
    """As ``check_request``, for an answer. AWS itself leaves out ``startedAt`` of jobs that have
    not started, and empty tags, although its model requires them."""
    _check(operation, answer, "output")


def _check(operation: str, value: Mapping[str, object], side: str) -> None:
    if operation not in service_model().operation_names and operation in _BULK:
        return
    model = service_model().operation_model(operation)
    shape = model.input_shape if side == "input" else model.output_shape
    if shape is None:
        return
    for fault in _faults(shape, value, "", lenient=side == "output"):
        raise refused(fault)


def _faults(shape: Shape, value: object, where: str, lenient: bool) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        yield from _structure_faults(shape, value, where, lenient)
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            yield f"{where} should be a list"
            return
        yield from _size_faults(shape, len(value), where)
        for index, item in enumerate(value):
            yield from _faults(shape.member, item, f"{where}[{index}]", lenient)
    elif isinstance(shape, MapShape):
        if not isinstance(value, dict):
            yield f"{where} should be a map"
            return
        if not lenient:
            yield from _size_faults(shape, len(value), where)
        for key, item in value.items():
            yield from _faults(shape.key, key, f"key of {where}", lenient)
            yield from _faults(shape.value, item, f"{where}.{key}", lenient)
    else:
        yield from _plain_faults(shape, value, where)


def _structure_faults(
    shape: StructureShape, value: object, where: str, lenient: bool
) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where or 'the request'} should be an object"
        return
    for name in shape.required_members:
        if value.get(name) is None and not (lenient and name == "startedAt"):
            yield f"{where + '.' if where else ''}{name} should not be null"
    for name, item in value.items():
        member = shape.members.get(name)
        path = f"{where}.{name}" if where else name
        if member is None:
            yield f"unknown member {path}"
        elif item is not None:
            yield from _faults(member, item, path, lenient)


def _plain_faults(shape: Shape, value: object, where: str) -> Iterator[str]:
    kinds = _PLAIN.get(shape.type_name)
    if kinds is None:
        return
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        yield f"{where} should be of type {shape.type_name}"
        return
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if (low is not None and value < low) or (high is not None and value > high):
            yield f"{where} should be between {low} and {high}"
    if isinstance(shape, StringShape) and isinstance(value, str):
        yield from _size_faults(shape, len(value), where)
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            yield f"{where} should match {pattern}"
        if shape.enum and value not in shape.enum:
            spelled = value.upper() if shape.name in _ANY_CASE else value
            if spelled not in shape.enum:
                yield f"{where} should be one of {', '.join(shape.enum)}"


def _size_faults(shape: Shape, size: int, where: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    # An empty map of tags passes, whatever the model says: the community's aws-batch plugin sends
    # one with each definition.
    if low is not None and size < low and shape.name != "TagrisTagsMap":
        yield f"{where} should have a length of at least {low}"
    if high is not None and size > high:
        yield f"{where} should have a length of at most {high}"
