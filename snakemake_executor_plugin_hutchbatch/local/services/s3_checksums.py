"""S3's checksums of objects and parts.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html

They are stored in the object's metadata. CRC32C and CRC64NVME are computed in Python, a few MB a
second: the standard library does not have them.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from nanio.errors import BadDigest, InvalidRequest, S3Error
from starlette.requests import Request
from starlette.responses import Response

PREFIX = "x-amz-checksum-"
TYPE, ALGORITHM = PREFIX + "type", PREFIX + "algorithm"
#: What other tools than AWS's newest call the algorithm of a checksum that they send.
SDK_ALGORITHM = "x-amz-sdk-checksum-algorithm"
#: Reversed polynomials, with their size in bytes.
_POLYNOMIALS = {"crc32c": (0x82F63B78, 4), "crc64nvme": (0x9A6C9329AC4BC9B5, 8)}
#: Kinds of checksums, with their size in bytes.
KINDS = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}
CHUNK = 1024 * 1024


class InvalidDigest(S3Error):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""

    code = "InvalidDigest"
    message = "The Content-MD5 you specified is not valid."
    http_status = 400


@cache
def _table(polynomial: int) -> tuple[int, ...]:
    found = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        found.append(value)
    return tuple(found)


class Digest:
    """One checksum of the data so far."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._crc = 0
        self._hash = hashlib.new(kind) if kind.startswith("sha") else None

    def update(self, data: bytes) -> None:
        if self._hash is not None:
            self._hash.update(data)
        elif self.kind == "crc32":
            self._crc = zlib.crc32(data, self._crc)
        else:
            polynomial, size = _POLYNOMIALS[self.kind]
            table, ones = _table(polynomial), (1 << 8 * size) - 1
            value = self._crc ^ ones
            for byte in data:
                value = (value >> 8) ^ table[(value ^ byte) & 0xFF]
            self._crc = value ^ ones

    def raw(self) -> bytes:
        return self._hash.digest() if self._hash else self._crc.to_bytes(KINDS[self.kind], "big")

    def text(self) -> str:
        return b64encode(self.raw()).decode()


class Expected:
    """What a request's headers say about its body. Raises S3Error for headers that are invalid."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        declared = [(kind, headers[PREFIX + kind]) for kind in KINDS if PREFIX + kind in headers]
        if len(declared) > 1:
            raise InvalidRequest("Expecting a single x-amz-checksum- header.")
        self.kind, self._declared = declared[0] if declared else ("", "")
        if self.kind and len(_decoded(self._declared)) != KINDS[self.kind]:
            raise InvalidRequest(f"Value for {PREFIX}{self.kind} header is invalid.")
        if headers.get(SDK_ALGORITHM) and not declared:
            raise InvalidRequest(
                f"{SDK_ALGORITHM} specified, but no corresponding x-amz-checksum-* or "
                "x-amz-trailer headers were found."
            )
        self.md5 = headers.get("content-md5")
        if self.md5 is not None and len(_decoded(self.md5)) != 16:
            raise InvalidDigest
        self._digest = Digest(self.kind) if self.kind else None
        self._md5 = hashlib.md5(usedforsecurity=False) if self.md5 is not None else None

    @property
    def is_given(self) -> bool:
        return bool(self.kind) or self.md5 is not None

    async def watched(self, request: Request, come: Callable[[], object]) -> AsyncIterator[bytes]:
        """The body; ``come`` is called when all of it has arrived, and may refuse it."""
        async for chunk in request.stream():
            for each in (self._digest, self._md5):
                if each is not None:
                    each.update(chunk)
            yield chunk
        come()

    def verified(self) -> dict[str, str]:
        """The headers to keep with the object; raises BadDigest if the body was another."""
        if self._md5 is not None and self._md5.digest() != _decoded(self.md5 or ""):
            raise BadDigest
        if self._digest is None:
            return {}
        if self._digest.text() != self._declared:
            raise mismatch(self.kind)
        return {PREFIX + self.kind: self._declared, TYPE: "FULL_OBJECT"}


def mismatch(kind: str) -> BadDigest:
    return BadDigest(f"The {kind.upper()} you specified did not match the calculated checksum.")


def hide_checksums(request: Request, response: Response) -> None:
    """Removes them from an answer if they were not requested, or only a range was."""
    asked = request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
    if request.method in ("GET", "HEAD") and (not asked or response.status_code == 206):
        for name in [name for name in response.headers if name.lower().startswith(PREFIX)]:
            del response.headers[name]


def of_parts(kind: str, form: str, paths: Iterable[Path]) -> str:
    """The checksum of the whole, or that of the parts' own checksums."""
    whole, each, count = Digest(kind), Digest(kind), 0
    for path in paths:
        part = Digest(kind)
        try:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    (whole if form == "FULL_OBJECT" else part).update(chunk)
        except OSError:
            continue  # nanio reports that the part is missing
        each.update(part.raw())
        count += 1
    return whole.text() if form == "FULL_OBJECT" else f"{each.text()}-{count}"


def _decoded(text: str) -> bytes:
    """Empty if it is not base64."""
    try:
        return b64decode(text, validate=True)
    except (NotBase64, ValueError):
        return b""
