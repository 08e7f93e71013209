"""The only module that writes to the terminal and to Snakemake's log.

Messages may contain untrusted text from records, jobs or AWS, so every one is cleaned before it is
written (``printable.printable``, ``secrets.redacted``). One string is one line, so that no line
break in a name can forge a line of hutchbatch. ``tests/security`` checks that no other module
writes."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self, TypeVar

from .printable import mapped, printable, printable_lines
from .secrets import redacted

T = TypeVar("T")

#: Styles by name; their codes: https://en.wikipedia.org/wiki/ANSI_escape_code#SGR
_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33}
#: How a note begins, to set it apart from a command's output.
_NOTE = "hutchbatch: "
#: Where Linux says what a file descriptor of this process is.
_OUTPUT = "/proc/self/fd/{}"


@dataclass(frozen=True)
class Painted:
    """A part of a line in a style (``bold``, ``dim``, ``red``, ``green``, ``yellow``)."""

    text: str
    style: str


#: A line, or its parts.
Line = str | Painted | Sequence[str | Painted]


def has_colours(stream: IO[str], environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal shows colours, and https://no-color.org does not forbid them."""
    dumb = environment.get("TERM", "") in ("", "dumb")
    return stream.isatty() and not dumb and not environment.get("NO_COLOR")


def clean(text: str, hide: Callable[[str], str] = redacted) -> str:
    """Untrusted text, made safe to show as part of a line."""
    return printable(hide(text))


def _rendered(line: Line, colours: bool) -> str:
    if isinstance(line, str):
        return clean(line)
    if isinstance(line, Painted):
        text = clean(line.text)
        return f"\x1b[{_CODES[line.style]}m{text}\x1b[0m" if colours and text else text
    return "".join(_rendered(part, colours) for part in line)


def _write(stream: SupportsWrite, text: str) -> None:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


# Commands


def say(*lines: Line) -> None:
    """Writes a command's output, line by line."""
    colours = has_colours(sys.stdout)
    for line in lines:
        _write(sys.stdout, _rendered(line, colours) + "\n")
    sys.stdout.flush()


def note(sentence: str, *more: str) -> None:
    """Writes a message to the error output, so that the output stays fit for a pipe; ``more``:
    lines below it."""
    for line in (_NOTE + sentence, *more):
        _write(sys.stderr, clean(line) + "\n")
    sys.stderr.flush()


@contextmanager
def output_as_notes() -> Iterator[None]:
    """What other code prints within goes to the error output."""
    with redirect_stdout(sys.stderr):
        yield


def say_json(value: object, indent: int | None = None) -> None:
    """Writes a value for programs: exact, and in ASCII, so that it cannot control a terminal."""
    text = json.dumps(value, indent=indent, ensure_ascii=True)
    _write(sys.stdout, text.replace("\x7f", r"\u007f") + "\n")
    sys.stdout.flush()


def say_table(lines: Iterable[str]) -> None:
    """Writes a table for programs; secrets are removed from its cells already."""
    for line in lines:
        _write(sys.stdout, printable(line) + "\n")


def output_is_shown() -> bool:
    """Whether a command's output goes to a terminal."""
    return sys.stdout.isatty()


def output_file() -> Path | None:
    """The file that a command's output goes into; None for anything else, and where the system
    does not say."""
    try:
        path = Path(_OUTPUT.format(sys.stdout.fileno())).readlink()
        return path if path.is_file() else None
    except (OSError, ValueError):
        return None


def say_exactly(text: str) -> None:
    """Writes trusted text unchanged, such as a script for a shell."""
    _write(sys.stdout, text + "\n")


def job_output(text: str) -> None:
    """Writes a line of a job's output: unchanged into a pipe or a file, printable on a terminal."""
    text = text.removesuffix("\n")
    _write(sys.stdout, (printable(text) if sys.stdout.isatty() else text) + "\n")


def flush() -> None:
    """Raises ``BrokenPipeError`` if the reader is gone."""
    sys.stdout.flush()


def is_interactive() -> bool:
    """Whether a person can answer questions."""
    return sys.stdin.isatty()


def ask(question: str) -> str:
    """The answer of the person at the terminal. Raises ``EOFError``, ``KeyboardInterrupt``."""
    return input(f"{clean(question)} ").strip()


