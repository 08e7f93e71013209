"""Reads, writes, copies, restores and deletes single objects with nanio, as S3 does.

A condition is checked when the body has arrived, as S3 does, and the object appears without another
wait: of two simultaneous writers one is refused.
"""

from __future__ import annotations

import time
from dataclasses import replace
from email.utils import formatdate
from xml.sax.saxutils import escape

from nanio.errors import InvalidRequest, MalformedXML, NoSuchKey, S3Error
from nanio.handlers._body import extract_user_metadata, parse_xml_safely, read_bounded_body
from nanio.handlers.object import _info_to_headers, dispatch_object
from nanio.storage.backend import ObjectInfo
from nanio.xml import copy_object_result_xml, delete_result_xml
from starlette.requests import Request
from starlette.responses import Response

from . import s3_versions
from .s3_buckets import check_upload
from .s3_checksums import PREFIX, TYPE, Expected, hide_checksums
from .s3_conditions import COPY, byte_range, check_read, check_write
from .s3_permissions import may_delete
from .s3_place import Place, copy_source
from .s3_stored import (
    ARCHIVED,
    CLASS,
    described,
    described_as,
    keep,
    keep_class,
    stored_headers,
    user_metadata,
)

#: In an object's metadata: when its restored copy can be read, and when that ends (seconds).
RESTORED = "x-hutchbatch-restored"
#: Seconds that a restoration takes here; on AWS minutes to days.
RESTORE_SECONDS = 2.0
#: DeleteObjects takes 1,000 keys.
MOST_DELETED = 1000


class InvalidObjectState(S3Error):
    """The object is archived; S3's answer names its class."""

    code = "InvalidObjectState"
    message = "The operation is not valid for the object's storage class"
    http_status = 403

    def __init__(self, storage_class: str, message: str | None = None) -> None:
        super().__init__(message)
        self._class = storage_class

    def to_xml(self) -> bytes:
        body: bytes = super().to_xml()
        added = f"<StorageClass>{escape(self._class)}</StorageClass></Error>"
        return body.replace(b"</Error>", added.encode())


class RestoreInProgress(S3Error):
    code = "RestoreAlreadyInProgress"
    message = "Object restore is already in progress"
    http_status = 409


# -- reading


async def read_object(request: Request) -> Response:
    """GetObject and HeadObject."""
    place = Place.of(request)
    version = request.query_params.get("versionId")
    if version is not None:
        info = place.head()
        if info is None or s3_versions.id_of(info) != version:
            return read_version(request, place, version)
    info = place.head()
    if info is None:
        return _missing(request, place)
    check_read(request.headers, info)
    if request.method == "GET":
        check_readable(info)
    wanted = None
    if request.method == "GET" and "range" in request.headers:
        wanted = byte_range(request.headers["range"], info.size)
        headers = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
        if wanted is not None:
            headers.append((b"range", "bytes={}-{}".format(*wanted).encode()))
        request = Request({**request.scope, "headers": headers}, request.receive)
    response: Response = await dispatch_object(request)
    _finish(request, response, info)
    return response


def read_version(request: Request, place: Place, version: str) -> Response:
    """An earlier version, whole."""
    found = place.versions.find(place.bucket, place.key, version)
    if found.info is None:
        response = Response(status_code=405)
        response.headers.update({s3_versions.MARKER: "true", s3_versions.ID: version})
        return response
    check_readable(found.info)
    body = found.path.with_suffix(".bin").read_bytes() if request.method == "GET" else b""
    response = Response(body, headers={**_info_to_headers(found.info), s3_versions.ID: version})
    _finish(request, response, found.info)
    return response


def _missing(request: Request, place: Place) -> Response:
    marker = place.versions.marker(place.bucket, place.key)
    error = NoSuchKey(resource=f"{place.bucket}/{place.key}")
    response = Response(error.to_xml(), 404, media_type="application/xml")
    if marker is not None:
        response.headers.update({s3_versions.MARKER: "true", s3_versions.ID: marker.id})
    return response


def _finish(request: Request, response: Response, info: ObjectInfo) -> None:
    """What S3 shows of an object, apart from what nanio does."""
    hide_checksums(request, response)
    if info.storage_class == "STANDARD" and CLASS in response.headers:
        del response.headers[CLASS]
    restored = info.user_metadata.get(RESTORED)
    if restored is not None:
        if RESTORED in response.headers:
            del response.headers[RESTORED]
        response.headers["x-amz-restore"] = _restoration(restored)


def _restoration(restored: str) -> str:
    from_, until = map(float, restored.split())
    if time.time() < from_:
        return 'ongoing-request="true"'
    return f'ongoing-request="false", expiry-date="{formatdate(until, usegmt=True)}"'


def check_readable(info: ObjectInfo) -> None:
    """Raises InvalidObjectState for an archived object without a restored copy."""
    if info.storage_class not in ARCHIVED:
        return
    restored = info.user_metadata.get(RESTORED)
    if restored is not None:
        from_, until = map(float, restored.split())
        if from_ <= time.time() < until:
            return
    raise InvalidObjectState(info.storage_class)


