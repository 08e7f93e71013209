"""An amount that is known only to lie between two others. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Below this (USD), amounts are shown as less than it.
LEAST = 0.01


@dataclass(frozen=True)
class Span:
    """From ``low`` to ``high``, in USD. ``low`` 0: only the most is known."""

    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> Span:
        return Span(self.low * factor, self.high * factor)


def total(spans: Iterable[Span]) -> Span:
    found = Span()
    for each in spans:
        found += each
    return found


def around(spans: Iterable[Span]) -> Span | None:
    """The span from the lowest to the highest; None of none."""
    known = list(spans)
    if not known:
        return None
    return Span(min(each.low for each in known), max(each.high for each in known))


def dollars(amount: float) -> str:
    """``$3.10``, ``$1,240``, ``less than $0.01``."""
    if 0 < amount < LEAST / 2:
        return f"less than ${LEAST}"
    return f"${amount:,.2f}" if amount < 999.5 else f"${amount:,.0f}"


def shown(span: Span) -> str:
    """``about $3.10 to $4.40``, ``about $3.10``, ``at most about $4.40``, ``less than $0.01``."""
    low, high = dollars(span.low), dollars(span.high)
    if high.startswith("less"):
        return high
    if low == high:
        return f"about {high}"
    if span.low < LEAST / 2:
        return f"at most about {high}"
    return f"about {low} to {high}"
