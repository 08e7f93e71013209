"""What machines cost on demand, as data that ships (``prices.csv``): AWS's public price list of one
region. Its first line has region and date; ``.ci/prices.py`` renews it, and names its source.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class PriceList:
    """Prices in USD by name; ``region`` and ``date`` (YYYY-MM-DD) are those for which they hold."""

    region: str
    date: str
    prices: Mapping[str, float]


@functools.cache
def on_demand() -> PriceList:
    """USD an hour by instance type. What is not in it has no known price."""
    return parse(files(__package__).joinpath("prices.csv").read_text(encoding="utf-8"))


def parse(text: str) -> PriceList:
    """The text of such a file: ``# …, REGION, DATE``, the columns, a name and a price a line."""
    head, *lines = text.splitlines()
    region, date = (part.strip() for part in head.split(",")[-2:])
    return PriceList(region, date, {name: float(usd) for name, usd in list(csv.reader(lines))[1:]})
