"""What the parts of a run that is under way share."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from ..planning.run_context import RunContext
from ..record.redact import Discretion
from ..settlement.failure_report import SimilarFailures
from ..snakemake_types import Workflow
from ..text.terminal import Log
from .limits import RunLimit
from .summary import Tally


@dataclass(frozen=True)
class RunState:
    """``cancelled``: set by Ctrl-C; ``tally``: how each job stands; ``similar``: failures that
    were reported in full; ``began``: by the monotonic clock; ``limit``: whether the run has had
    enough."""

    workflow: Workflow
    context: RunContext
    logger: Log
    hide: Discretion
    cancelled: threading.Event
    limit: RunLimit
    tally: Tally = field(default_factory=Tally)
    similar: SimilarFailures = field(default_factory=SimilarFailures)
    began: float = field(default_factory=time.monotonic)
