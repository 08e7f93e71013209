"""AWS's own spot prices: what spot machines cost while a run went on."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from ..aws.clients import SpotPriceClient

#: The system of Batch's machines, as EC2 calls it.
SYSTEM = "Linux/UNIX"
#: Types that are asked for, and pages of 1,000 prices that are read: a price changes a few times a
#: day in each of some availability zones.
MOST_TYPES, MOST_PAGES = 50, 5


def asked(
    client: SpotPriceClient, types: Iterable[str], since: float, until: float
) -> dict[str, tuple[float, float]]:
    """The lowest and the highest price by instance type, USD an hour, in all zones of the region
    from ``since`` to ``until`` (seconds since 1970). Empty where AWS may not or cannot be asked: a
    run never fails for it."""
    names = sorted(set(types))[:MOST_TYPES]
    found: dict[str, list[float]] = {}
    token = ""
    try:
        for _ in range(MOST_PAGES if names else 0):
            answer = client.describe_spot_price_history(
                InstanceTypes=names,
                ProductDescriptions=[SYSTEM],
                StartTime=datetime.datetime.fromtimestamp(since, datetime.UTC),
                EndTime=datetime.datetime.fromtimestamp(until, datetime.UTC),
                NextToken=token,
            )
            for price in answer.get("SpotPriceHistory", ()):
                _put(found, price)
            token = answer.get("NextToken") or ""
            if not token:
                break
    except (ClientError, BotoCoreError):
        return {}
    return {name: (min(prices), max(prices)) for name, prices in found.items()}


def _put(found: dict[str, list[float]], price: Mapping[str, object]) -> None:
    name, text = price.get("InstanceType"), price.get("SpotPrice")
    try:
        usd = float(str(text))
    except ValueError:
        return
    if isinstance(name, str) and usd > 0:
        found.setdefault(name, []).append(usd)
