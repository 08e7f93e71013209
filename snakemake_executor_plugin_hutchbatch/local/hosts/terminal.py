"""The one place where the local cloud writes to the terminal. What it says may hold words of
others: of a container engine, a registry, a job."""

from __future__ import annotations

import sys


def printable(text: str) -> str:
    """``text`` as one line that drives no terminal."""
    text = text.rstrip("\r\n")
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in text)


def tell(line: str) -> None:
    """Says something to the person at the terminal."""
    sys.stderr.write(printable(line).encode("utf-8", "replace").decode() + "\n")
    sys.stderr.flush()


def give(line: str) -> None:
    """A line to be pasted into a shell, as it is."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
