"""What a bucket demands: versioning, Object Lock, access lists, who pays, its policy.

Settings are made as on AWS (``aws s3api put-bucket-versioning`` and others) and kept in a file
beside the buckets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nanio.errors import AccessDenied, InvalidArgument, InvalidRequest, MalformedXML, S3Error
from nanio.handlers._body import parse_xml_safely, read_bounded_body
from nanio.storage.paths import MULTIPART_ROOT_NAME
from starlette.requests import Request
from starlette.responses import Response

from ..json_types import Json
from .counting import SETTINGS
from .policies import Policy
from .s3_checksums import Expected

XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl
CANNED = (
    *("private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read"),
    *("bucket-owner-read", "bucket-owner-full-control"),
)
ENFORCED = "BucketOwnerEnforced"
OWNERSHIP = (ENFORCED, "BucketOwnerPreferred", "ObjectWriter")


class NoSuchSetting(S3Error):
    """A setting that the bucket does not have; each has a code of its own."""

    http_status = 404

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class AclNotSupported(S3Error):
    code = "AccessControlListNotSupported"
    message = "The bucket does not allow ACLs"
    http_status = 400


class MalformedPolicy(S3Error):
    code = "MalformedPolicy"
    message = "Policies must be valid JSON and the first byte must be '{'"
    http_status = 400


@dataclass(frozen=True)
class BucketSettings:
    """``versioning``: empty, Enabled or Suspended. ``lock_days``: of the default retention, if
    ``object_lock`` has one. ``requester_pays``: every caller counts as another account's."""

    versioning: str = ""
    object_lock: bool = False
    lock_days: int = 0
    ownership: str = ENFORCED
    requester_pays: bool = False
    policy: Mapping[str, Json] | None = None

    @property
    def keeps_versions(self) -> bool:
        return self.versioning == "Enabled"


class Buckets:
    """The settings of all buckets, in files below ``data_dir``."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = data_dir / MULTIPART_ROOT_NAME / "settings"
        self._known: dict[str, BucketSettings] = {}

    def of(self, bucket: str) -> BucketSettings:
        if bucket not in self._known:
            file = self._directory / f"{bucket}.json"
            found = json.loads(file.read_text()) if file.is_file() else {}
            self._known[bucket] = BucketSettings(**found)
        return self._known[bucket]

    def policy_of(self, bucket: str) -> Policy | None:
        found = self.of(bucket).policy
        return None if found is None else Policy(found)

    def change(self, bucket: str, **changes: Json) -> None:
        self._known[bucket] = replace(self.of(bucket), **changes)
        self._directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self._known[bucket]))
        (self._directory / f"{bucket}.json").write_text(text)


def check_upload(settings: BucketSettings, request: Request, what: str, expected: Expected) -> None:
    """Raises what S3 answers to an upload that the bucket does not take. ``what``: ``Object`` or
    ``Part``."""
    headers = request.headers
    acl = headers.get("x-amz-acl")
    if acl is not None and acl not in CANNED:
        raise InvalidArgument("Invalid canned access control list")
    granted = any(name.startswith("x-amz-grant-") for name in headers)
    if settings.ownership == ENFORCED and (acl not in (None, CANNED[-1]) or granted):
        raise AclNotSupported
    locked = any(name.startswith("x-amz-object-lock-") for name in headers)
    if locked and not settings.object_lock:
        raise InvalidRequest("Bucket is missing Object Lock Configuration")
    if (locked or settings.lock_days) and not expected.is_given:
        raise InvalidRequest(
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put "
            f"{what} requests with Object Lock parameters"
        )


def check_payer(settings: BucketSettings, headers: Mapping[str, str]) -> None:
    if settings.requester_pays and headers.get("x-amz-request-payer") != "requester":
        raise AccessDenied


def setting_of(request: Request) -> str | None:
    """Which of a bucket's settings a request is about."""
    return next((word for word in request.query_params if word in SETTINGS), None)


async def on_setting(request: Request, buckets: Buckets, word: str) -> Response:
    """Reads, makes or removes a setting."""
    bucket = request.path_params["bucket"]
    request.app.state.storage.head_bucket(bucket)
    if request.method == "GET":
        return _shown(buckets.of(bucket), word)
    if request.method == "DELETE":
        gone: dict[str, dict[str, Json]] = {
            "policy": {"policy": None},
            "ownershipControls": {"ownership": ENFORCED},
        }
        buckets.change(bucket, **gone.get(word, {}))
        return Response(status_code=204)
    body = await read_bounded_body(request)
    buckets.change(bucket, **_asked(word, body, buckets.of(bucket)))
    return Response(status_code=204 if word == "policy" else 200)


def _asked(word: str, body: bytes, before: BucketSettings) -> dict[str, Json]:
    """What a PUT changes."""
    if word == "policy":
        try:
            document = json.loads(body)
            Policy(document)
        except (ValueError, TypeError, AttributeError) as error:
            raise MalformedPolicy(str(error)) from error
        return {"policy": document}
    texts = {
        e.tag.rpartition("}")[2]: (e.text or "").strip() for e in parse_xml_safely(body).iter()
    }
    if word == "versioning":
        if texts.get("Status") not in ("Enabled", "Suspended"):
            raise MalformedXML
        if before.object_lock and texts["Status"] == "Suspended":
            raise InvalidRequest("Versioning cannot be suspended on a bucket with Object Lock.")
        return {"versioning": texts["Status"]}
    if word == "object-lock":
        if before.versioning != "Enabled":
            raise InvalidRequest("Versioning must be 'Enabled' on the bucket to apply Object Lock")
        return {"object_lock": True, "lock_days": int(texts.get("Days") or 0)}
    if word == "ownershipControls":
        if texts.get("ObjectOwnership") not in OWNERSHIP:
            raise MalformedXML
        return {"ownership": texts["ObjectOwnership"]}
    return {"requester_pays": texts.get("Payer") == "Requester"}


def _shown(settings: BucketSettings, word: str) -> Response:
    if word == "policy":
        if settings.policy is None:
            raise NoSuchSetting("NoSuchBucketPolicy", "The bucket policy does not exist")
        return Response(json.dumps(settings.policy), media_type="application/json")
    if word == "object-lock":
        if not settings.object_lock:
            raise NoSuchSetting(
                "ObjectLockConfigurationNotFoundError",
                "Object Lock configuration does not exist for this bucket",
            )
        rule = (
            "<Rule><DefaultRetention><Mode>GOVERNANCE</Mode>"
            f"<Days>{settings.lock_days}</Days></DefaultRetention></Rule>"
        )
        inner = (
            f"<ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule if settings.lock_days else ''}"
        )
        return _xml("ObjectLockConfiguration", inner)
    if word == "versioning":
        status = f"<Status>{settings.versioning}</Status>" if settings.versioning else ""
        return _xml("VersioningConfiguration", status)
    if word == "ownershipControls":
        rule = f"<Rule><ObjectOwnership>{settings.ownership}</ObjectOwnership></Rule>"
        return _xml("OwnershipControls", rule)
    payer = "Requester" if settings.requester_pays else "BucketOwner"
    return _xml("RequestPaymentConfiguration", f"<Payer>{payer}</Payer>")


def _xml(name: str, inner: str) -> Response:
    return Response(f"<{name} {XMLNS}>{inner}</{name}>", media_type="application/xml")
