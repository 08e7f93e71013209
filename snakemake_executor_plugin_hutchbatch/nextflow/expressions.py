"""Evaluates values in a config: literals, quantities, sums and products with ``task.attempt``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .tokens import Token, bare

#: Nextflow's units of memory, in MB. Its GB has 1,024 MB, but 8.GB is read as 8000 MB, which leaves
#: the machine its share (``queues/instances.py``).
MEMORY_MB = {"B": 1e-6, "KB": 1e-3, "MB": 1.0, "GB": 1e3, "TB": 1e6}
#: Its units of time, in minutes.
TIME_MINUTES: Mapping[str, float] = {
    **dict.fromkeys(("ms", "milli", "millis"), 1 / 60_000),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1 / 60),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 1.0),
    **dict.fromkeys(("h", "hour", "hours"), 60.0),
    **dict.fromkeys(("d", "day", "days"), 1440.0),
}
_QUANTITY = r"(\d+(?:\.\d+)?)[ .]*([A-Za-z]+)"
#: Most characters of a quantity, and of a string after interpolation; nested brackets; and the
#: largest amount: a petabyte in MB is 10**9, and a century has 10**8 minutes.
MOST_QUANTITY, MOST_TEXT, DEEPEST, LARGEST = 100, 10_000, 20, 1e15


@dataclass(frozen=True)
class Amount:
    """A number, ``base + growth * attempt``. ``unit``: ``MB``, ``minutes`` or nothing."""

    base: float
    growth: float = 0.0
    unit: str = ""

    @property
    def is_sane(self) -> bool:
        """Whether it is a plausible number."""
        return abs(self.base) <= LARGEST and abs(self.growth) <= LARGEST


@dataclass(frozen=True)
class Raw:
    """Groovy code that is not evaluated."""

    text: str


class NotPlain(Exception):
    """The value is more than this module evaluates."""


def evaluate(
    tokens: Sequence[Token], params: Mapping[tuple[str, ...], object], text: str
) -> object:
    """A str, bool, None, list, dict or ``Amount``; ``Raw`` for anything else.

    ``params``: values for ``params.name``; ``text``: the config that contains ``tokens``.
    """
    plain = [t for t in tokens if t.kind != "newline"]
    ends = [at for at, token in enumerate(plain) if token.text == "?:"]
    begin = 0
    for end in ends:  # params.queue ?: 'mixed'
        first = _value(plain[begin:end], params, text)
        if isinstance(first, Raw) and not first.text.startswith("params."):
            return _raw(plain[begin:], text)
        if first is not None and not isinstance(first, Raw) and first != "":
            return first
        begin = end + 1
    return _value(plain[begin:], params, text)


def _value(tokens: Sequence[Token], params: Mapping[tuple[str, ...], object], text: str) -> object:
    try:
        expression = _Expression(tokens, params)
        value = expression.sum()
        if expression.rest() or (isinstance(value, Amount) and not value.is_sane):
            raise NotPlain
        return value
    except NotPlain:
        return _raw(tokens, text)


def _raw(tokens: Sequence[Token], text: str) -> Raw:
    shown = text[tokens[0].start : tokens[-1].end] if tokens else ""
    return Raw(" ".join(shown.split()))


def quantity(value: object, unit: str) -> Amount | None:
    """A value as an amount of ``MB`` or ``minutes``; strings like ``8 GB`` and ``1d 6h`` work, too.

    A number without a unit is bytes or milliseconds, as in Nextflow. None if it is no such amount.
    """
    if isinstance(value, Amount):
        if value.unit:
            return value if value.unit == unit else None
        scale = {"MB": 1e-6, "minutes": 1 / 60_000}[unit]
        return Amount(value.base * scale, value.growth * scale, unit)
    if not isinstance(value, str) or len(value) > MOST_QUANTITY:
        return None
    if re.sub(rf"{_QUANTITY}|\s", "", value):
        return None
    try:
        amounts = [_with_unit(float(n), name) for n, name in re.findall(_QUANTITY, value)]
    except NotPlain:
        return None
    if not amounts or any(a.unit != unit for a in amounts):
        return None
    whole = Amount(sum(a.base for a in amounts), unit=unit)
    return whole if whole.is_sane else None


class _Expression:
    """Recursive descent over the tokens of one value. Raises ``NotPlain``."""

    def __init__(self, tokens: Sequence[Token], params: Mapping[tuple[str, ...], object]) -> None:
        self._tokens = tokens
        self._params = params
        self._at = self._depth = 0
        self._room = MOST_TEXT

    def rest(self) -> bool:
        return self._at < len(self._tokens)

    def _peek(self, ahead: int = 0) -> Token:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else Token("end", "", 0, 0, 0)

    def _take(self, wanted: str | None = None) -> Token:
        token = self._peek()
        if token.kind == "end" or (wanted is not None and token.text != wanted):
            raise NotPlain
        self._at += 1
        return token

    def sum(self) -> object:
        self._depth += 1
        if self._depth > DEEPEST:
            raise NotPlain
        value = self._summed()
        self._depth -= 1
        return value

    def _summed(self) -> object:
        value = self._product()
        while self._peek().text in ("+", "-"):
            sign = 1 if self._take().text == "+" else -1
            left, right = _amount(value), _amount(self._product())
            if left.unit != right.unit:
                raise NotPlain
            value = Amount(
                left.base + sign * right.base, left.growth + sign * right.growth, left.unit
            )
        return value

    def _product(self) -> object:
        value = self._primary()
        while self._peek().text in ("*", "/"):
            divides = self._take().text == "/"
            left, right = _amount(value), _amount(self._primary())
            if divides and (right.growth or right.unit or not right.base):
                raise NotPlain
            if (left.growth and right.growth) or (left.unit and right.unit):
                raise NotPlain
            if right.growth:
                left, right = right, left
            if not left.is_sane or not right.is_sane:
                raise NotPlain
            factor = 1 / right.base if divides else right.base
            value = Amount(left.base * factor, left.growth * factor, left.unit or right.unit)
        return value

    def _primary(self) -> object:
        token = self._take()
        if token.kind == "string":
            return self._string(token)
        if token.kind == "number":
            return self._number(token)
        if token.kind == "word":
            return self._word(token)
        if token.text in ("(", "{"):
            value = self.sum()
            self._take(")" if token.text == "(" else "}")
            return value
        if token.text == "[":
            return self._list()
        raise NotPlain

    def _number(self, token: Token) -> Amount:
        """``8``, ``8.GB``, ``4.h``, or ``8GB``, which people also write."""
        number = float(token.text.replace("_", ""))
        ahead = 1 if self._peek().text == "." else 0
        unit = self._peek(ahead)
        if unit.kind != "word" or not (ahead or unit.start == token.end):
            return Amount(number)
        self._at += ahead + 1
        return _with_unit(number, unit.text)

    def _list(self) -> object:
        items: list[object] = []
        pairs: dict[str, object] = {}
        while self._peek().text != "]":
            if self._peek(1).text == ":" and self._peek().kind in ("word", "string"):
                key = bare(self._take())
                self._take(":")
                pairs[key] = self.sum()
            else:
                items.append(self.sum())
            if self._peek().text != "]":
                self._take(",")
        self._take("]")
        if items and pairs:
            raise NotPlain
        return pairs or items

    def _word(self, token: Token) -> object:
        plain = {"true": True, "false": False, "null": None}
        if token.text in plain:
            return plain[token.text]
        if token.text == "check_max" and self._peek().text == "(":
            return self._check_max()
        path = [token.text]
        while self._peek().text == "." and self._peek(1).kind == "word":
            self._take()
            path.append(self._take().text)
        if path == ["task", "attempt"]:
            return Amount(0, 1)
        if path[0] == "params":
            return self._param(tuple(path[1:]))
        raise NotPlain

    def _check_max(self) -> object:
        """nf-core's cap is ignored, since queues have limits of their own."""
        self._take("(")
        value = self.sum()
        self._take(",")
        self._take()
        self._take(")")
        return value

    def _param(self, path: tuple[str, ...]) -> object:
        value = self._params.get(path, Raw(""))
        if isinstance(value, Raw):
            raise NotPlain
        return value

    def _string(self, token: Token) -> str:
        if token.text[0] in "~/":
            raise NotPlain
        text = bare(token)
        if token.text.startswith('"') and "$" in text:
            text = re.sub(r"\$\{?params\.(\w+(?:\.\w+)*)\}?", self._interpolated, text)
            if re.search(r"\$[A-Za-z_{]", text):
                raise NotPlain
        return text

    def _interpolated(self, match: re.Match[str]) -> str:
        value = self._param(tuple(match[1].split(".")))
        if not isinstance(value, str) or len(value) > self._room:
            raise NotPlain
        self._room -= len(value)
        return value


def _amount(value: object) -> Amount:
    if isinstance(value, Amount):
        return value
    raise NotPlain


def _with_unit(number: float, unit: str) -> Amount:
    if unit in TIME_MINUTES:
        return Amount(number * TIME_MINUTES[unit], unit="minutes")
    if unit.upper() in MEMORY_MB:
        return Amount(number * MEMORY_MB[unit.upper()], unit="MB")
    raise NotPlain
