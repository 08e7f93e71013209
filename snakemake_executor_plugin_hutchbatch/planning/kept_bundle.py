"""What the supervisor's sources become, kept on the user's machine: making it takes a tenth of
what a small run costs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .. import files

#: Results that are kept, the last made ones.
KEPT = 4


def kept(folder: Path, key: str, make: Callable[[], bytes]) -> bytes:
    """What ``make`` returns for this key, from ``folder`` if it is there. Files are named by key
    and SHA-256; one that is not what its name says is made again. Never raises ``OSError``."""
    with suppress(OSError):
        for path in folder.glob(f"{key}-*"):
            content = path.read_bytes()
            if path.name == _name(key, content):
                return content
    content = make()
    with suppress(OSError):
        files.write(folder / _name(key, content), content)
        for path in sorted(folder.iterdir(), key=lambda path: -path.stat().st_mtime)[KEPT:]:
            path.unlink()
    return content


def _name(key: str, content: bytes) -> str:
    return f"{key}-{hashlib.sha256(content).hexdigest()}"
