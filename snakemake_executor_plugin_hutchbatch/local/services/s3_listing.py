"""ListObjects, ListObjectsV2 and ListObjectVersions.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote
from xml.sax.saxutils import escape

from nanio.errors import InvalidArgument
from nanio.xml import list_objects_v2_xml
from starlette.requests import Request
from starlette.responses import Response

from . import s3_versions
from .s3_storage import AFTER_ALL, FolderStorage
from .s3_versions import Versions

MOST = 1000
_CLASS = re.compile(b"<StorageClass>STANDARD</StorageClass>")


def list_objects(request: Request) -> Response:
    bucket = request.path_params["bucket"]
    asked = request.query_params
    prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
    encoding = asked.get("encoding-type")
    token, start_after = asked.get("continuation-token"), asked.get("start-after")
    second = asked.get("list-type") == "2"
    after = (_position(token) if token else start_after) or ""
    if not second:
        after = asked.get("marker", "")
        if delimiter and after.endswith(delimiter):
            after += AFTER_ALL
    most = min(int(asked.get("max-keys") or MOST), MOST)
    page = request.app.state.storage.page(bucket, prefix, delimiter, after, most)
    body: bytes = list_objects_v2_xml(
        bucket=bucket,
        contents=[(each.key, each.last_modified, each.etag, each.size) for each in page.objects],
        common_prefixes=page.prefixes,
        prefix=prefix,
        delimiter=delimiter or None,
        max_keys=most,
        is_truncated=page.next is not None,
        continuation_token=token,
        next_continuation_token=page.next.encode().hex() if page.next and second else None,
        start_after=start_after,
        encoding_type=encoding,
    )
    classes = [each.storage_class.encode() for each in page.objects]
    if any(each != b"STANDARD" for each in classes):
        left = iter(classes)
        body = _CLASS.sub(lambda _: b"<StorageClass>%b</StorageClass>" % next(left), body)
    if page.next and not second:
        marker = page.next.removesuffix(AFTER_ALL)
        marker = quote(marker, safe="") if encoding == "url" else escape(marker)
        end = b"</ListBucketResult>"
        body = body.replace(end, f"<NextMarker>{marker}</NextMarker>".encode() + end)
    return Response(body, media_type="application/xml")


def _position(token: str) -> str:
    try:
        return bytes.fromhex(token).decode()
    except ValueError:
        raise InvalidArgument("The continuation token provided is incorrect") from None


def list_versions(request: Request) -> Response:
    """All versions and delete markers, in one page."""
    bucket, prefix = request.path_params["bucket"], request.query_params.get("prefix", "")
    storage: FolderStorage = request.app.state.storage
    storage.head_bucket(bucket)
    entries = sorted(_entries(storage, request.app.state.versions, bucket, prefix))
    body = (
        '<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><MaxKeys>{MOST}</MaxKeys>"
        f"<IsTruncated>false</IsTruncated>{''.join(text for *_, text in entries)}"
        "</ListVersionsResult>"
    )
    return Response(body, media_type="application/xml")


def _entries(
    storage: FolderStorage, versions: Versions, bucket: str, prefix: str
) -> Iterator[tuple[str, float, str]]:
    """Key, negative age, XML: by key, the newest first."""
    there = set()
    page = storage.page(bucket, prefix, most=1_000_000)
    for info in page.objects:
        there.add(info.key)
        size = f"<ETag>{escape(info.etag)}</ETag><Size>{info.size}</Size>"
        at = info.last_modified.timestamp()
        more = f"{size}<StorageClass>{info.storage_class}</StorageClass>"
        yield info.key, -2 * at, _entry("Version", info.key, s3_versions.id_of(info), at, more)
    newest = set(there)
    for each in sorted(versions.all_earlier(bucket, prefix), key=lambda v: -v.at):
        is_latest = each.key not in newest
        newest.add(each.key)
        kind, more = "DeleteMarker", ""
        if each.info is not None:
            kind = "Version"
            more = f"<ETag>{escape(each.info.etag)}</ETag><Size>{each.info.size}</Size>"
        yield each.key, -each.at, _entry(kind, each.key, each.id, each.at, more, is_latest)


def _entry(kind: str, key: str, version: str, at: float, more: str, is_latest: bool = True) -> str:
    when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return (
        f"<{kind}><Key>{escape(key)}</Key><VersionId>{version}</VersionId>"
        f"<IsLatest>{str(is_latest).lower()}</IsLatest><LastModified>{when}</LastModified>"
        f"{more}</{kind}>"
    )
