"""Times in AWS's answers. botocore reads them with dateutil, which tries many formats: 0.04 ms,
and each object in a listing has one. Its own factory of parsers lets another function do it, as the
AWS CLI does."""

from __future__ import annotations

import datetime

import botocore.session
from botocore.utils import parse_timestamp


def read(value: str | float) -> datetime.datetime:
    """In place of botocore's ``parse_timestamp``, which reads all but ISO 8601 in UTC. Raises
    ``ValueError`` as it does."""
    if isinstance(value, str) and value.endswith("Z"):
        try:
            return datetime.datetime.fromisoformat(value)
        except ValueError:
            pass
    return parse_timestamp(value)  # type: ignore[arg-type]  # its stub does not know of numbers


def use(session: botocore.session.Session) -> None:
    """All clients of this session read times so."""
    factory = session.get_component("response_parser_factory")
    factory.set_parser_defaults(timestamp_parser=read)
