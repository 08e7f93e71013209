"""Whether an image can start the programs of conda environments, which are linked with glibc."""

from __future__ import annotations

import os
from typing import Iterator

#: What starts them: the same path in every glibc for this processor.
LOADER = "/lib64/ld-linux-x86-64.so.2"
#: Where an ELF file names its loader, in all that linkers make.
HEAD = 4096
#: Programs that are looked at before the rest is believed to be alike.
MOST = 200


def is_missing(prefix: str, loader: str = LOADER) -> bool:
    """Whether programs of the environment need a loader that is not there."""
    if os.path.exists(loader):
        return False
    name = os.fsencode(LOADER) + b"\0"
    return any(name in head for head in _heads(os.path.join(prefix, "bin")))


def _heads(folder: str) -> Iterator[bytes]:
    """How the ELF files of a folder begin."""
    try:
        names = sorted(os.listdir(folder))[:MOST]
    except OSError:
        return
    for name in names:
        try:
            with open(os.path.join(folder, name), "rb") as file:
                head = file.read(HEAD)
        except OSError:
            continue
        if head.startswith(b"\x7fELF"):
            yield head
