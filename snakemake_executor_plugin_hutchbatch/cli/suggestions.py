"""What somebody probably meant who wrote a word that is no subcommand or option. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

#: Words of other tools, and the subcommand that does it here.
_ELSEWHERE = {
    "abort": "cancel",
    "bjobs": "status",
    "bkill": "cancel",
    "bsub": "submit",
    "check": "doctor",
    "config": "init",
    "configure": "init",
    "console": "shell",
    "cost": "report",
    "costs": "report",
    "delete": "cleanup",
    "detach": "submit",
    "dry-run": "plan",
    "dryrun": "plan",
    "enter": "shell",
    "exec": "shell",
    "fetch": "download",
    "get": "download",
    "history": "runs",
    "jobs": "status",
    "kill": "cancel",
    "launch": "submit",
    "list": "runs",
    "ls": "runs",
    "monitor": "status",
    "output": "logs",
    "prune": "cleanup",
    "ps": "status",
    "pull": "download",
    "push": "upload",
    "put": "upload",
    "qdel": "cancel",
    "qstat": "status",
    "qsub": "submit",
    "remove": "cleanup",
    "repeat": "rerun",
    "restart": "rerun",
    "retry": "rerun",
    "rm": "cleanup",
    "run": "submit",
    "sacct": "report",
    "sbatch": "submit",
    "seff": "report",
    "setup": "init",
    "sinfo": "queues",
    "squeue": "status",
    "srun": "submit",
    "ssh": "shell",
    "start": "submit",
    "stop": "cancel",
    "tail": "logs",
    "test": "doctor",
    "top": "status",
    "trace": "report",
    "try": "local",
    "watch": "status",
}


def subcommands(word: str, known: Collection[str]) -> list[str]:
    """At most two of ``known``."""
    elsewhere = _ELSEWHERE.get(word.lower(), "")
    if elsewhere in known:
        return [elsewhere]
    # A letter of four may be wrong; with less, `login` is `logs`, and `repeat` `report`.
    return difflib.get_close_matches(word.lower(), known, n=2, cutoff=0.7)


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
