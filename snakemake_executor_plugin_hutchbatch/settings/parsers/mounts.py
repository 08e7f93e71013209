"""Folders of Batch's hosts, and where containers see them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..values import NONE, Mount, Nothing, SettingError
from .text import text


def parse_mount(value: object) -> Mount:
    """``/host/path:/container/path`` with an optional ``:ro``."""
    parts = text(value).split(":")
    read_only = len(parts) == 3 and parts[2] == "ro"
    if len(parts) == 3 and parts[2] in ("ro", "rw"):
        parts = parts[:2]
    if len(parts) == 1:
        parts *= 2
    if len(parts) != 2 or not all(re.fullmatch(r"/[^\s:]*", p) for p in parts) or parts[1] == "/":
        raise SettingError("a mount is /path/on/host:/path/in/container, with :ro for read-only")
    return Mount(parts[0], parts[1].rstrip("/"), read_only)


def parse_scratch(value: object) -> Mount:
    mount = parse_mount(value)
    if mount.read_only:
        raise SettingError("the scratch is where jobs write: it cannot be read-only")
    return mount


def parse_volumes(value: object) -> tuple[Mount, ...]:
    items: Iterable[object] = value if isinstance(value, (list, tuple)) else [value]
    return tuple(
        parse_mount(part)
        for item in items
        for part in re.split(r"[\s,]+", str(item).strip())
        if part
    )


def parse_aws_cli_path(value: object) -> str | Nothing:
    """The prefix of the hosts' AWS CLI; its ``…/bin/aws`` (Nextflow's cliPath) means the same.

    ``none``: nothing is mounted, images bring their own Python with botocore.
    """
    path = text(value)
    if path == str(NONE):
        return NONE
    path = path.rstrip("/").removesuffix("/bin/aws")
    # It is part of the start-up command, which must be short (``planning/sizes.py``).
    if not re.fullmatch(r"(/[^\s:/]+)+", path) or len(path) > 200:
        raise SettingError(
            "it is a folder on Batch's hosts, like /home/ec2-user/miniconda, or none"
        )
    return path
