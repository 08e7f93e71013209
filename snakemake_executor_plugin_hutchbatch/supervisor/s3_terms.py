"""On what terms objects are stored and read: headers that S3 takes with a request.

Set once for a run, in AWS's own words, and handed to its containers in ``VARIABLE``. Access list
and encryption are for everything that is stored, because a bucket's policy may refuse whatever
comes without them. The storage class is for files of the workflow that stay: the cheaper classes
charge for 30 days or more at least (https://aws.amazon.com/s3/storage-classes/), which temporary
files and control files do not live.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Dict, Mapping, NamedTuple, Tuple

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.model import OperationModel

#: The container's variable. It is no part of what a job computes.
VARIABLE = "HUTCHBATCH_S3_TERMS"

#: Botocore's operations that make an object. Parts of an upload have the terms of its beginning.
_MAKING = ("PutObject", "CopyObject", "CreateMultipartUpload")


class Terms(NamedTuple):
    """Empty texts for what S3 itself decides. ``sse``: ``AES256`` or ``aws:kms``."""

    acl: str = ""
    sse: str = ""
    sse_kms_key_id: str = ""
    storage_class: str = ""
    request_payer: str = ""

    def of_new(self) -> Dict[str, str]:
        """Headers with which an object, or an upload in parts, begins."""
        return _given(
            ("x-amz-acl", self.acl),
            ("x-amz-server-side-encryption", self.sse),
            ("x-amz-server-side-encryption-aws-kms-key-id", self.sse_kms_key_id),
        )

    def of_result(self) -> Dict[str, str]:
        """More headers, for a file of the workflow that stays."""
        return _given(("x-amz-storage-class", self.storage_class))

    def of_request(self, method: str, query: str) -> Dict[str, str]:
        """Headers of any request, ``query`` as it is sent.

        A bucket whose requesters do not pay ignores who offers to.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/ObjectsinRequesterPaysBuckets.html
        """
        names = {pair.partition("=")[0] for pair in query.split("&")}
        makes = (method == "PUT" and "uploadId" not in names) or "uploads" in names
        payer = _given(("x-amz-request-payer", self.request_payer))
        return {**(self.of_new() if makes else {}), **payer}

    def text(self) -> str:
        """For ``VARIABLE``; empty where S3 decides everything."""
        given = {name: text for name, text in self._asdict().items() if text}
        return json.dumps(given, separators=(",", ":")) if given else ""


#: S3 itself decides everything.
USUAL = Terms()


def of_environment(environ: Mapping[str, str]) -> Terms:
    """Raises ``ValueError`` or ``TypeError`` for what ``Terms.text`` has not written."""
    return Terms(**json.loads(environ.get(VARIABLE) or "{}"))


def use(client: BaseClient, terms: Terms) -> None:
    """Has a boto3 client of S3 send them, whoever makes the call."""
    new = _given(
        ("ACL", terms.acl),
        ("ServerSideEncryption", terms.sse),
        ("SSEKMSKeyId", terms.sse_kms_key_id),
    )
    payer = _given(("RequestPayer", terms.request_payer))

    def add(params: Dict[str, object], model: OperationModel, **_: object) -> None:
        # In place: of several answers to this event only one would count.
        known = model.input_shape.members if model.input_shape else ()
        more = {**(new if model.name in _MAKING else {}), **payer}
        for name, text in more.items():
            if name in known:
                params.setdefault(name, text)

    if new or payer:
        client.meta.events.register("provide-client-params.s3", add)


def _given(*pairs: Tuple[str, str]) -> Dict[str, str]:
    return {name: text for name, text in pairs if text}
