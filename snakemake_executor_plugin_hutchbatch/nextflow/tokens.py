"""The pieces of a config's text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<comment>//[^\n]*|/\*.*?\*/|\#![^\n]*)
    |(?P<space>[ \t\r\f]+|\\\n)
    |(?P<newline>\n)
    |(?P<string>'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"
      |~/(?:\\.|[^/\n])+/|(?<=[(,=])/(?:\\.|[^/\n])+/|(?<=[(,=]\ )/(?:\\.|[^/\n])+/)
    |(?P<number>\d[\d_]*(?:\.\d+)?)
    |(?P<word>[A-Za-z_$][\w$]*)
    |(?P<op>->|==~|[=!<>]=|=~|&&|\|\||\*\*|\?:|\.\.|.)
    """,
    re.X | re.S,
)


@dataclass(frozen=True)
class Token:
    """``kind``: string, number, word, op, newline or end; ``start`` and ``end``: offsets."""

    kind: str
    text: str
    line: int
    start: int
    end: int


def tokens(text: str) -> Iterator[Token]:
    """All of a text but its comments and spaces; the last one is of kind ``end``."""
    line = 1
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind not in ("comment", "space"):
            yield Token(kind, match[0], line, match.start(), match.end())
        line += match[0].count("\n")
    yield Token("end", "", line, len(text), len(text))


def bare(token: Token) -> str:
    """A name, or a string without its quotes."""
    text = token.text
    if token.kind != "string" or text[0] in "~/":  # patterns have no quotes
        return text
    width = 3 if text[:3] in ("'''", '"""') else 1
    return re.sub(r"\\([\\'\"$])", r"\1", text[width:-width])
