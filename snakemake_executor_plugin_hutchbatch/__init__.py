"""hutchbatch: any Snakemake workflow on AWS Batch. What Snakemake looks for in a plugin.

Every Snakemake on this machine loads every plugin that is installed, the command ``hutchbatch``
loads this package, and so does the local cloud: what each of them does not need is loaded later.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .plugin import Executor as Executor
    from .plugin import ExecutorSettings as ExecutorSettings
    from .plugin import common_settings as common_settings

#: A process of a run that has one of these must heed it from the start: the lease of a controller,
#: the folders of the machine on which the run was submitted, a local job
#: (``aws/lease_gate.py``, ``planning/detached_tree.py``, ``snakemake_patches/local_files.py``).
HEEDED = frozenset({"HUTCHBATCH_LEASE", "HUTCHBATCH_SUBMITTED_FROM", "HUTCHBATCH_LOCAL_JOB"})
_OF_PLUGIN = frozenset({"Executor", "ExecutorSettings", "common_settings"})

if HEEDED & os.environ.keys():
    from .run import chosen

    chosen.heed_environment()


def __getattr__(name: str) -> object:
    if name not in _OF_PLUGIN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import plugin  # noqa: PLC0415  see above

    return getattr(plugin, name)
