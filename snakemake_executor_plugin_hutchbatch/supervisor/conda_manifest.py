"""What a built conda environment consists of: the format that its builder and the hosts share.

The builder stores an environment as parts, archives that can be unpacked in any order and at once,
and then this manifest: whoever finds it finds all parts. Standard library only, Python 3.8.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Dict, Mapping, Tuple

from . import strict_json
from .cache_folder import MOUNT
from .typed_json import TaskSpecError, list_of, make, texts_of

VERSION = 1
#: Most bytes of a manifest (a large environment's, of 60,000 files, has 3 MB).
MOST_BYTES = 64 * 1024 * 1024

#: Values of ``Prefixed.kind``: how a file holds the prefix, and what a copy elsewhere needs.
TEXT = "text"  # to be replaced
BINARY = "binary"  # to be replaced, the rest of each C string moved up and padded with NULs
BYTECODE = "bytecode"  # a .pyc: Python makes it again from its source
LINK = "link"  # a symbolic link whose target begins with the prefix
KINDS = (TEXT, BINARY, BYTECODE, LINK)

_KEY = re.compile(r"[0-9a-f]{32}")
_PART = re.compile(r"[0-9a-f]{64}\.tar\.gz")


@dataclass(frozen=True)
class Part:
    """An archive (``.tar.gz``) of some of the files, with their folders. ``name``: of its object,
    beside the manifest; ``size`` and ``unpacked``: bytes of the archive, and of the files in it."""

    name: str
    sha256: str
    size: int
    unpacked: int = 0


@dataclass(frozen=True)
class Prefixed:
    """A file that holds the prefix. ``path``: relative to the environment; ``kind``: one of
    ``KINDS``."""

    path: str
    kind: str


@dataclass(frozen=True)
class CondaPackage:
    """A conda package of the environment."""

    name: str
    version: str
    build: str


@dataclass(frozen=True)
class Manifest:
    """A built environment.

    ``key``: of its lock; ``prefix``: the path that its files hold; ``size``: bytes when it is
    unpacked. ``variables``: the environment's own (``conda env config vars`` and what packages
    bring in ``etc/conda/env_vars.d``), to be set when it is activated. ``pip``: what pip has
    installed, as lines of a requirements file.
    """

    key: str
    prefix: str
    size: int
    parts: Tuple[Part, ...]
    prefixed: Tuple[Prefixed, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    packages: Tuple[CondaPackage, ...] = ()
    pip: Tuple[str, ...] = ()
    version: int = VERSION


def prefix_of(key: str) -> str:
    """The path of an environment in containers whose user is root (``host_cache``): one path for
    all, which its files can hold."""
    return f"{MOUNT}/0/{key}/content"


def dumps(manifest: Manifest) -> bytes:
    return json.dumps(asdict(manifest), separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def loads(data: bytes) -> Manifest:
    """Reads a manifest. Raises ``TaskSpecError`` for anything that is not one of this version, or
    has paths that lead out of the environment."""
    if len(data) > MOST_BYTES:
        raise TaskSpecError(f"longer than {MOST_BYTES} bytes")
    try:
        raw = strict_json.loads(data)
    except strict_json.StrictJsonError as error:
        raise TaskSpecError(str(error)) from error
    if not isinstance(raw, dict):
        raise TaskSpecError("not a JSON object")
    if raw.get("version") != VERSION:
        raise TaskSpecError(f"version {raw.get('version')!r}, expected {VERSION}")
    parts: Dict[str, object] = {
        "parts": tuple(make(Part, item, "parts") for item in list_of(raw, "parts")),
        "prefixed": tuple(make(Prefixed, item, "prefixed") for item in list_of(raw, "prefixed")),
        "packages": tuple(
            make(CondaPackage, item, "packages") for item in list_of(raw, "packages")
        ),
        "pip": texts_of(raw, "pip", "manifest"),
    }
    manifest = make(Manifest, {**raw, **parts}, "manifest")
    _check(manifest)
    return manifest


def _check(manifest: Manifest) -> None:
    if not _KEY.fullmatch(manifest.key):
        raise TaskSpecError("key: not one of a lock")
    if not manifest.prefix.startswith("/"):
        raise TaskSpecError("prefix: not absolute")
    if not manifest.parts:
        raise TaskSpecError("parts: at least one is needed")
    numbers = [manifest.size]
    for part in manifest.parts:
        numbers += [part.size, part.unpacked]
        if not _PART.fullmatch(part.name) or not part.name.startswith(part.sha256):
            raise TaskSpecError("parts: a name that is not its digest")
    if min(numbers) < 0:
        raise TaskSpecError("manifest: a number that is out of range")
    for each in manifest.prefixed:
        if each.kind not in KINDS:
            raise TaskSpecError(f"prefixed: unknown kind {each.kind!r}")
        names = each.path.split("/")
        if ".." in names or "." in names or "" in names:
            raise TaskSpecError("prefixed: a path that is not below the environment")
