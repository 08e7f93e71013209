"""Built environments in S3: found whole, and kept from expiring while they are used."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws import errors
from ..aws.retry import Retrier
from ..storage import small_objects
from ..storage.run_layout import WorkLayout
from ..storage.urls import split_url
from ..supervisor import conda_manifest
from ..supervisor.conda_manifest import Manifest
from .found import BuiltEnvironment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Seconds after which an object that is used is made new: a bucket's rules delete by age, after
#: some days.
FRESH_SECONDS = 24 * 3600.0
#: Copies at once.
THREADS = 8


@dataclass(frozen=True)
class StoredManifest:
    """A manifest as S3 has it. ``age`` in seconds, by S3's clock."""

    manifest: Manifest
    sha256: str
    age: float


class BuiltEnvironments:
    """The environments below a work prefix. Methods raise botocore's errors that do not pass."""

    def __init__(self, s3: S3Client, layout: WorkLayout, retrier: Retrier) -> None:
        self._s3 = s3
        self._layout = layout
        self._retrier = retrier

    def find(self, key: str, keep: bool = True) -> BuiltEnvironment | None:
        """The environment of a lock with this key; None where it is not there, or not as a whole.
        ``keep``: it is used, and must not expire soon."""
        stored = self.read(key)
        if stored is None:
            return None
        if keep and stored.age > FRESH_SECONDS and not self._renewed(key, stored.manifest):
            return None
        url = self._layout.conda_manifest(key)
        found = stored.manifest
        return BuiltEnvironment(key, url, stored.sha256, found.size, len(found.packages))

    def read(self, key: str) -> StoredManifest | None:
        """Its manifest; None where there is none that can be used."""
        url = self._layout.conda_manifest(key)
        what = "looking for a conda environment"
        try:
            stored = self._retrier.call(
                what, lambda: small_objects.fetch(self._s3, url, conda_manifest.MOST_BYTES)
            )
            manifest = conda_manifest.loads(stored.content)
        except ClientError as error:
            if errors.status(error) == 404:
                return None
            raise
        except ValueError:
            return None  # no builder wrote it: it is built once more
        if manifest.key != key:
            return None
        return StoredManifest(manifest, hashlib.sha256(stored.content).hexdigest(), stored.age)

    def _renewed(self, key: str, manifest: Manifest) -> bool:
        """Makes all of its objects new, the manifest last; False if one is gone."""
        folder = self._layout.conda_environment(key)
        with ThreadPoolExecutor(THREADS) as pool:
            parts = list(pool.map(self._copied, [folder + part.name for part in manifest.parts]))
        return all(parts) and self._copied(self._layout.conda_manifest(key))

    def _copied(self, url: str) -> bool:
        """Copies an object onto itself, so that it has today's time; False if it is gone. Where
        that is not permitted it stays as it is."""
        bucket, key = split_url(url)
        try:
            self._retrier.call(
                "keeping a conda environment",
                lambda: self._s3.copy_object(
                    Bucket=bucket,
                    Key=key,
                    CopySource={"Bucket": bucket, "Key": key},
                    # S3 takes such a copy only where it changes something.
                    MetadataDirective="REPLACE",
                ),
            )
        except ClientError as error:
            if errors.status(error) == 404:
                return False
            if not errors.is_denied(error):
                raise
        return True
