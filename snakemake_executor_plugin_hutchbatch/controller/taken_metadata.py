"""What a saved state says of finished files, put into Snakemake's own folder on another machine."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from .saved_files import INCOMPLETE, METADATA, METADATA_DB

#: Milliseconds for which another process may write there.
_BUSY = 10_000
_TABLE = "snakemake_metadata"


def merge(saved: Path, folder: Path) -> int:
    """``saved``: the state; ``folder``: Snakemake's own, which takes what it has not, or has older,
    in the form that it keeps (``--persistence-backend``). Returns how many files that is about.
    Raises ``OSError``."""
    count = _merge_files(saved, folder) if (folder / METADATA).is_dir() else 0
    if (saved / METADATA_DB).is_file() and (folder / METADATA_DB).is_file():
        try:
            count += _merge_database(saved / METADATA_DB, folder / METADATA_DB)
        except sqlite3.Error as error:
            raise OSError(f"{METADATA_DB}: {error}") from error
    return count


def _merge_files(saved: Path, folder: Path) -> int:
    count = 0
    for source in sorted((saved / METADATA).rglob("*")):
        if not source.is_file():
            continue
        name = source.relative_to(saved / METADATA)
        target = folder / METADATA / name
        with suppress(FileNotFoundError):
            if target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
                continue
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{target.name}.{os.getpid()}.draft")
        shutil.copy2(source, draft)
        draft.replace(target)
        # It has been made since.
        (folder / INCOMPLETE / name).unlink(missing_ok=True)
        count += 1
    return count


def _merge_database(saved: Path, own: Path) -> int:
    """Snakemake calls its rows by the folder that has them (``persistence/db.py`` of Snakemake
    9.27), and removes no columns. Raises ``sqlite3.Error``."""
    here = str(own.parent.absolute())
    with (
        closing(sqlite3.connect(f"{saved.as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(own)) as target,
        target,
    ):
        # Whoever may write the work prefix may have written it.
        source.execute("PRAGMA trusted_schema = OFF")
        target.execute(f"PRAGMA busy_timeout = {_BUSY}")
        names = [name for name in _columns(target) if name in _columns(source)]
        if not {"namespace", "target", "endtime", "incomplete"} <= set(names):
            return 0
        place, ended = names.index("target"), names.index("endtime")
        known = dict(
            target.execute(f"SELECT target, endtime FROM {_TABLE} WHERE namespace = ?", (here,))  # noqa: S608
        )
        listed = ", ".join(f'"{name}"' for name in names)
        rows = [
            [here if name == "namespace" else value for name, value in zip(names, row, strict=True)]
            for row in source.execute(
                f"SELECT {listed} FROM {_TABLE} WHERE endtime > 0 AND incomplete IS NOT 1 "  # noqa: S608
                "AND typeof(endtime) IN ('real', 'integer')"
            )
            if (known.get(row[place]) or 0.0) < row[ended]
        ]
        marks = ", ".join("?" * len(names))
        target.executemany(f"INSERT OR REPLACE INTO {_TABLE} ({listed}) VALUES ({marks})", rows)  # noqa: S608
        return len(rows)


def _columns(connection: sqlite3.Connection) -> list[str]:
    """None of a view, which a stranger may have made."""
    kinds = connection.execute("SELECT type FROM sqlite_master WHERE name = ?", (_TABLE,))
    if kinds.fetchone() != ("table",):
        return []
    return [row[1] for row in connection.execute(f"PRAGMA table_info({_TABLE})")]