def show_traceback() -> None:
    """Writes the traceback of the exception that is being handled."""
    for line in traceback_lines():
        _write(sys.stderr, clean(line) + "\n")


def traceback_lines() -> list[str]:
    """The lines of that traceback, indented so that none can pass for a line of hutchbatch."""
    return [f"  {line}" for line in traceback.format_exc().rstrip("\n").split("\n")]


def forget_reader() -> None:
    """After the pipe was closed: discards further output, also what Python writes when it exits.
    https://docs.python.org/3/library/signal.html#note-on-sigpipe"""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Parser(argparse.ArgumentParser):
    """A parser that writes its help and errors through this module."""

    def _print_message(self, message: str, file: SupportsWrite | None = None) -> None:
        stream = file or sys.stderr
        with suppress(AttributeError, OSError):
            _write(stream, "\n".join(printable_lines(message)))


class Screen:
    """Shows a view repeatedly: in place on a terminal, otherwise one below the other."""

    def __init__(self) -> None:
        self._in_place = sys.stdout.isatty()

    def __enter__(self) -> Self:
        if self._in_place:
            _write(sys.stdout, "\x1b[?7l\x1b[2J")  # long lines are cut, not wrapped
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._in_place:
            _write(sys.stdout, "\x1b[?7h")
            sys.stdout.flush()

    def show(self, lines: Sequence[Line]) -> None:
        """Shows ``lines`` from the top left corner, as many as the terminal has room for."""
        if not self._in_place:
            say(*lines)
            return
        most = shutil.get_terminal_size().lines - 2
        if len(lines) > most:
            lines = [*lines[: most - 1], "…"]
        colours = has_colours(sys.stdout)
        rows = "".join(f"{_rendered(line, colours)}\x1b[K\n" for line in lines)
        _write(sys.stdout, f"\x1b[H{rows}\x1b[J")
        sys.stdout.flush()


# Runs


Extra = Mapping[str, object]


class SupportsWrite(Protocol):
    """A file for text."""

    def write(self, text: str, /) -> object: ...


class Logger(Protocol):
    """Of the standard library's loggers."""

    def debug(self, message: str, *, extra: Extra | None = None) -> object: ...
    def info(self, message: str, *, extra: Extra | None = None) -> object: ...
    def warning(self, message: str, *, extra: Extra | None = None) -> object: ...
    def error(self, message: str, *, extra: Extra | None = None) -> object: ...


class Log:
    """Snakemake's logger for hutchbatch's messages. A list is one message of several lines; with
    ``exc_info`` the traceback is added, which Snakemake's own handlers would leave out."""

    def __init__(self, logger: Logger, hide: Callable[[str], str] = redacted) -> None:
        self._logger = logger
        self._hide = hide

    def debug(
        self, message: str | Sequence[str], *, exc_info: bool = False, extra: Extra | None = None
    ) -> None:
        self._put(self._logger.debug, message, exc_info, extra)

    def info(
        self, message: str | Sequence[str], *, exc_info: bool = False, extra: Extra | None = None
    ) -> None:
        self._put(self._logger.info, message, exc_info, extra)

    def warning(
        self, message: str | Sequence[str], *, exc_info: bool = False, extra: Extra | None = None
    ) -> None:
        self._put(self._logger.warning, message, exc_info, extra)

    def error(
        self, message: str | Sequence[str], *, exc_info: bool = False, extra: Extra | None = None
    ) -> None:
        self._put(self._logger.error, message, exc_info, extra)

    def _put(
        self,
        put: Callable[..., object],
        message: str | Sequence[str],
        exc_info: bool,
        extra: Extra | None,
    ) -> None:
        lines = [message] if isinstance(message, str) else list(message)
        if exc_info:
            lines += traceback_lines()
        # No arguments, so that a percent sign in a name is just that.
        put("\n".join(clean(line, self._hide) for line in lines), extra=extra)


def snakemake_log() -> Log:
    """The log of the Snakemake in this process."""
    # Imported late: commands do without Snakemake, which is slow to load.
    from snakemake.logging import logger  # noqa: PLC0415

    return Log(logger)


def at_once(line: str) -> None:
    """Writes without any lock: for a signal handler, which may interrupt another write."""
    with suppress(OSError):
        os.write(2, (clean(line) + "\n").encode("utf-8", "backslashreplace"))


def shown(value: T) -> T:
    """Any value with its strings made safe for a table or a page."""
    return mapped(value, clean)
