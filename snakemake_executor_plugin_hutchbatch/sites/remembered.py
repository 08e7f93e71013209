"""What an account's job definitions showed, kept in a run's folder: not every start asks AWS."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import cast

from .. import files
from ..settings.parsers import SettingError, parse_mount
from ..settings.values import Mount

PLACE = Path(".snakemake/hutchbatch/scratch-disks.json")
#: Accounts change rarely, and whoever changes one can name the site.
KEEP_SECONDS = 7 * 24 * 3600
#: Accounts and mounts that are kept.
_MOST = 20


def load(place: Path, account: str, now: float) -> dict[Mount, int] | None:
    """What was kept of an account; None where nothing was, or too long ago."""
    found = _read(place).get(account)
    if not isinstance(found, dict):
        return None
    looked, mounts = found.get("looked"), found.get("mounts")
    if not isinstance(looked, (int, float)) or not 0 <= now - looked <= KEEP_SECONDS:
        return None
    if not isinstance(mounts, dict) or not all(type(count) is int for count in mounts.values()):
        return None
    try:
        return {parse_mount(text): count for text, count in mounts.items()}
    except SettingError:
        return None


def keep(place: Path, account: str, mounts: dict[Mount, int], now: float) -> None:
    """Keeps it, as far as the disk lets us."""
    most = sorted(mounts.items(), key=lambda each: -each[1])[:_MOST]
    texts = {f"{m.source}:{m.path}" + (":ro" if m.read_only else ""): n for m, n in most}
    others = {name: value for name, value in _read(place).items() if name != account}
    kept = dict(list(others.items())[-_MOST + 1 :])
    with suppress(OSError):
        files.private_folder(place.parent)
        document = {**kept, account: {"looked": now, "mounts": texts}}
        files.write(place, json.dumps(document, indent=1), files.PRIVATE_FILE)


def _read(place: Path) -> dict[str, object]:
    try:
        with place.open(encoding="utf-8") as file:
            found = json.loads(file.read(100_000))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast(dict[str, object], found) if isinstance(found, dict) else {}
