"""Dataclasses from parsed JSON, with their types checked. Standard library only, Python 3.8."""

from __future__ import annotations

from dataclasses import fields
from typing import Dict, Mapping, Sequence, Tuple, Type, TypeVar

T = TypeVar("T")


class TaskSpecError(ValueError):
    """The JSON is not a task specification of this version; the message says where."""


def list_of(raw: Mapping[str, object], name: str) -> Sequence[object]:
    """The list in a field, empty if it is absent."""
    value = raw.get(name, [])
    if not isinstance(value, (list, tuple)):
        raise TaskSpecError(f"{name}: not a list")
    return value


def texts_of(raw: Mapping[str, object], name: str, where: str) -> Tuple[str, ...]:
    """The strings in the list of a field, none if it is absent."""
    paths = list_of(raw, name)
    texts = tuple(path for path in paths if isinstance(path, str))
    if len(texts) != len(paths):
        raise TaskSpecError(f"{where}.{name}: not a list of strings")
    return texts


_TYPES: Dict[str, Tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
    "Mapping[str, str]": (dict,),
    "Mapping[str, float]": (dict,),
}


def make(cls: Type[T], raw: object, where: str) -> T:
    """An instance of a dataclass from parsed JSON. Raises ``TaskSpecError`` for unknown fields and
    values of wrong types."""
    if not isinstance(raw, dict):
        raise TaskSpecError(f"{where}: not an object")
    known = {f.name: str(f.type) for f in fields(cls)}  # type: ignore[arg-type]
    for name, value in raw.items():
        if name not in known:
            raise TaskSpecError(f"{where}: unknown field {name!r}")
        annotation = known[name]
        if annotation.startswith("Optional["):
            if value is None:
                continue
            annotation = annotation[len("Optional[") : -1]
        expected = _TYPES.get(annotation)
        if expected and (
            not isinstance(value, expected) or (isinstance(value, bool) and expected != (bool,))
        ):
            raise TaskSpecError(f"{where}.{name}: expected {annotation}")
        if annotation == "Mapping[str, str]" and not all(
            isinstance(v, str) for v in value.values()
        ):
            raise TaskSpecError(f"{where}.{name}: values must be strings")
        if annotation == "Mapping[str, float]" and not all(
            isinstance(v, (int, float)) and not isinstance(v, bool) for v in value.values()
        ):
            raise TaskSpecError(f"{where}.{name}: values must be numbers")
        if "\0" in str(value):
            raise TaskSpecError(f"{where}.{name}: contains a NUL character")
    try:
        return cls(**raw)
    except TypeError as error:
        raise TaskSpecError(f"{where}: {error}") from error
