"""What is said about costs. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..text.units import amount, counted
from . import storage
from .containers import Sum
from .span import LEAST, Span, dollars, shown

#: What the amounts are, and what they are not.
SHARES = "each job's share of its machine, without idle time"


def of_run(total: Sum, price_date: str, endpoint: str = "") -> str | None:
    """What a run cost, in one sentence; None for one whose jobs never ran. ``endpoint``: AWS
    Batch's, where that is not AWS."""
    if not (total.priced or total.unpriced):
        return None
    if not total.priced:
        why = most_frequent(total.reasons)
        return None if endpoint else f"Cost: not known ({why})."
    basis = f"({'; '.join((SHARES, *sources(total, price_date)))})"
    if endpoint:
        return (
            f"Cost: none ({endpoint} is not AWS). On AWS, such machines would cost "
            f"{shown(total.cost)} for this time {basis}."
        )
    return f"Cost: {shown(total.cost)}{lost(total.lost)} {basis}.{unpriced(total)}"


def lost(span: Span) -> str:
    """``, of it $0.40 lost with spot machines``; nothing for nothing."""
    if span.high < LEAST / 2:
        return ""
    most = dollars(span.high)
    part = most if dollars(span.low) == most else f"at most {most}"
    return f", of it {part} lost with spot machines"


def sources(total: Sum, price_date: str) -> list[str]:
    """Where the prices are from."""
    found = []
    if total.asked:
        found.append("AWS's spot prices during the run")
    if total.capped:
        found.append("spot machines at the most that they may cost, their bid")
    if total.priced > total.asked:
        found.append(f"EC2's on-demand prices of {price_date}")
    if total.guessed:
        found.append(
            f"{counted(total.guessed, 'container')} on unknown machines, by what the queue may have"
        )
    return found


def unpriced(total: Sum) -> str:
    """A sentence about what is not in the sum, with a blank before it; empty if all is."""
    if not total.unpriced:
        return ""
    verb = "is" if total.unpriced == 1 else "are"
    why = most_frequent(total.reasons)
    return f" {counted(total.unpriced, 'container')} {verb} not in it: {why}."


def most_frequent(reasons: Mapping[str, int]) -> str:
    return max(reasons, key=lambda reason: reasons[reason])


def of_storage(size: float, region: str, storage_class: str = storage.USUAL) -> str | None:
    """What it costs to keep what a run stored, of ``size`` bytes; None below half a cent a month,
    and where there is no price."""
    month = storage.a_month(size, region, storage_class)
    if month is None or month < LEAST / 2:
        return None
    return (
        f"Stored by its jobs: {amount(size)}, about {dollars(month)} a month in S3 while they stay "
        f"there (price of {storage.price_list().date}); 'hutchbatch cleanup' shows what may go."
    )
