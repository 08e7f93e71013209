"""The default storage prefix is checked before the Snakefile is read: an error in the first of its
rules would point to the rule, and show lines of code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from snakemake_interface_common.exceptions import ApiError

from ..planning.run_settings import PreflightError, storage_prefix
from ..storage.urls import split_url
from . import s3_storage

if TYPE_CHECKING:
    from ..snakemake_types import StorageRegistry, Workflow


def registry_init(plain: Callable[..., None]) -> Callable[..., None]:
    """Replaces ``StorageRegistry.__init__``."""

    def init(self: StorageRegistry, workflow: Workflow) -> None:
        settings = workflow.storage_settings
        own = settings.default_storage_provider == "s3"
        try:
            prefix = storage_prefix(settings) if own else ""
        except PreflightError as error:
            raise ApiError(str(error)) from None
        plain(self, workflow)
        if own:
            client = self.default_storage_provider.s3c.meta.client
            s3_storage.refusal(client, split_url(prefix)[0])

    return init