# -- writing


async def put_object(request: Request) -> Response:
    place, expected = Place.of(request), Expected(request.headers)
    check_upload(place.settings, request, "Object", expected)
    check_write(request, place.storage, place.bucket, place.key)
    wanted, extra = stored_headers(request)
    metadata = extract_user_metadata(request) | extra  # which nanio reads at the end of the body
    kept: dict[str, str] = {}

    def come() -> None:
        kept.update(expected.verified())
        check_write(request, place.storage, place.bucket, place.key)
        metadata.update(kept)
        metadata.update(place.begin_version())

    info = await place.storage.put_object(
        place.bucket,
        place.key,
        expected.watched(request, come),
        **described(request),
        user_metadata=metadata,
    )
    keep_class(place, info, wanted)
    shown = {name: metadata[name] for name in (s3_versions.ID, *extra) if name in metadata}
    return Response(status_code=200, headers={"ETag": info.etag, **kept, **shown})


async def copy_object(request: Request, copied: str) -> Response:
    """CopyObject, with the source's conditions and state."""
    place = Place.of(request)
    source = copy_source(request, copied)
    info = source.require()
    check_read(request.headers, info, COPY)
    check_readable(info)
    check_upload(place.settings, request, "Object", Expected({"content-md5": "A" * 22 + "=="}))
    check_write(request, place.storage, place.bucket, place.key)
    wanted, extra = stored_headers(request)
    replaced = request.headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE"
    about = described(request) if replaced else described_as(info)
    metadata = extract_user_metadata(request) if replaced else user_metadata(info)
    metadata |= {k: v for k, v in info.user_metadata.items() if k.startswith(PREFIX)}
    if TYPE in metadata and metadata[TYPE] != "FULL_OBJECT":
        metadata = {k: v for k, v in metadata.items() if not k.startswith(PREFIX)}
    body = await source.storage.get_object(source.bucket, source.key)
    metadata |= extra | place.begin_version()
    made = await place.storage.put_object(
        place.bucket, place.key, body.body, **about, user_metadata=metadata
    )
    keep_class(place, made, wanted)
    response = Response(
        copy_object_result_xml(etag=made.etag, last_modified=made.last_modified),
        media_type="application/xml",
    )
    for name in (s3_versions.ID, *extra):
        if name in metadata:
            response.headers[name] = metadata[name]
    return response


async def restore_object(request: Request) -> Response:
    """RestoreObject: 202, and a copy that can be read soon."""
    place = Place.of(request)
    info = place.require()
    if info.storage_class not in ARCHIVED:
        raise InvalidObjectState(
            info.storage_class,
            "Restore is not allowed for the object's current storage class",
        )
    root = parse_xml_safely(await read_bounded_body(request))
    days = next((e.text for e in root.iter() if e.tag.rpartition("}")[2] == "Days"), None)
    if not days or not days.strip().isdigit():
        raise MalformedXML
    now, before = time.time(), info.user_metadata.get(RESTORED)
    again = before is not None
    if again and now < float(str(before).split()[0]):
        raise RestoreInProgress
    from_ = now if again else now + RESTORE_SECONDS
    metadata = {**info.user_metadata, RESTORED: f"{from_} {now + int(days) * 86400}"}
    keep(place.storage, place.bucket, replace(info, user_metadata=metadata))
    return Response(status_code=200 if again else 202)


# -- deleting


async def delete_object(request: Request) -> Response:
    place = Place.of(request)
    if "if-match" in request.headers:
        check_write(request, place.storage, place.bucket, place.key)
    response = Response(status_code=204)
    response.headers.update(place.delete(request.query_params.get("versionId")))
    return response


async def delete_objects(request: Request) -> Response:
    """DeleteObjects; each key is answered for."""
    expected = Expected(request.headers)
    if not expected.is_given:
        raise InvalidRequest(
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
        )
    body = b"".join([chunk async for chunk in expected.watched(request, expected.verified)])
    deleted: list[str] = []
    errors: list[tuple[str, str, str]] = []
    objects = [e for e in parse_xml_safely(body) if e.tag.rpartition("}")[2] == "Object"]
    if not 1 <= len(objects) <= MOST_DELETED:
        raise MalformedXML
    for each in objects:
        named = {part.tag.rpartition("}")[2]: part.text or "" for part in each}
        place = Place.of(request, named.get("Key", ""))
        words = may_delete(request.scope, place.key)
        if words is not None:
            errors.append((place.key, "AccessDenied", words))
            continue
        try:
            place.delete(named.get("VersionId"))
        except S3Error as error:
            errors.append((place.key, error.code, error.message_text))
        else:
            deleted.append(place.key)
    return Response(delete_result_xml(deleted=deleted, errors=errors), media_type="application/xml")
