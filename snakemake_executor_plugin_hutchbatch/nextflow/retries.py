"""``errorStrategy`` and ``maxRetries`` → how often, and after which exit codes, a job is repeated.
Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..settings import parsers
from ..settings.values import SettingError
from .carried import Carried, Left
from .config import Entry
from .expressions import Raw

_KNOWN = {"retry", "ignore", "finish", "terminate"}
_GOES_ON = "this profile has keep-going: a failed job counts as failed, others continue"
#: ``{ task.exitStatus in [137, 140] ? 'retry' : 'finish' }`` as a whole, with nothing else in its
#: condition but a limit.
_CODES = re.compile(
    r"[{(\s]*+(?:return\b[(\s]*+)?(?:task\.attempt\s*<=?\s*\d+\s*&&\s*\(?\s*)?"
    r"task\.exitStatus\s*(?:==|in)\s*(?P<codes>[\d\s.,+()\[\]]+?)\s*\)?"
    r"(?:\s*&&\s*task\.attempt\s*<=?\s*\d+\s*\)?)?"
    r"\s*\?\s*['\"]retry['\"]\s*:\s*['\"](?!retry)\w+['\"][\s;)}]*"
)
#: Every failure: the word all is a function of Python's, which Snakemake would take it for.
_ALL = "1..255"
_LIMIT = re.compile(r"task\.attempt\s*(<=?)\s*(\d{1,6})\b")


class Retries:
    """Of one place in the config."""

    def __init__(self, line: int, file: str) -> None:
        self.line, self.file = line, file
        self.most: int | None = None
        self.attempts: int | None = None
        self.strategy: bool | None = None
        self.codes = ""

    def take(self, entry: Entry, of: str) -> Iterator[Left]:
        """Of ``errorStrategy``; what of it cannot be kept."""
        named = {word for pair in re.findall(r"'(\w+)'|\"(\w+)\"", entry.text) for word in pair}
        known = named & _KNOWN
        if not known:
            yield self._left("it is not one of Nextflow's words", of)
            return
        self.strategy = "retry" in known
        for word in sorted(known - {"retry"}):
            yield self._left(_GOES_ON, of, f" {word!r}", needless=word == "finish")
        if limit := _LIMIT.search(entry.text):
            self.attempts = int(limit[2]) - (limit[1] == "<")
        if isinstance(entry.value, Raw) and "exitStatus" in entry.text:
            self.codes = _codes(entry.text)
            if not self.codes:
                yield self._left(
                    "a condition that is more than a list of exit codes: write them into "
                    "hutchbatch_retry_exit_codes",
                    of,
                )

    def _left(self, why: str, of: str, word: str = "", needless: bool = False) -> Left:
        what = f"process.errorStrategy{word}"
        return Left(self.line, what, why, of=of, file=self.file, needless=needless)

    @property
    def number(self) -> int | None:
        """How often a failed job is retried; Nextflow's default is once."""
        if not self.strategy:
            return None
        most = 1 if self.most is None else self.most
        return most if self.attempts is None else min(most, self.attempts)


def _codes(text: str) -> str:
    """``137,140,100-110``; empty where a condition is more than that."""
    found = _CODES.fullmatch(text)
    if found is None:
        return ""
    try:
        ranges = parsers.parse_retry_exit_codes(found["codes"])
    except SettingError:
        return ""
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)


def decide(made: Carried, found: Mapping[str, Retries]) -> None:
    """``retries`` in a Snakemake profile applies to all rules; a rule's own number can only be set
    in the Snakefile."""
    everywhere = found.get("")
    if everywhere is not None and everywhere.strategy:
        made.retries = everywhere.number
        if everywhere.codes:
            made.settings["retry_exit_codes"] = everywhere.codes
    for rule, each in found.items():
        if each.most is not None and not each.strategy and not _inherits(each, everywhere):
            why = "it only counts beside errorStrategy 'retry'"
            made.left.append(Left(each.line, "process.maxRetries", why, rule, file=each.file))
        if not rule:
            continue
        if _inherits(each, everywhere):
            each.strategy = True
            each.attempts = everywhere.attempts if everywhere else None
        elif each.codes:
            # Snakemake calculates what looks like a sum: hence spaces and dots.
            codes = each.codes.replace(",", " ").replace("-", "..")
            made.rules.setdefault(rule, {})["hutchbatch_retry_exit_codes"] = codes
        elif each.strategy and everywhere is not None and everywhere.codes:
            made.rules.setdefault(rule, {})["hutchbatch_retry_exit_codes"] = _ALL
        if everywhere is not None and each.most is None:
            each.most = everywhere.most
        number = each.number
        if number is None and each.strategy is False and made.retries:
            number = 0
        if number is None or number == made.retries:
            continue
        if everywhere is None or not everywhere.strategy:
            made.retries = max(made.retries or 0, number)
        why = f"a profile has one number for all rules: put retries: {number} into the rule"
        made.left.append(Left(each.line, f"retries {number}", why, of=rule, file=each.file))


def _inherits(each: Retries, everywhere: Retries | None) -> bool:
    """Whether it has a number only, and the strategy of all counts."""
    return each.strategy is None and everywhere is not None and bool(everywhere.strategy)
