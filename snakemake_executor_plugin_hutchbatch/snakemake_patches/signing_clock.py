"""Makes botocore sign requests with a clock that follows AWS's (``aws/client_hooks.py``)."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from ..aws.client_hooks import CLOCK


def get_current_datetime(_plain: object) -> Callable[..., datetime.datetime]:
    """Replaces ``botocore.auth.get_current_datetime``."""
    return CLOCK.now
