"""The variables that an environment sets when it is activated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ....supervisor import activation


def variables(prefix: str) -> dict[str, str]:
    """Those that are set: not the ones that ``conda env config vars unset`` has left."""
    found = activation.variables_of(prefix)
    return {name: value for name, value in found.items() if value != activation.UNSET}


def declare(prefix: str, own: Mapping[str, str]) -> None:
    """Keeps the variables that an env file names where conda does."""
    if not own:
        return
    path = Path(prefix, "conda-meta/state")
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        found = None
    state = found if isinstance(found, dict) else {"version": 1}
    before = state.get("env_vars")
    env_vars = {**(before if isinstance(before, dict) else {}), **own}
    path.write_text(json.dumps({**state, "env_vars": env_vars}), "utf-8")
