"""What the doctor finds, for users and for a helpdesk. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One sentence about ``subject``; ``remedy``: what to do; ``missing``: IAM actions that users
    lack; ``role`` lacks those of ``role_missing``, each with the place in S3 that it is about."""

    level: Level
    subject: str
    sentence: str
    remedy: str = ""
    missing: tuple[str, ...] = ()
    role: str = ""
    role_missing: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        return f"{self.sentence}: {self.remedy}" if self.remedy else self.sentence


def worst(findings: Iterable[Finding]) -> Level:
    """``problem`` if there is one, else ``warning`` if there is one, else ``ok``."""
    levels = {f.level for f in findings}
    return next((level for level in ("problem", "warning") if level in levels), "ok")


def missing(findings: Iterable[Finding]) -> tuple[str, ...]:
    """All IAM actions that are missing, once each."""
    return tuple(dict.fromkeys(action for f in findings for action in f.missing))


def as_json(findings: Sequence[Finding]) -> list[dict[str, object]]:
    return [{**asdict(f), "missing": list(f.missing)} for f in findings]
