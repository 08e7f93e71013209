"""Less memory for each job of a workflow: Snakemake's objects of which a job has a dozen.

At a hundred thousand jobs the first of these takes 110 MB less, the second 160 MB
(docs/design/many-jobs.md).
"""

from __future__ import annotations

from collections.abc import Callable


def one_guard(plain: object) -> Callable[..., object]:
    """Adds ``AttributeGuard.__new__``. Each list of a job's inputs, outputs, wildcards and so on
    has two of these, which hold nothing but their name, ``sort`` or ``index``: all lists share
    them. ``__init__`` gives them that name again, which changes nothing."""

    shared: dict[tuple[type, str], object] = {}

    def new(cls: type, name: str | None = None) -> object:
        if name is None:  # one that is copied or unpickled gets its name later
            return object.__new__(cls)
        if (cls, name) not in shared:
            shared[cls, name] = object.__new__(cls)
        return shared[cls, name]

    return new


def slotted(plain: object) -> Callable[..., object]:
    """Adds ``AnnotatedString.__new__``: texts without a dictionary of their own, which takes 400
    bytes for two attributes. Copies and pickles are Snakemake's own class, as others know it."""
    from snakemake.io import AnnotatedString  # noqa: PLC0415 - Snakemake loads this plugin

    class Slotted(AnnotatedString):  # type: ignore[misc, unused-ignore]
        __slots__ = ("_flags", "callable")

        def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
            values = {name: getattr(self, name) for name in Slotted.__slots__}
            return AnnotatedString, (str(self),), (None, values)

    Slotted.__name__ = Slotted.__qualname__ = AnnotatedString.__name__
    Slotted.__module__ = AnnotatedString.__module__

    def new(cls: type, value: object = "") -> object:
        return str.__new__(Slotted if cls is AnnotatedString else cls, value)

    return new
