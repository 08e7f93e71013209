"""Parses a config into its settings, each with its path, its value and its line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .carried import shown
from .expressions import evaluate
from .tokens import Token, bare, tokens

_CLOSERS = {"{": "}", "[": "]", "(": ")"}
#: A statement continues in the next line if its line ends with one of the first, or the next line
#: begins with one of the second.
_GOES_ON = {"?", ":", "+", "-", "*", "/", ",", "&&", "||", "?:", "="}
_CONTINUES = {"?", ":", ".", "?:", "&&", "||"}
#: Words that begin program code, not a setting.
_CODE = {"def", "if", "else", "try", "catch", "finally", "for", "while", "return", "import"}

Selector = tuple[str, str]

#: Most characters of a config: real ones have some thousands.
MOST_CHARS = 256 * 1024
#: Most settings: the largest of nf-core's pipelines have hundreds.
MOST_SETTINGS = 5000
#: Most nested blocks, parts of a name (``a.b.c``), and characters of a name.
DEEPEST, MOST_PARTS, MOST_NAME = 20, 20, 500


class NextflowError(ValueError):
    """The text cannot be read as a config; the message names the line."""


@dataclass(frozen=True)
class Entry:
    """One setting. ``selector``: ``("withName", "ALIGN")`` if it only applies to some processes;
    ``value``: from ``expressions.evaluate``; ``text``: the value as written."""

    path: tuple[str, ...]
    selector: Selector | None
    value: object
    text: str
    line: int


@dataclass(frozen=True)
class Skipped:
    """A part of the config that was not read."""

    what: str
    line: int


@dataclass(frozen=True)
class Config:
    """A parsed config. Of entries with the same path the last one counts. ``profile``: the one that
    was included."""

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]
    profile: str | None = None


def read(text: str, profile: str | None = None) -> Config:
    """The settings of a config, with those of one of its ``profiles`` on top. By default that is
    the only profile that runs on AWS Batch, unless the config does so outside of its profiles.

    Raises ``NextflowError`` for an unclosed block or bracket, an unknown profile, and for a config
    that is larger or deeper than any real one.
    """
    if len(text) > MOST_CHARS:
        raise NextflowError(f"it has more than {MOST_CHARS:,} characters, too many for a config")
    reader = _Reader(text)
    reader.block((), None, None)
    outside: list[_Unread] = []
    profiles: dict[str, list[_Unread]] = {}
    for found in reader.found:
        if found.path[0] == "profiles" and len(found.path) > 2:
            inner = replace(found, path=found.path[2:])
            profiles.setdefault(found.path[1], []).append(inner)
        else:
            outside.append(found)
    if profile is not None and profile not in profiles:
        known = shown(", ".join(profiles)) or "none"
        raise NextflowError(f"there is no profile {profile!r} in it; there are: {known}")
    on_batch = [name for name, those in profiles.items() if _on_batch(those)]
    if profile is None and len(on_batch) == 1 and not _on_batch(outside):
        profile = on_batch[0]
    chosen = outside + profiles.pop(profile or "", [])
    others = [Skipped(f"the profile {name}", those[0].line) for name, those in profiles.items()]
    params: Mapping[tuple[str, ...], object] = {
        f.path[1:]: evaluate(f.tokens, {}, text) for f in chosen if f.path[0] == "params"
    }
    entries = tuple(
        Entry(f.path, f.selector, evaluate(f.tokens, params, text), f.shown(text), f.line)
        for f in chosen
    )
    skipped = sorted([*reader.skipped, *others], key=lambda s: s.line)
    return Config(entries, tuple(skipped), profile)


@dataclass(frozen=True)
class _Unread:
    path: tuple[str, ...]
    selector: Selector | None
    tokens: tuple[Token, ...]
    line: int

    def shown(self, text: str) -> str:
        if not self.tokens:
            return ""
        return " ".join(text[self.tokens[0].start : self.tokens[-1].end].split())


def _on_batch(found: list[_Unread]) -> bool:
    return any(
        each.path == ("process", "executor") and [bare(t) for t in each.tokens] == ["awsbatch"]
        for each in found
    )


class _Reader:
    """One pass over the tokens of a config."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._all = list(tokens(text))
        self._at = self._depth = 0
        self.found: list[_Unread] = []
        self.skipped: list[Skipped] = []

    @property
    def _next(self) -> Token:
        return self._all[self._at]

    def _take(self) -> Token:
        token = self._all[self._at]
        self._at = min(self._at + 1, len(self._all) - 1)
        return token

    def block(self, path: tuple[str, ...], selector: Selector | None, opened: Token | None) -> None:
        """Reads statements to the end of the block, or of the file if ``opened`` is None."""
        self._depth += 1
        if opened and self._depth > DEEPEST:
            raise NextflowError(f"line {opened.line}: more than {DEEPEST} nested blocks")
        self._statements(path, selector, opened)
        self._depth -= 1

    def _statements(
        self, path: tuple[str, ...], selector: Selector | None, opened: Token | None
    ) -> None:
        while True:
            token = self._next
            if token.kind == "end":
                if opened:
                    raise NextflowError(f"line {opened.line}: this {{ has no }}")
                return
            if token.text == "}":
                if opened is None:
                    raise NextflowError(f"line {token.line}: this }} has no {{")
                self._take()
                return
            if token.kind == "newline" or token.text == ";":
                self._take()
            else:
                self._statement(path, selector)

    def _statement(self, path: tuple[str, ...], selector: Selector | None) -> None:
        first = self._next
        if first.text == "includeConfig":
            what = " ".join(t.text for t in self._expression())
            self.skipped.append(Skipped(what, first.line))
            return
        if first.kind not in ("word", "string") or first.text in _CODE:
            self._skip(first, path)
            return
        names, chosen = self._path(selector)
        whole = (*path, *names[: MOST_PARTS + 1])
        if len(whole) > MOST_PARTS or sum(map(len, whole)) > MOST_NAME:
            raise NextflowError(f"line {first.line}: this name is too long for a setting")
        if self._next.text == "{":
            self.block(whole, chosen, self._take())
        elif self._next.text == "=" and names:
            self._take()
            value = tuple(self._expression())
            self.found.append(_Unread(whole, chosen, value, first.line))
            if len(self.found) > MOST_SETTINGS:
                raise NextflowError(
                    f"it has more than {MOST_SETTINGS:,} settings, too many for a config"
                )
        else:
            self._skip(first, path)

    def _path(self, selector: Selector | None) -> tuple[list[str], Selector | None]:
        """A name like ``a.b.c``, and the selector if it contains one."""
        names: list[str] = []
        while True:
            token = self._take()
            name = bare(token)
            kind, colon, rest = name.partition(":")
            if kind in ("withName", "withLabel") and (colon or self._next.text == ":"):
                if not colon:
                    self._take()
                    rest = self._selected()
                selector = (kind, rest.strip().strip("'\""))
            elif token.kind == "word" and name.startswith("$") and len(name) > 1:
                selector = ("withName", name[1:])  # how Nextflow wrote selectors before 2018
            else:
                names.append(name)
            if self._next.text != "." or self._all[self._at + 1].kind not in ("word", "string"):
                return names, selector
            self._take()

    def _selected(self) -> str:
        """The text of a selector, up to its block or the dot after it."""
        start = self._next.start
        self._take()
        while self._next.text not in ("{", "=", ".") and self._next.kind not in ("newline", "end"):
            self._take()
        return self._text[start : self._all[self._at - 1].end]

    def _expression(self) -> list[Token]:
        """The tokens up to the end of the statement."""
        taken: list[Token] = []
        depth: list[Token] = []
        while True:
            token = self._next
            if token.kind == "end":
                if depth:
                    text = depth[-1].text
                    raise NextflowError(
                        f"line {depth[-1].line}: this {text} has no {_CLOSERS[text]}"
                    )
                return taken
            if not depth and (token.text in ("}", ";") or self._ends(token, taken)):
                return taken
            if token.kind == "op" and token.text in _CLOSERS:
                depth.append(token)
            elif depth and token.kind == "op" and token.text == _CLOSERS[depth[-1].text]:
                depth.pop()
            self._take()
            taken.append(token)

    def _ends(self, token: Token, taken: list[Token]) -> bool:
        """Whether a newline ends the statement."""
        if token.kind != "newline":
            return False
        if taken and taken[-1].text in _GOES_ON:
            return False
        ahead = self._at
        while self._all[ahead].kind == "newline":
            ahead += 1
        return self._all[ahead].text not in _CONTINUES

    def _skip(self, first: Token, path: tuple[str, ...]) -> None:
        """Skips program code: at least one token, so that reading makes progress."""
        rest = self._expression()
        if not rest:
            self._take()
        what = "plugins" if path == ("plugins",) else f"code ({first.text} …)"
        self.skipped.append(Skipped(what, first.line))
