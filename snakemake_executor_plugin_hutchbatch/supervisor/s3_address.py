"""Where S3 answers for a bucket, or for an access point that is named by its ARN.

An access point's alias is used like a bucket's name; its ARN has a slash or a colon before the
point's own name. Control files are not reached by it: the first steps (``s3_bootstrap.py``), which
every container's command contains, know buckets only.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-naming.html
"""

from __future__ import annotations

from typing import Optional, Tuple
from urllib.parse import urlsplit

from . import s3_bootstrap


def split_url(url: str) -> Tuple[str, str]:
    """Bucket (or ARN) and key of ``s3://bucket/key``; the key as it is, never percent-decoded.
    Raises ``ValueError``."""
    bucket, key = s3_bootstrap.split_url(url)
    if bucket.startswith("arn:") and bucket.endswith(":accesspoint"):
        name, _, key = key.partition("/")
        bucket += "/" + name
    return bucket, key


def region_for(region: str, bucket: str) -> str:
    """The region that an ARN names; for a bucket ``region``."""
    parts = bucket.split(":")
    return parts[3] if len(parts) > 5 else region


def address(endpoint: Optional[str], region: str, bucket: str) -> Tuple[str, str, str]:
    """Scheme, host and path prefix of a bucket or access point."""
    parts = bucket.replace("/", ":").split(":")
    if len(parts) < 7:
        return s3_bootstrap.address(endpoint, region, bucket)
    host = f"{parts[6]}-{parts[4]}"
    if endpoint:
        at = urlsplit(endpoint)
        return at.scheme, f"{host}.{at.netloc}", at.path.rstrip("/")
    end = ".cn" if region.startswith("cn-") else ""
    return "https", f"{host}.s3-accesspoint.{region}.amazonaws.com{end}", ""
