"""Files on the user's machine."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from ..values import SITES, SettingError
from .text import text


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # a name that is too long, a folder that may not be read
        raise SettingError(f"that cannot be read: {error.strerror}") from None


def parse_queue_catalog(value: object) -> Path:
    path = Path(text(value)).expanduser()
    if not _is_file(path):
        raise SettingError("there is no such file")
    return path.absolute()  # --directory changes where we are


def parse_site(value: object) -> str | Path:
    """The name of a site that ships, or a file that describes one."""
    name = text(value)
    if name in SITES:
        return name
    path = Path(name).expanduser()
    if _is_file(path):
        return path.absolute()
    sites = " or ".join(SITES)
    if re.fullmatch(r"[\w-]+", name):
        raise SettingError(
            f"there is no such site: write {sites}, or the file that describes yours"
        )
    raise SettingError(
        f"there is no such file: write {sites}, or the file that describes your site"
    )


def parse_report(value: object) -> tuple[Path, ...]:
    """Files ``.html`` or ``.tsv``."""
    paths = tuple(
        Path(text(v)).expanduser()
        for v in (value if isinstance(value, (list, tuple)) else str(value).split())
    )
    for path in paths:
        if path.suffix not in (".html", ".tsv"):
            raise SettingError("give a file .html for the picture, or .tsv for the table")
        if path.suffix == ".html" and find_spec("vl_convert") is None:
            raise SettingError(
                "the report needs vl-convert-python: "
                'pip install "snakemake-executor-plugin-hutchbatch[report]"'
            )
    return paths
