"""Checksums of downloads and uploads, as far as the standard library has them.

Objects of any size are stored with the CRC32 of the whole: zlib computes it at the speed of memory,
and the CRC32s of parts combine to that of the whole.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
``crc64nvme`` and ``crc32c`` are not checked: in plain Python that would take longer than the
transfer. The size, and TLS's check of every record, must suffice there.
"""

from __future__ import annotations

import functools
import hashlib
import re
import zlib
from binascii import a2b_base64, b2a_base64
from typing import Iterable, Mapping, Optional, Tuple, Union

#: Asks S3 for the checksums it has.
ASK = {"x-amz-checksum-mode": "ENABLED"}
#: The quickest first.
NAMED = ("crc32", "sha256", "sha1")
#: The CRC32 of the body of a PUT, or of the whole object when an upload in parts is completed.
CRC32 = "x-amz-checksum-crc32"
#: Of the object that parts will make.
WHOLE = {"x-amz-checksum-type": "FULL_OBJECT"}
BEGIN = {"x-amz-checksum-algorithm": "CRC32", **WHOLE}

#: CRC-32's polynomial, bits reversed (RFC 1952, section 8).
_POLYNOMIAL = 0xEDB88320


class Damaged(Exception):
    """The bytes that arrived are not those that S3 has."""


class Check:
    """The expected digest of one whole object, and that of the bytes so far."""

    def __init__(self, kind: str, expected: bytes) -> None:
        self.kind, self.expected = kind, expected
        self.crc = 0
        self._digest = None if kind == "crc32" else _digest(kind)

    def update(self, data: Union[bytes, bytearray, memoryview]) -> None:
        if self._digest is None:
            self.crc = zlib.crc32(data, self.crc)
        else:
            self._digest.update(data)

    def join(self, parts: Iterable[Tuple[int, int]]) -> None:
        """Instead of the bytes: CRC32 and length of all parts, in their order."""
        self.crc = joined(parts)

    def verify(self) -> None:
        found = self._digest.digest() if self._digest else self.crc.to_bytes(4, "big")
        if found != self.expected:
            raise Damaged(f"its bytes do not have the {self.kind} checksum that S3 names")


def of_object(headers: Mapping[str, str]) -> Optional[Check]:
    """The best check that the headers of a GET or HEAD of a whole object allow."""
    return named(headers) or of_etag(headers)


def named(headers: Mapping[str, str]) -> Optional[Check]:
    """The check for a checksum in S3's headers."""
    for kind in NAMED:
        # ``…-3``: a checksum of three parts' checksums, whose borders are not known here.
        text = headers.get("x-amz-checksum-" + kind, "")
        if text and "-" not in text:
            return Check(kind, a2b_base64(text))
    return None


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


def encoded(crc: int) -> str:
    """A CRC32 in the form of S3's headers."""
    return b2a_base64(crc.to_bytes(4, "big"), newline=False).decode()


def decoded(text: str) -> int:
    """A CRC32 from a header of S3's."""
    return int.from_bytes(a2b_base64(text), "big")


def differs(headers: Mapping[str, str], crc: int) -> bool:
    """Whether S3 names a CRC32 of a whole object that is not ``crc``."""
    check = named(headers)
    return check is not None and check.kind == "crc32" and check.expected != crc.to_bytes(4, "big")


def joined(parts: Iterable[Tuple[int, int]]) -> int:
    """The CRC32 of the whole, from CRC32 and length (bytes) of its parts in their order.

    Appended bits multiply the polynomial of those before them by a power of x. This is zlib's
    ``crc32_combine``, which Python does not offer.
    """
    crc = 0
    for part, length in parts:
        crc = _product(_shift(length), crc) ^ part
    return crc


@functools.lru_cache(maxsize=64)
def _shift(length: int) -> int:
    """x to the power of so many bytes' bits, modulo the polynomial."""
    power, square = 1 << 31, 1 << 23  # x^0 and x^8
    while length:
        if length & 1:
            power = _product(square, power)
        square = _product(square, square)
        length >>= 1
    return power


def _product(a: int, b: int) -> int:
    product, bit = 0, 1 << 31
    while a:
        if a & bit:
            product ^= b
            a ^= bit
        bit >>= 1
        b = (b >> 1) ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


def _digest(kind: str) -> Optional[hashlib._Hash]:
    if kind != "md5":
        return hashlib.new(kind)
    try:
        return hashlib.new("md5", usedforsecurity=False)  # 3.9
    except TypeError:
        return hashlib.md5()  # noqa: S324
    except ValueError:
        return None  # a FIPS 140 machine that does not permit it
