"""What all jobs of a run share."""

from __future__ import annotations

from dataclasses import dataclass

from ..aws.clients import Clients
from ..storage.run_layout import RunLayout, WorkLayout
from ..supervisor.s3_terms import Terms
from .plan import Site
from .run_settings import s3_terms


@dataclass(frozen=True)
class RunContext:
    """What a run stands on: clients, the place of its control files, what all its jobs share."""

    clients: Clients
    site: Site
    work_prefix: str
    bucket_region: str
    endpoint: str | None

    @property
    def terms(self) -> Terms:
        """Those on which containers store and read objects."""
        return s3_terms(self.site.settings)

    @property
    def layout(self) -> RunLayout:
        """Where this run's control files lie."""
        return WorkLayout(self.work_prefix).run(self.site.run_id)
