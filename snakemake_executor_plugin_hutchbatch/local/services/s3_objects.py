"""Writes and deletes single objects with nanio, adding S3's conditions and checksums.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html

A condition is checked when the body has arrived, as S3 does, and the object appears without another
wait: of two simultaneous writers one is refused. Checksums are CRC32, SHA-1 and SHA-256; others are
not checked. They are stored in the object's metadata.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from nanio.errors import BadDigest, InvalidRequest, NoSuchKey, S3Error
from nanio.handlers._body import extract_user_metadata, read_bounded_body
from nanio.handlers.multipart import _parse_complete_body
from nanio.storage.metadata import write_metadata
from nanio.storage.multipart import MultipartInit, MultipartManager
from nanio.storage.paths import metadata_path, multipart_part_path
from nanio.xml import complete_multipart_upload_xml, initiate_multipart_upload_xml
from starlette.requests import Request
from starlette.responses import Response

from .s3_storage import FolderStorage

PREFIX = "x-amz-checksum-"
TYPE, ALGORITHM = PREFIX + "type", PREFIX + "algorithm"
KINDS = ("crc32", "sha1", "sha256")
CHUNK = 1024 * 1024


class PreconditionFailed(S3Error):
    code = "PreconditionFailed"
    message = "At least one of the pre-conditions you specified did not hold"
    http_status = 412


class _Digest:
    """One checksum of the data so far."""

    def __init__(self, kind: str) -> None:
        self._crc = 0
        self._hash = None if kind == "crc32" else hashlib.new(kind)

    def update(self, data: bytes) -> None:
        if self._hash is None:
            self._crc = zlib.crc32(data, self._crc)
        else:
            self._hash.update(data)

    def raw(self) -> bytes:
        return self._hash.digest() if self._hash else self._crc.to_bytes(4, "big")

    def text(self) -> str:
        return b64encode(self.raw()).decode()


def check_condition(request: Request, storage: FolderStorage, bucket: str, key: str) -> None:
    """Raises S3's error for a condition that is not met."""
    wanted, unwanted = request.headers.get("if-match"), request.headers.get("if-none-match")
    if wanted is None and unwanted is None:
        return
    try:
        there = storage.head_object(bucket, key).etag
    except NoSuchKey:
        if wanted is not None:
            raise
        return
    if unwanted is not None and unwanted in ("*", there):
        raise PreconditionFailed
    if wanted is not None and wanted.strip('"') not in ("*", there.strip('"')):
        raise PreconditionFailed


async def put_object(request: Request) -> Response:
    storage, bucket, key = _place(request)
    check_condition(request, storage, bucket, key)
    kind, declared = _declared_checksum(request.headers)
    digest = _Digest(kind) if kind else None
    metadata = extract_user_metadata(request)  # which nanio reads once the body has arrived
    kept: dict[str, str] = {}

    def come() -> None:
        kept.update(_verified(kind, declared, digest))
        metadata.update(kept)
        check_condition(request, storage, bucket, key)

    info = await storage.put_object(
        bucket,
        key,
        _watched(request, digest, come),
        **_described(request),
        user_metadata=metadata,
        expected_md5=request.headers.get("content-md5"),
    )
    return Response(status_code=200, headers={"ETag": info.etag, **kept})


async def delete_object(request: Request) -> Response:
    storage, bucket, key = _place(request)
    check_condition(request, storage, bucket, key)
    storage.delete_object(bucket, key)
    return Response(status_code=204)


async def begin_parts(request: Request) -> Response:
    storage, bucket, key = _place(request)
    storage.head_bucket(bucket)
    metadata = extract_user_metadata(request)
    kind = request.headers.get(ALGORITHM, "").lower()
    if kind in KINDS:
        metadata |= {ALGORITHM: kind, TYPE: request.headers.get(TYPE, "COMPOSITE").upper()}
        if kind != "crc32" and metadata[TYPE] == "FULL_OBJECT":
            raise InvalidRequest(f"FULL_OBJECT needs a CRC checksum, and {kind} is not one.")
    upload = _manager(request).create(
        MultipartInit(bucket, key, **_described(request), user_metadata=metadata)
    )
    body = initiate_multipart_upload_xml(bucket=bucket, key=key, upload_id=upload)
    return Response(body, media_type="application/xml")


async def put_part(request: Request) -> Response:
    kind, declared = _declared_checksum(request.headers)
    digest = _Digest(kind) if kind else None
    kept: dict[str, str] = {}
    part = await _manager(request).upload_part(
        request.query_params["uploadId"],
        int(request.query_params["partNumber"]),
        _watched(request, digest, lambda: kept.update(_verified(kind, declared, digest))),
    )
    kept.pop(TYPE, None)
    return Response(status_code=200, headers={"ETag": part.etag, **kept})


