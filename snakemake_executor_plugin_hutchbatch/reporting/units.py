"""Numbers as people read them."""

from __future__ import annotations

import datetime


def duration(seconds: float) -> str:
    if round(seconds) < 60:
        return f"{seconds:.1f} s" if 0.05 <= seconds < 9.95 else f"{seconds:.0f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min" + (f" {left} s" if left and minutes < 10 else "")
    whole, minutes = divmod(minutes, 60)
    return f"{whole:,} h" + (f" {minutes} min" if minutes else "")


def count(number: float) -> str:
    return f"{number:,.0f}"


def hours(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 1 else f"{value:.2g}"


def money(value: float) -> str:
    return f"{value:,.2f}"


def mib(value: float) -> str:
    return f"{value / 1024:.1f} GiB" if value >= 1024 else f"{value:.0f} MiB"


def percent(part: float, whole: float) -> str:
    share = 100 * part / whole if whole else 0
    return f"{share:.0f} %" if share >= 1 else f"{share:.1f} %"


def iso(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="seconds")


def clock(at: float) -> str:
    local = datetime.datetime.fromtimestamp(at, datetime.UTC).astimezone()
    return f"{local:%Y-%m-%d %H:%M %Z}"
