"""S3 as far as leases and states need it: conditional writes, a clock of its own, and faults."""

import datetime
import email.utils
import hashlib
import io
import itertools

from botocore.exceptions import ClientError, ReadTimeoutError


class Killed(BaseException):
    """The process that made the call is gone."""


def refused(status, code):
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Call"
    )


class SimulatedS3:
    """``clock``: S3's own, seconds since 1970. ``faults``: what becomes of the next calls, None for
    nothing: ``down`` (nothing is done), ``lost`` (it is done, the answer is lost), ``late`` (it is
    done by ``arrive``), ``killed before`` and ``killed after``. ``calls``: what was called."""

    def __init__(self, clock=lambda: 1.8e9):
        self.clock = clock
        self.objects = {}
        self.faults = itertools.repeat(None)
        self.calls = []
        self._late = []

    def arrive(self):
        late, self._late = self._late, []
        for call in late:
            try:
                call()
            except ClientError:
                continue

    def put_object(self, Bucket, Key, Body, IfMatch=None, IfNoneMatch=None):
        body = Body if isinstance(Body, bytes) else Body.read()
        return self._call("PUT", Key, lambda: self._put(Key, body, IfMatch, IfNoneMatch))

    def get_object(self, Bucket, Key):
        return self._call("GET", Key, lambda: self._get(Key))

    def delete_object(self, Bucket, Key):
        return self._call("DELETE", Key, lambda: {"was": self.objects.pop(Key, None)})

    def list_objects_v2(self, Bucket, Prefix, **_):
        found = [{"Key": key} for key in sorted(self.objects) if key.startswith(Prefix)]
        return self._call("LIST", Prefix, lambda: {"Contents": found, "IsTruncated": False})

    def _call(self, verb, key, do):
        self.calls.append((verb, key))
        fault = next(self.faults, None)
        if fault == "killed before":
            raise Killed
        if fault == "late" and verb != "GET":
            self._late.append(do)
        if fault in ("down", "late"):
            raise ReadTimeoutError(endpoint_url="s3")
        answer = do()
        if fault == "killed after":
            raise Killed
        if fault == "lost":
            raise ReadTimeoutError(endpoint_url="s3")
        return answer

    def _put(self, key, body, match, none_match):
        there = self.objects.get(key)
        if none_match and there:
            raise refused(412, "PreconditionFailed")
        if match and not there:
            raise refused(404, "NoSuchKey")
        if match and there[1] != match:
            raise refused(412, "PreconditionFailed")
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        self.objects[key] = (body, etag, int(self.clock()))
        return {"ETag": etag, **self._date()}

    def _get(self, key):
        if key not in self.objects:
            raise refused(404, "NoSuchKey")
        body, etag, at = self.objects[key]
        return {
            "Body": io.BytesIO(body),
            "ContentLength": len(body),
            "ETag": etag,
            "LastModified": datetime.datetime.fromtimestamp(at, datetime.UTC),
            **self._date(),
        }

    def _date(self):
        date = email.utils.formatdate(int(self.clock()), usegmt=True)
        return {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"date": date}}}
