"""What a run has put into the launch folder or moved there, and the files that it copies."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from ..record.controllers import Controller

#: Path, size, time (ns) and inode by which each file is recognised.
Signs = list[tuple[str, int, int, int]]


class Differs(Exception):
    """A local file must not be replaced; the message is a sentence for the user."""


class Stored(Protocol):
    """A file or directory in S3."""

    @property
    def url(self) -> str: ...

    @property
    def identity(self) -> str:
        """Changes when the content does."""

    @property
    def modified(self) -> float:
        """Seconds since the epoch."""

    @property
    def md5(self) -> str | None:
        """The MD5 of a file that was stored in one piece; otherwise None."""

    def download(self, target: Path) -> None:
        """Creates ``target``, a file or a directory."""


@dataclass
class State:
    """What one run has put here or moved, by name. Stored on disk unless it is empty."""

    controller: Controller
    #: Copies of stored files: identity, and the signs of each file.
    copies: dict[str, tuple[str, Signs]] = field(default_factory=dict)
    #: Files that local jobs have created, or may have begun to create.
    made: set[str] = field(default_factory=set)
    #: The user's files that were moved, and where they are now.
    aside: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    def text(self) -> str:
        parts = asdict(self)
        return json.dumps({**parts, "made": sorted(self.made), "folders": sorted(self.folders)})

    @classmethod
    def read(cls, text: str) -> State:
        """Raises ``ValueError``, ``TypeError``, ``KeyError`` or ``AttributeError`` for other
        texts."""
        parts = json.loads(text)
        return cls(
            Controller(**parts["controller"]),
            {
                str(name): (str(identity), [(str(p), int(a), int(b), int(c)) for p, a, b, c in s])
                for name, (identity, s) in parts["copies"].items()
            },
            set(map(str, parts["made"])),
            {str(name): str(path) for name, path in parts["aside"].items()},
            set(map(str, parts["folders"])),
        )
