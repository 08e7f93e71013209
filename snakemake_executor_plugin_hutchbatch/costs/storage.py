"""What it costs to keep files in S3, by the prices that ship (``s3_prices.csv``). Pure."""

from __future__ import annotations

import functools
from importlib.resources import files

from ..queues import prices
from ..queues.prices import PriceList

#: S3 counts binary gigabytes: https://aws.amazon.com/s3/faqs/#Billing
GIB = 1 << 30
#: The class of objects for which nothing else was asked.
USUAL = "STANDARD"


@functools.cache
def price_list() -> PriceList:
    """USD for a GiB a month, of the first 50 TB, by storage class."""
    return prices.parse(files(__package__).joinpath("s3_prices.csv").read_text(encoding="utf-8"))


def a_month(size: float, region: str, storage_class: str = USUAL) -> float | None:
    """USD a month for so many bytes; None where no price is known."""
    known = price_list()
    price = known.prices.get(storage_class) if region == known.region else None
    return None if price is None else price * size / GIB
