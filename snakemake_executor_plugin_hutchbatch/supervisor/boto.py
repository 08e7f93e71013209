"""``s3.S3`` on top of a boto3 client: for Snakemake's storage, whose endpoint, credentials and
retries are boto3's. Headers and bodies are passed through unchanged, so that they also work with an
older botocore.
"""

from __future__ import annotations

import io
import os
import threading
import time
import zlib
from typing import (
    TYPE_CHECKING,
    Callable,
    Dict,
    Iterable,
    Mapping,
    Optional,
    Protocol,
    Tuple,
    TypedDict,
    Union,
)

from . import checksum, s3_bootstrap, s3_terms
from .body import Body
from .s3 import AMAZON, Answer, S3Error

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from botocore.awsrequest import AWSResponse
    from botocore.exceptions import ClientError
    from botocore.model import OperationModel
    from mypy_boto3_s3 import S3Client

    class _Readable(Protocol):
        """Botocore's body of an answer."""

        def read(self, amount: int = ...) -> bytes: ...

    class _Request(TypedDict):
        """What botocore is about to send, as far as it is changed."""

        headers: Dict[str, str]
        body: object


#: botocore keeps ten connections.
THREADS = 8
#: Attempts for an answer whose body ends early; botocore itself retries everything else.
TRIES = 5


class Boto:
    """The methods of ``S3`` that ``upload``, ``download`` and ``store`` use. Thread-safe."""

    threads = THREADS

    def __init__(self, client: S3Client, sleep: Callable[[float], None] = time.sleep) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        self.client, self.sleep = client, sleep
        self._client_error, self._core_error = ClientError, BotoCoreError
        #: The client sends them already (``patched_s3_storage``), except a result's.
        self.terms = s3_terms.of_environment(os.environ)
        self.is_amazon = False
        #: The ``Date`` of the last answer.
        self.date = ""
        self._calls = threading.local()
        client.meta.events.register("before-call.s3", self._before)
        client.meta.events.register("after-call.s3", self._after)

    @staticmethod
    def random() -> Optional[float]:
        return None

    def request(
        self,
        method: str,
        bucket: str,
        key: str = "",
        query: Iterable[Tuple[str, str]] = (),
        headers: Optional[Mapping[str, str]] = None,
        body: Union[bytes, Body] = b"",
        read: Optional[Callable[[_Stream], object]] = None,
    ) -> Answer:
        """See ``S3.request``. Raises ``S3Error`` or ``OSError``."""
        asked = dict(query)
        name, arguments = _operation(method, asked)
        arguments["Bucket"] = bucket
        if key:
            arguments["Key"] = key
        more = dict(headers or {})
        raw: Optional[bytes] = None
        if method == "PUT":
            arguments["Body"] = body if isinstance(body, bytes) else io.BufferedReader(_Raw(body))
            if checksum.CRC32 in more:  # as a parameter: botocore then makes none of its own
                arguments["ChecksumCRC32"] = more.pop(checksum.CRC32)
        elif isinstance(body, bytes) and body:
            raw = body
        for turn in range(1, TRIES + 1):
            self._calls.pending = (more, raw)
            try:
                answer = getattr(self.client, name)(**arguments)
                answered = answer["ResponseMetadata"]["HTTPHeaders"]
                is_object = name == "get_object"
                content = answer["Body"] if is_object else io.BytesIO(self._calls.content)
                status = answer["ResponseMetadata"]["HTTPStatusCode"]
                stream = _Stream(status, answered, content)
                return Answer(answered, (read or _Stream.read)(stream))
            except self._client_error as error:
                raise _s3_error(error) from error
            except self._core_error as error:
                if name != "get_object" or turn == TRIES:
                    raise ConnectionError(str(error)) from error
            finally:
                self._calls.pending = None
            self.sleep(s3_bootstrap.pause(turn))
        raise AssertionError("not reached")

    def put(self, url: str, data: bytes) -> None:
        bucket, key = s3_bootstrap.split_url(url)
        headers = {checksum.CRC32: checksum.encoded(zlib.crc32(data))}
        self.request("PUT", bucket, key, headers=headers, body=data)

    def _before(self, params: _Request, **_: object) -> None:
        pending = getattr(self._calls, "pending", None)
        if pending is None:
            return  # a call by other code
        self._calls.pending = None
        headers, raw = pending
        for name, text in headers.items():
            params["headers"][name] = text
        if raw is not None:
            params["body"] = raw

    def _after(
        self, http_response: AWSResponse, parsed: object, model: OperationModel, **_: object
    ) -> None:
        self.date = http_response.headers.get("date", self.date)
        self.is_amazon = self.is_amazon or http_response.headers.get("server") == AMAZON
        self._calls.content = b"" if model.has_streaming_output else http_response.content


class _Stream:
    """The body of a GET, as ``connection.Connection`` gives it."""

    def __init__(self, status: int, headers: Mapping[str, str], body: _Readable) -> None:
        self.status, self.headers, self._body = status, headers, body

    def read(self) -> bytes:
        data: bytes = self._body.read()
        return data

    def readinto(self, view: memoryview) -> int:
        done = 0
        while done < len(view):
            data = self._body.read(len(view) - done)
            if not data:
                break
            view[done : done + len(data)] = data
            done += len(data)
        return done


class _Raw(io.RawIOBase):
    """A ``Body`` as a file that can be read again."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self._body, self._place = body, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = self._body.read(self._place, len(view))
        view[: len(data)] = data
        self._place += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._body.size}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        return self._place


def _operation(method: str, query: Mapping[str, str]) -> Tuple[str, Dict[str, object]]:
    """The client's method for a request, and the query as its parameters."""
    if method == "GET" and "list-type" in query:
        names = {
            "prefix": "Prefix",
            "continuation-token": "ContinuationToken",
            "encoding-type": "EncodingType",
        }
        arguments: Dict[str, object] = {names[k]: v for k, v in query.items() if k in names}
        if "max-keys" in query:
            arguments["MaxKeys"] = int(query["max-keys"])
        return "list_objects_v2", arguments
    if "uploads" in query:
        return "create_multipart_upload", {}
    if "uploadId" not in query:
        return {
            "GET": "get_object",
            "HEAD": "head_object",
            "PUT": "put_object",
            "DELETE": "delete_object",
        }[method], {}
    upload: Dict[str, object] = {"UploadId": query["uploadId"]}
    if method == "PUT":
        return "upload_part", {**upload, "PartNumber": int(query["partNumber"])}
    return {"POST": "complete_multipart_upload", "DELETE": "abort_multipart_upload"}[method], upload


def _s3_error(error: ClientError) -> S3Error:
    words = error.response.get("Error", {})
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    code = str(words.get("Code", ""))
    return S3Error(status, "" if code.isdigit() else code, str(words.get("Message", "")))
