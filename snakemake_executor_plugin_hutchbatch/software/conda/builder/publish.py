"""The finished environment's way to S3: parts by their content, then the manifest.

Parts are stored whatever is there, since what has their name has their content, and a bucket's
rules delete by age. The manifest is stored on condition: of two builders that end at once, the
first one's counts, and the other's parts are nobody's.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ....supervisor import checksum, conda_manifest
from ....supervisor.conda_manifest import Manifest, Part
from ....supervisor.errors import Stopped
from ....supervisor.s3 import S3, S3Error
from ....supervisor.s3_bootstrap import split_url
from ....supervisor.typed_json import TaskSpecError
from . import parts
from .packages import THERE_ALREADY, put
from .parts import Entry

#: Attempts to store a manifest that other builders store as well.
TURNS = 5


@dataclass(frozen=True)
class Target:
    """Where an environment is in S3. ``environments``: the URL below which all do."""

    environments: str
    key: str

    @property
    def folder(self) -> str:
        return f"{self.environments}{self.key}/"

    @property
    def manifest(self) -> str:
        return f"{self.folder}manifest.json"


class Published:
    """What S3 has of an environment. ``etag``: of the manifest, whatever that holds; ``whole``:
    whether all its parts are there."""

    def __init__(self, manifest: Manifest | None, etag: str | None, whole: bool) -> None:
        self.manifest, self.etag, self.whole = manifest, etag, whole


def look(s3: S3, target: Target) -> Published:
    """Raises one of ``s3.ERRORS``."""
    bucket, key = split_url(target.manifest)
    try:
        answer = s3.request(
            "GET", bucket, key, read=lambda body: body.read(conda_manifest.MOST_BYTES)
        )
    except S3Error as error:
        if error.status in (403, 404):
            return Published(None, None, False)
        raise
    etag = answer.headers.get("etag")
    try:
        found = conda_manifest.loads(bytes(answer.value))  # type: ignore[call-overload]
    except TaskSpecError:
        return Published(None, etag, False)
    whole = found.key == target.key and all(_is_there(s3, target, part) for part in found.parts)
    return Published(found, etag, whole)


def _is_there(s3: S3, target: Target, part: Part) -> bool:
    bucket, key = split_url(target.folder + part.name)
    try:
        answer = s3.request("HEAD", bucket, key)
    except S3Error as error:
        if error.status in (403, 404):
            return False
        raise
    return answer.headers.get("content-length") == str(part.size)


def store_parts(
    s3: S3,
    target: Target,
    prefix: str,
    planned: Sequence[Sequence[Entry]],
    folder: Path,
    cpus: int,
    stop: threading.Event,
) -> list[Part]:
    """Packs and stores all parts, ``cpus`` at once (zlib leaves Python's lock while it works).
    Raises one of ``s3.ERRORS``, and ``OSError`` of the disk."""

    def store(part: Sequence[Entry]) -> Part:
        if stop.is_set():
            raise Stopped
        made = parts.write(prefix, part, folder)
        path = folder / made.name
        put(s3, target.folder + made.name, path, stop)
        path.unlink(missing_ok=True)  # two parts with equal content have one name
        return made

    pool = ThreadPoolExecutor(max(1, cpus))
    try:
        return list(pool.map(store, planned))
    except BaseException:
        stop.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def store_manifest(s3: S3, target: Target, manifest: Manifest, seen: Published) -> bool:
    """Stores the manifest unless a whole environment has come there since ``seen``; whether it was
    stored. Raises one of ``s3.ERRORS``."""
    bucket, key = split_url(target.manifest)
    data = conda_manifest.dumps(manifest)
    headers = {checksum.CRC32: checksum.encoded(zlib.crc32(data))}
    for _ in range(TURNS):
        condition = {"if-match": seen.etag} if seen.etag else {"if-none-match": "*"}
        try:
            s3.request("PUT", bucket, key, headers={**headers, **condition}, body=data)
            return True
        except S3Error as error:
            if error.status == 501:  # another S3 than AWS's, without conditions
                s3.request("PUT", bucket, key, headers=headers, body=data)
                return True
            if error.status not in (*THERE_ALREADY, 404):
                raise
        seen = look(s3, target)
        if seen.whole:
            # Its own, where only S3's answer was lost.
            return seen.manifest == manifest
    s3.request("PUT", bucket, key, headers=headers, body=data)
    return True
