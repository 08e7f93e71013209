"""The parameters of a function are looked up once, not for each job.

Snakemake asks for those of each resource, default resources included, whenever it evaluates one
(``common/__init__.py``, ``get_input_function_aux_params``): a thirtieth of a run of many jobs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache

#: Functions that are remembered: those of workflows with more rules take turns.
MOST = 4096

Parameters = Mapping[str, inspect.Parameter]


@lru_cache(MOST)
def _parameters(function: Callable[..., object]) -> Parameters:
    return inspect.signature(function).parameters


def get_function_params(
    plain: Callable[[Callable[..., object]], object],
) -> Callable[[Callable[..., object]], object]:
    """Replaces ``snakemake.common.get_function_params``."""
    from snakemake.common import FUNC_OVERWRITE_PARAMS_ATTR  # noqa: PLC0415  only where a run begins

    def get_function_params(func: Callable[..., object]) -> object:
        # Only plain functions: others may be equal without having the same parameters.
        if not inspect.isfunction(func) or hasattr(func, FUNC_OVERWRITE_PARAMS_ATTR):
            return plain(func)
        return _parameters(func)

    return get_function_params
