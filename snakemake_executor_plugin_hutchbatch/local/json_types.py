"""JSON as it travels between a client and the local cloud."""

from __future__ import annotations

from typing import Any

#: A value of a request or an answer. AWS's own service model has checked its form
#: (``batch/model.py``), which depends on the operation, so no annotation says more.
Json = Any
