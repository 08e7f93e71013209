"""Reads a config statement by statement: its settings, each with its path, its tokens and its line.

Whatever is no setting is skipped, with its place: a config is read as far as it can be."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass

from .carried import shown
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
#: Most included files: nf-core/rnaseq has 60, one for each group of modules.
MOST_FILES = 200


class NextflowError(ValueError):
    """The text cannot be read as a config; the message names the line."""


@dataclass(frozen=True)
class Skipped:
    """A part of the config that was not read, and ``why``; ``group`` as in ``carried.Left``."""

    what: str
    line: int
    why: str
    file: str = ""
    group: str = ""


@dataclass(frozen=True)
class Source:
    text: str
    file: str = ""

    def __post_init__(self) -> None:
        if len(self.text) > MOST_CHARS:
            raise NextflowError(
                f"it has more than {MOST_CHARS:,} characters, too many for a config"
            )


@dataclass(frozen=True)
class Unread:
    path: tuple[str, ...]
    selector: Selector | None
    tokens: tuple[Token, ...]
    line: int
    source: Source

    @property
    def shown(self) -> str:
        if not self.tokens:
            return ""
        return " ".join(self.source.text[self.tokens[0].start : self.tokens[-1].end].split())


@dataclass
class Counts:
    """Of a config with its included files."""

    settings: int = 0
    files: int = 0


class Reader:
    """One pass over the tokens of a config. ``skipped``: each with the profile that it is in."""

    def __init__(
        self,
        source: Source,
        include: Callable[[str], str | None],
        counts: Counts | None = None,
        depth: int = 0,
    ) -> None:
        self._source = source
        self._text = source.text
        self._include = include
        self._counts = counts or Counts()
        self._all = list(tokens(source.text))
        self._at, self._depth = 0, depth
        self.found: list[Unread] = []
        self.skipped: list[tuple[str, Skipped]] = []
        self.profiles: dict[str, int] = {}

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
            self._included(path, selector)
            return
        if first.kind not in ("word", "string") or first.text in _CODE:
            self._skip(first, path)
            return
        names, chosen = self._path(selector)
        whole = (*path, *names[: MOST_PARTS + 1])
        if len(whole) > MOST_PARTS or sum(map(len, whole)) > MOST_NAME:
            raise NextflowError(f"line {first.line}: this name is too long for a setting")
        if self._next.kind == "newline" and self._all[self._at + 1].text == "{":
            self._take()  # people who come from other languages put the bracket there
        if self._next.text == "{":
            if len(whole) == 2 and whole[0] == "profiles":
                self.profiles.setdefault(whole[1], first.line)
            self.block(whole, chosen, self._take())
        elif self._next.text == "=" and names:
            self._take()
            value = tuple(self._expression())
            self.found.append(Unread(whole, chosen, value, first.line, self._source))
            self._counts.settings += 1
            if self._counts.settings > MOST_SETTINGS:
                raise NextflowError(
                    f"it has more than {MOST_SETTINGS:,} settings, too many for a config"
                )
        else:
            self._skip(first, path)

    def _included(self, path: tuple[str, ...], selector: Selector | None) -> None:
        """Reads an included file as if it stood here."""
        first = self._take()
        named = self._expression()
        what = f"includeConfig {self._shown(named)}"
        self._counts.files += 1
        name = _beside(self._source.file, bare(named[0])) if len(named) == 1 else None
        if name is None:
            why = "only files beside the config are read, by their plain names"
        elif self._counts.files > MOST_FILES or self._depth >= DEEPEST:
            why = f"more than {MOST_FILES} files, or files that include each other"
        elif (text := self._include(name)) is None:
            why = "there is no such file beside the config, or none that can be read"
        else:
            try:
                inner = Reader(Source(text, name), self._include, self._counts, self._depth + 1)
                inner.block(path, selector, None)
            except NextflowError as error:
                why = str(error)
            else:
                self.found += inner.found
                self.skipped += inner.skipped
                for profile, line in inner.profiles.items():
                    self.profiles.setdefault(profile, line)
                return
        self._skipped(path, what, first.line, why)

    def _shown(self, those: list[Token]) -> str:
        return shown(self._text[those[0].start : those[-1].end]) if those else ""

    def _skipped(
        self, path: tuple[str, ...], what: str, line: int, why: str, group: str = ""
    ) -> None:
        profile = path[1] if len(path) > 1 and path[0] == "profiles" else ""
        self.skipped.append((profile, Skipped(what, line, why, self._source.file, group)))

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
        if path[:1] == ("plugins",):
            self._skipped(path, "plugins", first.line, "it only concerns Nextflow", "plugins")
            return
        self._skipped(path, f"code ({first.text} …)", first.line, "Groovy code is not run")


def _beside(including: str, name: str) -> str | None:
    """The name of an included file relative to the config's folder, ``conf/base.config``; None for
    what is no plain name of a file."""
    for start in ("${projectDir}/", "$projectDir/", "${baseDir}/", "$baseDir/"):
        if name.startswith(start):
            including, name = "", name.removeprefix(start)
    if not name or "$" in name or "://" in name or len(name) > MOST_NAME or "\0" in name:
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(including), name))
