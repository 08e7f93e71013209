"""Numbers, each with its bounds."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..values import NONE, Nothing, SettingError


def _whole_number(low: int, high: int, what: str) -> Callable[[object], int]:
    def parse(value: object) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise SettingError(f"{what} is a whole number from {low:,} to {high:,}")
        return number

    return parse


def _number(low: float, high: float, what: str) -> Callable[[object], float]:
    def parse(value: object) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise SettingError(f"{what} is a number from {low:g} to {high:g}")
        return number

    return parse


parse_shm_mb = _whole_number(1, 1_000_000, "shared memory in MB")
# botocore: SubmitJob.schedulingPriorityOverride, 0 to 9999
parse_scheduling_priority = _whole_number(0, 9999, "a scheduling priority")
# A day: longer than anybody should wait unseen.
parse_starve_minutes = _number(0, 1440, "the time in minutes")
# https://docs.aws.amazon.com/batch/latest/APIReference/API_RetryStrategy.html: 1 to 10 attempts
parse_spot_attempts = _whole_number(1, 10, "the number of attempts")
parse_host_attempts = _whole_number(1, 10, "the number of attempts")
# https://docs.aws.amazon.com/batch/latest/APIReference/API_ArrayProperties.html: 2 to 10,000
# children; 1 stands for no array.
parse_array_size = _whole_number(1, 10_000, "the size of an array")
parse_tail_lines = _whole_number(0, 1000, "the number of lines")


def _positive(most: float, what: str, example: str) -> Callable[[object], float]:
    def parse(value: object) -> float:
        try:
            number = float(str(value).strip().removeprefix("$").replace(",", ""))
        except ValueError:
            number = 0.0
        if not 0 < number <= most:
            raise SettingError(f"{what} is a number above 0, at most {most:g}, like {example}")
        return number

    return parse


parse_max_hours = _positive(8760, "the limit in hours", "12 or 0.5")
parse_max_cost = _positive(1_000_000, "the limit in dollars", "50")


def parse_oom_memory_factor(value: object) -> float:
    number = _number(0, 10, "the factor")(value)
    if 0 < number <= 1:
        raise SettingError("the factor is more than 1, like 1.5, or 0 for never")
    return number


_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def parse_upload_limit(value: object) -> int | Nothing:
    """Bytes; ``NONE`` for no limit."""
    text = str(value).strip().lower()
    if text == NONE.value:
        return NONE
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b", text)
    if match is None:
        raise SettingError("a size is a number and its unit, like 500GB or 2TB, or none")
    return int(float(match[1]) * _BYTES[match[2]])
