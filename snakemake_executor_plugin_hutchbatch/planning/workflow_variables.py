"""Environment variables that the Snakefile sets, which its jobs inherit on one machine.

Nothing else of this machine's environment reaches a job in direct mode: on AWS it is another
machine, whose image has an environment of its own. In Snakemake mode the job reads the Snakefile.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..supervisor.environment import OWN, TMPDIR_VARIABLES

#: This module is imported with the plugin, which is before Snakemake reads the Snakefile.
_BEFORE = dict(os.environ)
#: Set by libraries and by Snakemake's S3 storage, or a matter of the machine.
_NOT_OF_WORKFLOWS = ("AWS_", "SNAKEMAKE_", "HUTCHBATCH_")
_OF_MACHINES = frozenset(("HOME", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE", *TMPDIR_VARIABLES))


def set_by_snakefile() -> dict[str, str]:
    """The variables that were set since Snakemake began, with the values they have now."""
    return changed(_BEFORE, os.environ)


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """What of ``now`` is not as it was ``before``. In a list of folders that was made longer, such
    as PATH, ``OWN`` stands for its old value: in a container it is another one."""
    return {
        name: _longer(name, before.get(name, ""), value)
        for name, value in now.items()
        if before.get(name) != value
        and not name.startswith(_NOT_OF_WORKFLOWS)
        and name not in _OF_MACHINES
    }


def _longer(name: str, old: str, new: str) -> str:
    if not old or not name.endswith(("PATH", "PATHS")):
        return new
    if new.endswith(f"{os.pathsep}{old}"):
        return new.removesuffix(old) + OWN
    if new.startswith(f"{old}{os.pathsep}"):
        return OWN + new.removeprefix(old)
    return new
