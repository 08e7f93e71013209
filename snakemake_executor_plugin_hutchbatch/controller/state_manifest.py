"""The manifest of a saved state: which objects it is made of. Read strictly. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from ..record.columns import MOST_SECONDS
from ..supervisor import strict_json
from ..supervisor.typed_json import TaskSpecError, make
from .saved_files import DATABASES, LOGS

#: Bytes of a manifest, which has less than a hundred entries.
MOST_BYTES = 256 * 1024
_VERSION = 1
_NAME = re.compile(r"[0-9]{1,9}-[0-9]{1,12}-[0-9a-f]{16}\.(?:layer\.)?gz")
_LOG = re.compile(rf"{LOGS}/[^/\0]{{1,200}}")
_SHA256 = re.compile("[0-9a-f]{64}")


class ManifestError(ValueError):
    """The object is no manifest; the message says why."""


@dataclass(frozen=True)
class Layer:
    """An archive of small files (``state_layers``). ``name``: of the object, which begins with the
    fence of the controller that wrote it."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Whole:
    """A database or a log, compressed. ``path``: below Snakemake's folder; ``content``: SHA-256 of
    what it is uncompressed; ``modified`` in nanoseconds."""

    path: str
    name: str
    sha256: str
    size: int
    content: str
    modified: int


@dataclass(frozen=True)
class Manifest:
    """``fence``: of the controller that wrote it; ``number``: counts the writes, so that no two are
    equal; ``begun``: when the run's first manifest was written, ``saved``: when this state was that
    of its folder, in seconds since 1970 by S3's clock; ``layers``: in the order in which they are
    applied."""

    id: str
    fence: int
    number: int
    begun: float
    saved: float
    layers: tuple[Layer, ...] = ()
    wholes: tuple[Whole, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Of its objects."""
        return frozenset(
            [*(layer.name for layer in self.layers), *(whole.name for whole in self.wholes)]
        )


def dumps(manifest: Manifest) -> bytes:
    return json.dumps({"version": _VERSION, **asdict(manifest)}, separators=(",", ":")).encode()


def loads(content: bytes, detached_id: str) -> Manifest:
    """Raises ``ManifestError`` for anything but the manifest of this run."""
    try:
        raw = strict_json.loads(content)
        if not isinstance(raw, dict) or raw.pop("version", None) != _VERSION:
            raise ManifestError("not of this version")
        parts = {
            "layers": tuple(map(_layer, _list(raw.get("layers")))),
            "wholes": tuple(map(_whole, _list(raw.get("wholes")))),
        }
        found = make(Manifest, {**raw, **parts}, "manifest")
    except (strict_json.StrictJsonError, TaskSpecError) as error:
        raise ManifestError(str(error)) from error
    if found.id != detached_id:
        raise ManifestError("another run's")
    times = (found.begun, found.saved)
    if min(found.fence, found.number, *times) < 0 or max(times) > MOST_SECONDS:
        raise ManifestError("not a fence, a number or a time")
    return found


def _list(raw: object) -> list[object]:
    if not isinstance(raw, list):
        raise ManifestError("not a list of parts")
    return raw


def _layer(raw: object) -> Layer:
    found = make(Layer, raw, "layer")
    _check(found.name, found.size, found.sha256)
    return found


def _whole(raw: object) -> Whole:
    found = make(Whole, raw, "whole")
    _check(found.name, found.size, found.sha256, found.content)
    is_log = _LOG.fullmatch(found.path) and not found.path.endswith(("/.", "/.."))
    if found.modified < 0 or not (is_log or found.path in DATABASES):
        raise ManifestError(f"{found.path} does not belong there, or has no time")
    return found


def _check(name: str, size: int, *digests: str) -> None:
    if size < 0 or not _NAME.fullmatch(name) or not all(map(_SHA256.fullmatch, digests)):
        raise ManifestError("not the name, the size or the digest of a part")
