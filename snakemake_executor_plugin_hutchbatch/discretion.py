"""What a command line may hold that is nobody's business, taken out before it is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Options of Snakemake's plugins that hold a secret, such as ``--storage-s3-secret-key``, also
#: shortened. ``--hutchbatch-secrets`` holds none, but where AWS keeps them.
_SECRET = re.compile(r"--(?!hutchbatch-)[\w-]*(?:secret|token|password|access-key)[\w-]*")
HIDDEN = "…"


def discreet(arguments: Iterable[str]) -> list[str]:
    """The arguments without the values of such options."""
    kept: list[str] = []
    hide = False
    for argument in arguments:
        name, joined, _ = argument.partition("=")
        if hide:
            kept.append(HIDDEN)
            hide = False
        elif _SECRET.fullmatch(name):
            kept.append(f"{name}={HIDDEN}" if joined else name)
            hide = not joined
        else:
            kept.append(argument)
    return kept
