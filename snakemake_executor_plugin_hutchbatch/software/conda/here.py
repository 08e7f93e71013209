"""Whether the machine where Snakemake runs has a conda, which only local rules need."""

from __future__ import annotations

import shutil
from collections.abc import Mapping


def is_here(variables: Mapping[str, str]) -> bool:
    """Whether bash may find conda: a program, or a function that a login exports. ``variables``: of
    the process."""
    return bool(shutil.which("conda", path=variables.get("PATH"))) or (
        "BASH_FUNC_conda%%" in variables
    )
