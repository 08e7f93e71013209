"""How objects are stored in S3, and who pays for reading them, in AWS's words."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..values import NONE, Nothing, SettingError
from .text import one_of, text

#: Canned access lists that let nobody read but the object's and the bucket's owners: control files
#: and results alike get them.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl
ACLS = ("bucket-owner-full-control", "bucket-owner-read", "private")
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
CLASSES = ("STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR")
#: What is there must be restored before it can be read.
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")


def or_none(parse: Callable[[object], str]) -> Callable[[object], str | Nothing]:
    """The same, or ``none``: as the bucket has it, whatever the site says."""

    def parsed(value: object) -> str | Nothing:
        return NONE if text(value) == str(NONE) else parse(value)

    return parsed


parse_s3_acl = or_none(one_of("the ACL", ACLS))
parse_s3_sse = or_none(one_of("encryption", ("AES256", "aws:kms")))
_storage_class = one_of("the storage class", CLASSES)


@or_none
def parse_s3_sse_kms_key_id(value: object) -> str:
    """The id, ARN or alias of a KMS key."""
    key = text(value)
    if not re.fullmatch(r"(arn:[\w-]+:kms:[\w-]+:\d{12}:)?[\w:/-]{1,256}", key, re.ASCII):
        raise SettingError(
            "a KMS key is its id, its ARN or an alias, like alias/my-key or "
            "arn:aws:kms:us-west-2:123456789012:key/…"
        )
    return key


@or_none
def parse_s3_storage_class(value: object) -> str:
    """A class whose objects can be read at once."""
    name = text(value).upper()
    if name in ARCHIVES:
        raise SettingError(
            f"later jobs could not read what is stored as {name}: take GLACIER_IR, or have a "
            "life-cycle rule of the bucket archive old results"
        )
    return _storage_class(name)


@or_none
def parse_s3_request_payer(value: object) -> str:
    """``requester``, AWS's only word here."""
    if text(value) != "requester":
        raise SettingError("the only value is requester: you pay for what is read and transferred")
    return "requester"
