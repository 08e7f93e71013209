"""Times as S3 writes them, to seconds since the epoch (``strptime`` imports slowly)."""

from __future__ import annotations

from calendar import timegm


def of_header(text: str) -> float:
    """``Wed, 01 Jan 2020 00:00:00 GMT``; 0 for anything else."""
    try:
        _, day, month, year, clock, _ = text.split()
        number = "JanFebMarAprMayJunJulAugSepOctNovDec".index(month) // 3 + 1
        hours, minutes, seconds = clock.split(":")
        fields = (int(year), number, int(day), int(hours), int(minutes), int(seconds))
        return float(timegm((*fields, 0, 0, 0)))
    except ValueError:
        return 0.0


def of_iso(text: str) -> float:
    """``2020-01-01T00:00:00.000Z``; 0 for anything else."""
    fields = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))
    try:
        return float(timegm(tuple(int(text[i:j]) for i, j in fields)))
    except ValueError:
        return 0.0
