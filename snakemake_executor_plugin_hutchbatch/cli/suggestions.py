"""What somebody probably meant who wrote a word that is no subcommand or option. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

#: Words of other tools, and the subcommand that does it here.
_ELSEWHERE = {
    "abort": "cancel",
    "check": "doctor",
    "config": "init",
    "configure": "init",
    "delete": "cancel",
    "dry-run": "plan",
    "dryrun": "plan",
    "fetch": "download",
    "get": "download",
    "history": "runs",
    "jobs": "status",
    "kill": "cancel",
    "launch": "submit",
    "list": "runs",
    "ls": "runs",
    "ps": "status",
    "push": "upload",
    "put": "upload",
    "setup": "init",
    "squeue": "status",
    "stop": "cancel",
    "tail": "logs",
    "test": "doctor",
    "top": "status",
    "try": "local",
}


def subcommands(word: str, known: Collection[str]) -> list[str]:
    """At most two of ``known``."""
    near = difflib.get_close_matches(word.lower(), known, n=2, cutoff=0.6)
    elsewhere = _ELSEWHERE.get(word.lower(), "")
    return list(dict.fromkeys(name for name in (elsewhere, *near) if name in known))[:2]


def unexpected(words: Sequence[str], known: Sequence[str]) -> str:
    """What to say of words at the end of a command line that nothing takes. ``known``: options."""
    names = [word.partition("=")[0] for word in words if word.startswith("-")]
    if not names:
        return f"too many arguments: {' '.join(words)}"
    meant = [near for n in names for near in difflib.get_close_matches(n, known, n=1, cutoff=0.7)]
    kind = "option" if len(names) == 1 else "options"
    return f"unknown {kind} {' '.join(names)}{question(list(dict.fromkeys(meant)))}"


def question(names: Sequence[str]) -> str:
    """``; did you mean a or b?``, or nothing."""
    return f"; did you mean {' or '.join(names)}?" if names else ""
