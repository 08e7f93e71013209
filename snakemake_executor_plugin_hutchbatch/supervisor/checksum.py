"""Checks of what was downloaded, as far as S3 names a checksum that the standard library knows.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
Not ``crc64nvme`` and ``crc32c``: in plain Python they would take longer than the transfer. There
the size, and TLS's own check of every record, must do.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from binascii import a2b_base64
from typing import Any, Mapping, Optional

#: Asks S3 to tell what it has.
ASK = {"x-amz-checksum-mode": "ENABLED"}
#: The quickest first.
NAMED = ("crc32", "sha256", "sha1")


class Damaged(Exception):
    """What came is not what S3 has."""


class Check:
    """The expected digest of one whole object, and that of what has come so far."""

    def __init__(self, kind: str, expected: bytes) -> None:
        self.kind, self.expected = kind, expected
        self._crc = 0
        self._digest = None if kind == "crc32" else _digest(kind)

    def update(self, data: Any) -> None:
        if self._digest is None:
            self._crc = zlib.crc32(data, self._crc)
        else:
            self._digest.update(data)

    def verify(self) -> None:
        found = self._digest.digest() if self._digest else self._crc.to_bytes(4, "big")
        if found != self.expected:
            raise Damaged(f"its bytes do not have the {self.kind} checksum that S3 names")


def of_object(headers: Mapping[str, str]) -> Optional[Check]:
    """The best check that the headers of a GET or HEAD of a whole object allow."""
    for kind in NAMED:
        # ``…-3``: a checksum of three parts' checksums, whose borders are not known here.
        text = headers.get("x-amz-checksum-" + kind, "")
        if text and "-" not in text:
            return Check(kind, a2b_base64(text))
    return of_etag(headers)


def of_etag(headers: Mapping[str, str]) -> Optional[Check]:
    """The ETag of an object stored in one part is its MD5, unless a key of the customer's or of KMS
    encrypts it.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
    """
    etag = headers.get("etag", "").strip('"')
    plain = headers.get("x-amz-server-side-encryption", "AES256") == "AES256"
    customers = "x-amz-server-side-encryption-customer-algorithm" in headers
    if not re.fullmatch("[0-9a-f]{32}", etag) or not plain or customers or _digest("md5") is None:
        return None
    return Check("md5", bytes.fromhex(etag))


def _digest(kind: str) -> Any:
    if kind != "md5":
        return hashlib.new(kind)
    try:
        return hashlib.new("md5", usedforsecurity=False)  # 3.9
    except TypeError:
        return hashlib.md5()  # noqa: S324
    except ValueError:
        return None  # a machine of FIPS 140 that allows none at all
