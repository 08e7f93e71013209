"""What a local cloud keeps in its folder for its next start: ports, the user's keys and the control
token, so that a terminal or a profile that was directed to it stays valid."""

from __future__ import annotations

import json
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from .services.callers import PREFIXES, Keys

FILE = "kept.json"
#: What another terminal reads.
SCRIPT = "env.sh"


@dataclass(frozen=True)
class Kept:
    """Ports are 0 before the first start."""

    s3_port: int = 0
    port: int = 0
    access_key: str = field(default_factory=lambda: Keys.random("user").access_key)
    secret_key: str = field(default_factory=lambda: Keys.random("user").secret_key)
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def user(self) -> Keys:
        return Keys(self.access_key, self.secret_key)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What is there; new where there is nothing that can be used."""
        try:
            found = cls(**json.loads(_read_private(folder / FILE)))
        except (OSError, ValueError, TypeError, RecursionError):
            return cls()
        return found if found._is_usable() else cls()

    def _is_usable(self) -> bool:
        ports = all(type(each) is int and 0 <= each < 65536 for each in (self.s3_port, self.port))
        texts = (self.access_key, self.secret_key, self.token)
        plain = all(isinstance(each, str) and each and each.isprintable() for each in texts)
        return ports and plain and self.access_key.startswith(PREFIXES["user"])

    def save(self, folder: Path, s3_url: str, url: str) -> None:
        """With the ports of these addresses."""
        s3_port, port = (int(each.rpartition(":")[2]) for each in (s3_url, url))
        now = replace(self, s3_port=s3_port, port=port)
        write_private(folder / FILE, json.dumps(asdict(now), indent=1) + "\n")


def _read_private(path: Path) -> str:
    """A small file that nobody else could have written. Raises ``OSError``."""
    # Nor does a pipe in its place make anybody wait.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, encoding="utf-8") as file:
        about = os.fstat(file.fileno())
        mine = about.st_uid == os.geteuid() and not about.st_mode & 0o077
        if not mine or not stat.S_ISREG(about.st_mode):
            raise PermissionError(f"{path} is no private file")
        return file.read(10_000)


def write_private(path: Path, text: str) -> None:
    """Replaces a file by one that only its user can read; a link there is replaced, not
    followed."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        beside.unlink()
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)
