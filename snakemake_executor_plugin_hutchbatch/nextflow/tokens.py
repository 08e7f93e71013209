"""Splits a config's text into tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# No part of it can match a text in two ways, so that it takes linear time; tokens whose end must be
# searched for are left to `_opened`.
_TOKEN = re.compile(
    r"""
    (?P<comment>//[^\n]*|\#![^\n]*)
    |(?P<open>/\*|'''|\"\"\"|'|"|~/|(?<=[(,=])/|(?<=[(,=]\ )/)
    |(?P<space>[ \t\r\f]+|\\\n)
    |(?P<newline>\n)
    |(?P<number>\d[\d_]*(?:\.\d+)?)
    |(?P<word>[A-Za-z_$][\w$]*)
    |(?P<op>->|==~|[=!<>]=|=~|&&|\|\||\*\*|\?:|\.\.|.)
    """,
    re.X | re.S,
)
#: How a token continues and ends, by how it begins.
_REST = {
    "/*": re.compile(r".*?\*/", re.S),
    "'''": re.compile(r".*?'''", re.S),
    '"""': re.compile(r'.*?"""', re.S),
    "'": re.compile(r"[^'\\\n]*(?:\\.[^'\\\n]*)*'", re.S),
    '"': re.compile(r'[^"\\\n]*(?:\\.[^"\\\n]*)*"', re.S),
    "~/": re.compile(r"(?!/)[^/\\\n]*(?:\\.[^/\\\n]*)*/", re.S),
    "/": re.compile(r"(?!/)[^/\\\n]*(?:\\.[^/\\\n]*)*/", re.S),
}
_MAY_BE_PATTERN = re.compile(r"(.?[(,=]|[(,=] )\Z", re.S)
_OVER_LINES = ("/*", "'''", '"""')


@dataclass(frozen=True)
class Token:
    """``kind``: string, number, word, op, newline or end; ``start`` and ``end``: offsets."""

    kind: str
    text: str
    line: int
    start: int
    end: int


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text without comments and spaces; consecutive newlines are one token, and the
    last token is of kind ``end``."""
    line, at = 1, 0
    ends = _Ends(text)
    newline_before = False
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None  # noqa: S101  its last part takes any character
        kind, end = str(match.lastgroup), match.end()
        if kind == "open":
            kind, end = _opened(text, at, match[0], ends)
        piece = text[at:end]
        if kind not in ("comment", "space") and not (kind == "newline" and newline_before):
            yield Token(kind, piece, line, at, end)
        newline_before = kind == "newline" or (newline_before and kind in ("comment", "space"))
        line += piece.count("\n")
        at = end
    yield Token("end", "", line, len(text), len(text))


def _opened(text: str, at: int, opened: str, ends: _Ends) -> tuple[str, int]:
    """The kind of the token that begins at ``at``, and the offset after its end."""
    # Three quotes that are never closed are an empty string and one more quote.
    others = {"/*": "/" if _MAY_BE_PATTERN.match(text[max(0, at - 2) : at]) else ""}
    for each in (opened, others.get(opened, opened[:1])):
        if each in _REST and (end := ends.after(each, at + len(each))):
            return "comment" if each == "/*" else "string", end
    return "op", at + 1


class _Ends:
    """Where tokens end. An end that was not found is not searched for again."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._none_before: dict[str, int] = {}

    def after(self, opened: str, at: int) -> int | None:
        """The offset after the end of the token that begins before ``at``; None if it never
        ends."""
        if at < self._none_before.get(opened, 0):
            return None
        match = _REST[opened].match(self._text, at)
        if match is None:
            self._none_before[opened] = self._limit(opened, at)
            return None
        return match.end()

    def _limit(self, opened: str, at: int) -> int:
        line = -1 if opened in _OVER_LINES else self._text.find("\n", at)
        return len(self._text) + 1 if line < 0 else line


def bare(token: Token) -> str:
    """A token's text, a string's without its quotes."""
    text = token.text
    if token.kind != "string" or text[0] in "~/":  # patterns have no quotes
        return text
    width = 3 if text[:3] in ("'''", '"""') else 1
    return re.sub(r"\\([\\'\"$])", r"\1", text[width:-width])
