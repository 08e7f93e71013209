"""Numbers, times and amounts as people read them."""

from __future__ import annotations

import datetime

#: Bytes.
MIB = 1 << 20


def duration(seconds: float) -> str:
    """``0.4 s``, ``45 s``, ``3 min 5 s``, ``12 min``, ``30 h 5 min``: how long something took."""
    if round(seconds) < 60:
        return f"{seconds:.1f} s" if 0.05 <= seconds < 9.95 else f"{seconds:.0f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min" + (f" {left} s" if left and minutes < 10 else "")
    whole, minutes = divmod(minutes, 60)
    return f"{whole:,} h" + (f" {minutes} min" if minutes else "")


def wait(seconds: float) -> str:
    """``45 s``, ``90 min``, ``3 h 5 min``, ``2 d 4 h``: about how long something has lasted."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def count(number: float) -> str:
    return f"{number:,.0f}"


def counted(number: int, noun: str) -> str:
    """``1 job``, ``1,200 jobs``; of a noun whose plural ends in s."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def amount(size: float) -> str:
    """``3.1 GB``: powers of 1,000, as S3's prices are."""
    unit = 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    text = f"{size:.0f}" if unit == 0 or size >= 99.5 else f"{size:.2g}"
    return f"{text} {_UNITS[unit] if (text, unit) != ('1', 0) else 'byte'}"


def hours(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 1 else f"{value:.2g}"


def money(value: float) -> str:
    return f"{value:,.2f}"


def megabytes(mib: int) -> int:
    """The ``mem_mb`` (10^6 bytes) that asks for so many of AWS's MiB. Up to two numbers do, because
    a request is rounded up: the rounder one is what somebody wrote."""
    most = mib * MIB // 10**6
    least = (mib - 1) * MIB // 10**6 + 1
    return max((most, least), key=lambda each: (each % 1000 == 0, each % 100 == 0, each))


def mb(mib: int) -> str:
    """``12,000 MB``: of so many MiB, exactly, as a rule asks for it in ``mem_mb``."""
    return f"{megabytes(mib):,} MB"


def memory(mib: float) -> str:
    """``500 MB``, ``11.7 GB``: of so many MiB, in the units of ``mem_mb``."""
    size = mib * MIB / 10**6
    return f"{size / 1000:.1f} GB" if size >= 1000 else f"{size:.0f} MB"


def percent(part: float, whole: float) -> str:
    share = 100 * part / whole if whole else 0
    return f"{share:.0f} %" if share >= 1 else f"{share:.1f} %"


def iso(at: float) -> str:
    """A moment in UTC, for programs."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="seconds")


def clock(at: float, zone: bool = True) -> str:
    """A moment in this machine's time zone, which ``zone`` names."""
    local = datetime.datetime.fromtimestamp(at, datetime.UTC).astimezone()
    return f"{local:%Y-%m-%d %H:%M}" + (f" {local:%Z}" if zone else "")
