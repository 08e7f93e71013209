"""One change to other people's code, as a row of a table."""

from __future__ import annotations

from dataclasses import dataclass

#: The versions that the patches were tested with, by the first part of a module's name.
TRIED = {
    "snakemake": ("9.27.1",),
    "snakemake_interface_executor_plugins": ("9.4.0",),
    "snakemake_storage_plugin_s3": ("0.3.6",),
    "botocore": ("1.44.8",),
}


@dataclass(frozen=True)
class Patch:
    """One attribute of other people's code that is replaced.

    ``replacement``: "module:function". In ``table.RUN`` a module of this package, whose function
    takes the original and returns its replacement; in ``shared_table.SHARED`` a module of the
    supervisor, whose function makes the change itself.
    """

    module: str
    attribute: str  # with dots for an attribute of a class
    replacement: str
    reason: str
    is_new: bool = False  # added by hutchbatch
    may_lack: bool = False  # versions without it need no patch
    everywhere: bool = False  # in all modules of Snakemake that import it by name
    in_job_only: bool = False

    @property
    def versions(self) -> tuple[str, ...]:
        return TRIED[self.module.partition(".")[0]]

    @property
    def target(self) -> str:
        return f"{self.module}.{self.attribute}"


S3 = "snakemake_storage_plugin_s3"
