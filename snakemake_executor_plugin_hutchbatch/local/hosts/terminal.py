"""The only module of the local cloud that writes to the terminal. Messages may contain untrusted
text from a container engine, a registry or a job."""

from __future__ import annotations

import sys


def printable(text: str) -> str:
    """``text`` as one line that cannot control a terminal."""
    text = text.rstrip("\r\n")
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in text)


def print_message(line: str) -> None:
    """Writes a message for the user."""
    sys.stderr.write(printable(line).encode("utf-8", "replace").decode() + "\n")
    sys.stderr.flush()


def print_command(line: str) -> None:
    """Writes a line to be pasted into a shell, unchanged."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
