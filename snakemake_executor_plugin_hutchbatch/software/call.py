"""What a rule gives to Snakemake's ``script()``, ``wrapper()`` or ``notebook()``.

The run functions that Snakemake's parser makes call one of them. Their first argument is an
expression, such as an f-string that names ``wildcards``, which is evaluated for each job.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: Where the arguments stand that are used here: ``basedir`` (None: there is none) and ``config``.
_ARGUMENTS: Mapping[str, tuple[int | None, int]] = {
    "script": (1, 9),
    "notebook": (1, 9),
    "wrapper": (None, 8),
}
#: Where ``wrapper()`` takes the prefix of wrappers.
_PREFIX = 16


@dataclass(frozen=True)
class Call:
    """``kind``: which of the three; ``config``: the rule's own, which is that of its module."""

    kind: str
    path: object
    basedir: object
    config: object
    prefix: str | None = None


def calls(run: types.FunctionType, variables: Mapping[str, object]) -> list[Call]:
    """The calls that a rule's run function makes. ``variables``: values of its parameters by name;
    those that are not here are None. Raises what the expressions in it raise."""
    found: list[Call] = []

    def noted(kind: str) -> Callable[..., None]:
        basedir, config = _ARGUMENTS[kind]

        def note(*given: object, **_: object) -> None:
            found.append(
                Call(
                    kind=kind,
                    path=given[0],
                    basedir=None if basedir is None else given[basedir],
                    config=given[config],
                    prefix=_text(given[_PREFIX]) if kind == "wrapper" else None,
                )
            )

        return note

    within = {**run.__globals__, **{kind: noted(kind) for kind in _ARGUMENTS}}
    own = types.FunctionType(run.__code__, within, closure=run.__closure__)
    names = run.__code__.co_varnames[: run.__code__.co_argcount]
    own(*(variables.get(name) for name in names))
    return found


def _text(value: object) -> str | None:
    return None if value is None else str(value)
