"""Multipart uploads with nanio, as S3 does them.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import escape

from nanio.errors import (
    EntityTooSmall,
    InvalidArgument,
    InvalidRequest,
    MalformedXML,
    NoSuchUpload,
)
from nanio.handlers._body import extract_user_metadata, parse_xml_safely, read_bounded_body
from nanio.storage.multipart import MultipartInit, MultipartManager
from nanio.storage.paths import multipart_part_path
from nanio.xml import complete_multipart_upload_xml, initiate_multipart_upload_xml
from starlette.requests import Request
from starlette.responses import Response

from . import s3_versions
from .s3_buckets import check_upload
from .s3_checksums import ALGORITHM, KINDS, PREFIX, TYPE, Expected, mismatch, of_parts
from .s3_conditions import COPY, byte_range, check_read, check_write
from .s3_objects import check_readable
from .s3_place import Place, copy_source
from .s3_stored import CLASS, described, keep, stored_headers

#: Each part but the last one has at least this many bytes.
LEAST_PART = 5 * 1024 * 1024
MOST_PARTS = 10_000


@dataclass(frozen=True)
class NamedPart:
    """What CompleteMultipartUpload says of a part; ``checksum`` is empty if it says none."""

    number: int
    etag: str
    checksum: str


async def begin_parts(request: Request) -> Response:
    place = Place.of(request)
    place.storage.head_bucket(place.bucket)
    # Its parts bring the checksums that an Object Lock needs.
    check_upload(place.settings, request, "Object", Expected({"content-md5": "A" * 22 + "=="}))
    wanted, extra = stored_headers(request)
    metadata = extract_user_metadata(request) | extra
    if wanted != "STANDARD":
        metadata[CLASS] = wanted
    kind = request.headers.get(ALGORITHM, "").lower()
    if kind and kind not in KINDS:
        raise InvalidRequest("Checksum algorithm provided is unsupported.")
    if kind:
        form = request.headers.get(TYPE, "COMPOSITE").upper()
        if kind == "crc64nvme":
            form = "FULL_OBJECT"
        if kind.startswith("sha") and form == "FULL_OBJECT":
            raise InvalidRequest(f"FULL_OBJECT needs a CRC checksum, and {kind} is not one.")
        metadata |= {ALGORITHM: kind, TYPE: form}
    upload = _manager(request).create(
        MultipartInit(place.bucket, place.key, **described(request), user_metadata=metadata)
    )
    body = initiate_multipart_upload_xml(bucket=place.bucket, key=place.key, upload_id=upload)
    return Response(body, media_type="application/xml", headers=extra)


async def put_part(request: Request) -> Response:
    place, expected = Place.of(request), Expected(request.headers)
    upload, number = request.query_params["uploadId"], _number(request)
    begun = _begun(place, _manager(request), upload)
    check_upload(place.settings, request, "Part", expected)
    kind, form = begun.get(ALGORITHM, ""), begun.get(TYPE, "")
    if form == "COMPOSITE" and expected.kind != kind:
        raise InvalidRequest(
            f"Checksum Type mismatch occurred, expected checksum Type: {kind}, actual checksum "
            f"Type: {expected.kind or 'null'}"
        )
    kept: dict[str, str] = {}
    part = await _manager(request).upload_part(
        upload, number, expected.watched(request, lambda: kept.update(expected.verified()))
    )
    kept.pop(TYPE, None)
    return Response(status_code=200, headers={"ETag": part.etag, **kept})


async def copy_part(request: Request, copied: str) -> Response:
    """UploadPartCopy: what ``aws s3 cp`` does with objects over 8 MB."""
    place, source = Place.of(request), copy_source(request, copied)
    _begun(place, _manager(request), request.query_params["uploadId"])
    info = source.require()
    check_read(request.headers, info, COPY)
    check_readable(info)
    wanted = byte_range(request.headers.get("x-amz-copy-source-range", ""), info.size)
    start, end = wanted or (0, info.size - 1)
    found = await source.storage.get_object(
        source.bucket, source.key, range_start=start, range_end=end
    )
    part = await _manager(request).upload_part(
        request.query_params["uploadId"], _number(request), found.body
    )
    when = part.last_modified.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    body = (
        f"<CopyPartResult><LastModified>{when}</LastModified>"
        f"<ETag>{escape(part.etag)}</ETag></CopyPartResult>"
    )
    return Response(body, media_type="application/xml")


async def complete_parts(request: Request) -> Response:
    place, manager = Place.of(request), _manager(request)
    upload = request.query_params["uploadId"]
    parts = _named_parts(await read_bounded_body(request))
    metadata = dict(_begun(place, manager, upload))
    kind, form = metadata.pop(ALGORITHM, ""), metadata.pop(TYPE, "")
    storage_class = metadata.pop(CLASS, "STANDARD")
    paths = [multipart_part_path(place.storage.data_dir, upload, each.number) for each in parts]
    _check_sizes(request, paths)
    _check_named(parts, kind, form)
    kept = {PREFIX + kind: of_parts(kind, form, paths), TYPE: form} if kind else {}
    whole = request.headers.get(PREFIX + kind) if kind else None
    if whole and whole.partition("-")[0] != kept[PREFIX + kind].partition("-")[0]:
        raise mismatch(kind)
    if request.headers.get(TYPE, form).upper() != form:
        raise InvalidRequest("The checksum type is not the one that the upload began with.")
    check_write(request, place.storage, place.bucket, place.key)
    _check_parts(manager, upload, parts)
    metadata |= place.begin_version()
    info = manager.complete(upload, [(each.number, each.etag) for each in parts])
    keep(
        place.storage,
        place.bucket,
        replace(info, user_metadata={**metadata, **kept}, storage_class=storage_class),
    )
    body = complete_multipart_upload_xml(
        bucket=place.bucket,
        key=place.key,
        etag=info.etag,
        location=f"http://{request.url.netloc}/{place.bucket}/{place.key}",
    )
    response = Response(body, media_type="application/xml")
    if s3_versions.ID in metadata:
        response.headers[s3_versions.ID] = metadata[s3_versions.ID]
    return response


def _begun(place: Place, manager: MultipartManager, upload: str) -> Mapping[str, str]:
    """The metadata with which an upload to this very key began."""
    begun = manager.load_init(upload)
    if (begun.bucket, begun.key) != (place.bucket, place.key):
        raise NoSuchUpload(resource=upload)
    found: Mapping[str, str] = begun.user_metadata
    return found


def _number(request: Request) -> int:
    text = request.query_params.get("partNumber", "")
    if not text.isdigit() or not 1 <= int(text) <= MOST_PARTS:
        raise InvalidArgument(
            f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive"
        )
    return int(text)


def _named_parts(body: bytes) -> list[NamedPart]:
    found = []
    for each in parse_xml_safely(body):
        if each.tag.rpartition("}")[2] != "Part":
            continue
        named = {part.tag.rpartition("}")[2]: (part.text or "").strip() for part in each}
        if not named.get("PartNumber", "").isdigit() or not named.get("ETag"):
            raise MalformedXML
        sums = [text for name, text in named.items() if name.startswith("Checksum")]
        found.append(NamedPart(int(named["PartNumber"]), named["ETag"], "".join(sums)))
    if not 1 <= len(found) <= MOST_PARTS:
        raise MalformedXML
    return found


def _check_parts(manager: MultipartManager, upload: str, parts: Sequence[NamedPart]) -> None:
    """nanio refuses parts that are not there or out of order, but only when versions have been
    kept already; so the order of numbers is looked at before."""
    numbers = [each.number for each in parts]
    if numbers != sorted(set(numbers)):
        manager.complete(upload, [(each.number, each.etag) for each in parts])


def _check_sizes(request: Request, paths: Sequence[Path]) -> None:
    sizes = [path.stat().st_size for path in paths if path.exists()]
    if any(size < LEAST_PART for size in sizes[:-1]):
        raise EntityTooSmall("Your proposed upload is smaller than the minimum allowed size")
    declared = request.headers.get("x-amz-mp-object-size")
    if declared and int(declared) != sum(sizes):
        raise InvalidRequest("The object's size is not the declared one.")


def _check_named(parts: Sequence[NamedPart], kind: str, form: str) -> None:
    if form != "COMPOSITE":
        return
    for each in parts:
        if not each.checksum:
            raise InvalidRequest(
                f"The upload was created using a {kind} checksum. The complete request must "
                f"include the checksum for each part. It was missing for part {each.number} in "
                "the request."
            )


def _manager(request: Request) -> MultipartManager:
    settings = request.app.state.settings
    return MultipartManager(settings.data_dir, chunk_size=settings.chunk_size)