async def complete_parts(request: Request) -> Response:
    storage, bucket, key = _place(request)
    upload, manager = request.query_params["uploadId"], _manager(request)
    parts = _parse_complete_body(await read_bounded_body(request))
    metadata = dict(manager.load_init(upload).user_metadata)
    kind, form = metadata.pop(ALGORITHM, ""), metadata.pop(TYPE, "")
    paths = [multipart_part_path(storage.data_dir, upload, number) for number, _ in parts]
    size = request.headers.get("x-amz-mp-object-size")
    if size and int(size) != sum(path.stat().st_size for path in paths if path.exists()):
        raise InvalidRequest("The object's size is not the declared one.")
    kept = {PREFIX + kind: _of_parts(kind, form, paths), TYPE: form} if kind else {}
    whole = request.headers.get(PREFIX + kind) if kind else None
    if whole and whole.partition("-")[0] != kept[PREFIX + kind].partition("-")[0]:
        raise BadDigest(f"The {kind.upper()} you specified did not match the calculated checksum.")
    if request.headers.get(TYPE, form).upper() != form:
        raise BadDigest("The checksum type is not the one that the upload began with.")
    check_condition(request, storage, bucket, key)
    info = manager.complete(upload, parts)
    _keep(storage, bucket, key, replace(info, user_metadata={**metadata, **kept}))
    body = complete_multipart_upload_xml(
        bucket=bucket,
        key=key,
        etag=info.etag,
        location=f"http://{request.url.netloc}/{bucket}/{key}",
    )
    return Response(body, media_type="application/xml")


def hide_checksums(request: Request, response: Response) -> None:
    """Removes them from an answer if they were not requested, or only a range was."""
    asked = request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
    if request.method in ("GET", "HEAD") and (not asked or response.status_code == 206):
        for name in [name for name in response.headers if name.lower().startswith(PREFIX)]:
            del response.headers[name]


def _place(request: Request) -> tuple[FolderStorage, str, str]:
    return request.app.state.storage, request.path_params["bucket"], request.path_params["key"]


def _manager(request: Request) -> MultipartManager:
    settings = request.app.state.settings
    return MultipartManager(settings.data_dir, chunk_size=settings.chunk_size)


def _described(request: Request) -> dict[str, object]:
    """The headers that S3 stores with an object, apart from metadata."""
    asked = request.headers
    return {
        "content_type": asked.get("content-type", "application/octet-stream"),
        "content_encoding": asked.get("content-encoding"),
        "content_disposition": asked.get("content-disposition"),
        "cache_control": asked.get("cache-control"),
    }


def _declared_checksum(headers: Mapping[str, str]) -> tuple[str, str]:
    """Kind and text of the checksum in a request; empty if there is none of a known kind."""
    declared = [(kind, headers[PREFIX + kind]) for kind in KINDS if PREFIX + kind in headers]
    if len(declared) > 1:
        raise InvalidRequest("Expecting a single x-amz-checksum- header.")
    return declared[0] if declared else ("", "")


async def _watched(
    request: Request, digest: _Digest | None, come: Callable[[], None]
) -> AsyncIterator[bytes]:
    """The body; ``come`` is called when all of it has arrived, and may refuse it."""
    async for chunk in request.stream():
        if digest is not None:
            digest.update(chunk)
        yield chunk
    come()


def _verified(kind: str, declared: str, digest: _Digest | None) -> dict[str, str]:
    if digest is None:
        return {}
    if digest.text() != declared:
        raise BadDigest(f"The {kind.upper()} you specified did not match the calculated checksum.")
    return {PREFIX + kind: declared, TYPE: "FULL_OBJECT"}


def _of_parts(kind: str, form: str, paths: Iterable[Path]) -> str:
    """The checksum of the whole, or that of the parts' own checksums."""
    whole, each, count = _Digest(kind), _Digest(kind), 0
    for path in paths:
        part = _Digest(kind)
        try:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    (whole if form == "FULL_OBJECT" else part).update(chunk)
        except OSError:
            continue  # nanio reports that the part is missing
        each.update(part.raw())
        count += 1
    return whole.text() if form == "FULL_OBJECT" else f"{each.text()}-{count}"


def _keep(storage: FolderStorage, bucket: str, key: str, info: object) -> None:
    write_metadata(metadata_path(storage.data_dir, bucket, key), info)
