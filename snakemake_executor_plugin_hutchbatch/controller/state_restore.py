"""A saved state (``state.py``), read: by the next controller, and by whoever looks at the run."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import time
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws import errors
from ..storage import small_objects
from ..storage.run_layout import DetachedLayout
from ..storage.urls import split_url
from . import saved_files, state_layers, state_manifest
from .state_layers import LayerError
from .state_manifest import Layer, Manifest, ManifestError, Whole

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Bytes of one object, packed or not.
MOST_BYTES = 4 * 1024**3
#: How often parts may be replaced while they are read.
_TRIES = 5


class StateError(Exception):
    """The state cannot be read; one sentence for the user."""


@dataclass(frozen=True)
class Held:
    """A manifest as S3 has it. ``now``: S3's own time."""

    manifest: Manifest
    etag: str
    now: float


def read(s3: S3Client, layout: DetachedLayout, detached_id: str) -> Held | None:
    """The manifest; None if there is none. Raises ``StateError``, and botocore's errors."""
    bucket, key = split_url(layout.manifest)
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
        content = small_objects.body(answer, layout.manifest, state_manifest.MOST_BYTES)
        manifest = state_manifest.loads(content, detached_id)
    except ClientError as error:
        if errors.status(error) == 404:
            return None
        raise
    except (small_objects.TooLarge, ManifestError) as error:
        raise StateError(f"{layout.manifest} is not the state of this run: {error}.") from error
    return Held(manifest, answer["ETag"], small_objects.now(answer, time.time()))


def fetch(
    s3: S3Client, layout: DetachedLayout, detached_id: str, folder: Path, record_only: bool = False
) -> float | None:
    """What was saved last, put into an empty ``folder`` by somebody who is no controller;
    ``record_only``: hutchbatch's record alone. Returns when that was, by S3's clock; None if
    nothing was saved. Raises ``StateError``, ``OSError``, and botocore's errors."""
    for left in reversed(range(_TRIES)):
        held = read(s3, layout, detached_id)
        if held is None:
            return None
        wanted = held.manifest
        if record_only:
            records = tuple(w for w in wanted.wholes if w.path == saved_files.RECORD)
            wanted = replace(wanted, layers=(), wholes=records)
        try:
            restore(s3, layout, wanted, folder)
        except ClientError as error:
            if errors.status(error) != 404 or not left:
                raise
            continue  # the controller has replaced it meanwhile
        return wanted.saved
    return None


def restore(s3: S3Client, layout: DetachedLayout, manifest: Manifest, folder: Path) -> None:
    """Puts a state into an empty folder. Raises ``StateError``, ``OSError``, and botocore's
    errors."""
    # Without the second, Snakemake would take the first for that of an old version.
    for name in (saved_files.METADATA, saved_files.INCOMPLETE):
        (folder / name).mkdir(parents=True, exist_ok=True)
    try:
        for layer in manifest.layers:
            state_layers.apply(_part(s3, layout, layer), folder)
        for whole in manifest.wholes:
            with gzip.open(io.BytesIO(_part(s3, layout, whole))) as packed:
                content = packed.read(min(whole.size, MOST_BYTES) + 1)
            if len(content) != whole.size:
                raise LayerError(f"{whole.path} has another size")
            path = folder / whole.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, ns=(whole.modified, whole.modified))
    except (LayerError, small_objects.TooLarge, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StateError(f"The state in {layout.state} cannot be used: {error}.") from error


def _part(s3: S3Client, layout: DetachedLayout, part: Layer | Whole) -> bytes:
    url = layout.part(part.name)
    content = small_objects.read(s3, url, MOST_BYTES)
    if hashlib.sha256(content).hexdigest() != part.sha256:
        raise LayerError(f"{url} has changed")
    return content
