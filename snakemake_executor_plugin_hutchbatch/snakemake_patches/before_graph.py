"""What is done before Snakemake builds its graph, from which on it asks what it remembers of files:
only then it knows the folder, the storage and its own records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..snakemake_types import Dag

_called: list[Callable[[Dag], None]] = []


def begin(*calls: Callable[[Dag], None]) -> None:
    """``calls`` get the empty graph of this process's run, and must not raise."""
    _called[:] = calls


def init(plain: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Replaces ``DAG.init``."""

    async def init(self: Dag, *args: object, **kwargs: object) -> None:
        for call in _called:
            call(self)
        await plain(self, *args, **kwargs)

    return init
