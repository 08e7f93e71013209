"""What pip is set to where Snakemake runs, for the pip of environments that are built elsewhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable

#: pip's options that say where packages come from, and which are taken; in its own words. Paths of
#: this machine (certificates, constraints, caches) mean nothing elsewhere.
FORWARDED = (
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "trusted-host",
    "only-binary",
    "no-binary",
    "prefer-binary",
    "pre",
    "timeout",
    "retries",
)
#: Those whose folders, and files, are this machine's.
_ADDRESSES = ("index-url", "extra-index-url", "find-links")
#: Sections of pip's configuration, the last one that has an option wins.
_SECTIONS = ("global", "install", ":env:")
#: Seconds that pip may take to say so.
PATIENCE = 60.0


def of_this_machine() -> dict[str, str]:
    """The settings, as variables of pip; none where there is no pip."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return variables(done.stdout.splitlines())


def variables(lines: Iterable[str]) -> dict[str, str]:
    """The variables for what ``pip config list`` says. Pure."""
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in lines:
        name, equals, text = line.partition("=")
        section, dot, option = name.rpartition(".")
        if not (equals and dot) or section not in found or option not in FORWARDED:
            continue
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            continue
        words = str(value).split()
        if option in _ADDRESSES:
            words = [word for word in words if word.startswith(("http://", "https://"))]
        if words:
            found[section][option] = " ".join(words)
    merged: dict[str, str] = {}
    for section in _SECTIONS:
        merged.update(found[section])
    return {f"PIP_{option.upper().replace('-', '_')}": value for option, value in merged.items()}
