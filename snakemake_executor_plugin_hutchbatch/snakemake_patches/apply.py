"""Makes the changes of ``table.py`` and ``shared_table.py``, each once per process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module

from snakemake_interface_common.exceptions import ApiError

from ..supervisor import s3_terms
from ..supervisor.s3_terms import Terms
from . import shared_table, table
from .patch import S3, Patch

_applied: set[Patch] = set()


def apply(
    warn: Callable[[str], None],
    uploads: bool = True,
    terms: Terms = s3_terms.USUAL,
) -> None:
    """Patches the process that leads a run: called when hutchbatch is the executor, before
    Snakemake asks S3 about files and opens its log file. ``warn``: shows a line to the user;
    ``uploads``: whether local inputs count; ``terms``: those of Snakemake's S3 storage.

    Raises ``ApiError`` if this Snakemake cannot be patched, or its folder cannot be written.
    """
    # Not earlier: Snakemake itself loads this plugin.
    from ..supervisor import fence  # noqa: PLC0415
    from . import local_files, local_inputs, locks, s3_storage, source_files  # noqa: PLC0415

    import_module("snakemake.api")  # first, because of circular imports
    if absent := missing(table.RUN + shared_table.SHARED):
        raise ApiError(
            f"hutchbatch does not know this version of {_distribution(absent[0])} (it has no "
            f"{absent[0].target}): install one that it was tested with, "
            f"'pip install {_distribution(absent[0])}=={absent[0].versions[-1]}'."
        )
    locks.check_folder()
    os.environ[s3_terms.VARIABLE] = terms.text()  # for the processes of local jobs, too
    os.environ.pop(fence.STAMP, None)  # a controller that is itself a job is no attempt of a rule
    local_files.begin(s3_storage.inventory, warn)
    local_inputs.begin(warn)
    source_files.begin(s3_storage.inventory, uploads)
    apply_to_child()
    for patch in table.RUN:
        if patch not in _applied:
            _replace(patch)
            _applied.add(patch)


def apply_clock() -> None:
    """Patches a process that runs no Snakemake: clients that ``aws/client_hooks.py`` has
    strengthened sign by AWS's clock."""
    for patch in table.RUN:
        if patch.module == "botocore.auth" and patch not in _applied:
            _replace(patch)
            _applied.add(patch)


def apply_to_child() -> None:
    """Patches a Snakemake that runs one local job for the process that leads the run."""
    from ..supervisor.patched_s3_storage import patch_storage  # noqa: PLC0415

    patch_storage(import_module(S3))


def apply_where_submitted(folders: tuple[str, ...]) -> None:
    """Patches a Snakemake that was submitted, and those that it starts for its local jobs: their
    Snakefiles find what they found on the machine where that was done. ``folders``: the names of
    the launch folder there; none on other machines."""
    if folders:
        from ..supervisor import listed_files, shipped_code  # noqa: PLC0415

        import_module("snakemake.api")
        shipped_code.use(folders)
        listed_files.use(folders)


def missing(patches: Iterable[Patch]) -> list[Patch]:
    """The patches whose target the installed versions lack, although it is required."""
    return [p for p in patches if not (p.is_new or p.may_lack or exists(p))]


def exists(patch: Patch) -> bool:
    """Whether the installed version has the attribute."""
    try:
        owner, name = owner_of(patch)
    except (ImportError, AttributeError):
        return False
    return hasattr(owner, name)


def owner_of(patch: Patch) -> tuple[object, str]:
    """The module or class that is patched, and the name of the attribute in it.

    Raises ``ImportError`` or ``AttributeError`` if it does not exist.
    """
    owner: object = import_module(patch.module)
    *names, last = patch.attribute.split(".")
    for name in names:
        owner = getattr(owner, name)
    return owner, last


def _replace(patch: Patch) -> None:
    if patch.may_lack and not exists(patch):
        return
    owner, name = owner_of(patch)
    module, _, function = patch.replacement.partition(":")
    replacement = getattr(import_module(f".{module}", __package__), function)
    setattr(owner, name, replacement(getattr(owner, name, None)))


def _distribution(patch: Patch) -> str:
    return patch.module.partition(".")[0].replace("_", "-")
