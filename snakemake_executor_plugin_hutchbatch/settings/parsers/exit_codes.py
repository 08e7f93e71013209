"""Exit codes, one by one or in ranges."""

from __future__ import annotations

import re

from ..values import SettingError
from .text import text

#: What a process can end with.
MOST = 255
_RANGE = re.compile(r"(\d{1,3})(?:(?:-|\.\.)(\d{1,3}))?")


def parse_retry_exit_codes(value: object) -> tuple[tuple[int, int], ...]:
    """``137,140,100-110`` → pairs of the first and last code of each range; ``all``: an empty
    tuple. Ranges may be Groovy's, too: ``130..145``."""
    words = [word for word in re.split(r"[\s,+;()\[\]]+", text(value)) if word]
    if words == ["all"]:
        return ()
    ranges = []
    for word in words:
        found = _RANGE.fullmatch(word)
        first = int(found[1]) if found else 0
        last = int(found[2] or first) if found else 0
        if not 1 <= first <= last <= MOST:
            raise SettingError(
                f"{word!r} is no exit code: write numbers from 1 to {MOST} and ranges of them, "
                "like 137,140,100-110, or all; in set-resources, where Snakemake would calculate, "
                "like 137 140 100..110"
            )
        ranges.append((first, last))
    if not ranges:
        raise SettingError("write exit codes and ranges of them, like 137,140,100-110, or all")
    return tuple(ranges)
