"""Makes Snakemake's S3 storage on the controller safe, and answers it from the inventory.

Why: docs/design/snakemake.md, "Outputs and storage". Patches apply only when hutchbatch is the
executor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from snakemake_interface_common.exceptions import ApiError
from snakemake_interface_storage_plugins.storage_object import StorageObjectTouch

from ..aws import client_hooks, credentials, errors
from ..snakemake_types import AsyncMethod, File, Method, StorageObject, StorageProvider
from ..storage.buckets import StorageError, bad_key, check_bucket
from ..storage.inventory import Inventory
from ..storage.object_cache import Object
from ..supervisor.file_names import is_named, name_of
from ..supervisor.upload import PROTECTED
from . import source_files

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

#: Settings of a storage provider that select another S3 or other permissions.
_OWN = ("endpoint_url", "access_key", "secret_key", "token", "signature_version")

#: S3 copies up to 5 GiB in one call, which keeps the checksum of the whole.
#: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
_WHOLE = TransferConfig(multipart_threshold=5 * 2**30)

#: What a copy of an object onto itself would lose. Its list of grants is made again in any case.
_KEPT = (
    *("Metadata", "ContentType", "ContentEncoding", "StorageClass"),
    *("ServerSideEncryption", "SSEKMSKeyId"),
)

_inventories: dict[tuple[object, ...], Inventory] = {}


def inventory(provider: StorageProvider) -> Inventory:
    """The inventory of a storage provider's S3, shared by all that use the same S3."""
    known: Inventory | None = getattr(provider, "_hutchbatch_inventory", None)
    if known is None:
        settings = tuple(getattr(provider.settings, name, None) for name in _OWN)
        if settings not in _inventories:
            # Its client retries already.
            _inventories[settings] = Inventory(provider.s3c.meta.client)
        known = provider._hutchbatch_inventory = _inventories[settings]
    return known


def check_credentials(plain: Method) -> Method:
    """Replaces ``StorageProvider.__post_init__``. Credentials and buckets are checked while the
    Snakefile is read: a later error comes with a page of traceback, or as "missing input
    files"."""

    def provider_post_init(self: StorageProvider) -> None:
        try:
            credentials.share(credentials.RENEWAL)
            plain(self)
            client_hooks.strengthen_storage(self, credentials.RENEWAL)
            given = self.settings.access_key or boto3.Session().get_credentials()
        except (BotoCoreError, ValueError) as error:  # an endpoint that is no URL: ValueError
            raise ApiError(errors.explain(error, "reading your bucket")) from None
        if given is None:
            raise ApiError(errors.explain(NoCredentialsError(), "reading your bucket"))

    return provider_post_init


def check_buckets(plain: Method) -> Method:
    """Replaces ``StorageObject.__post_init__``."""

    def object_post_init(self: StorageObject) -> None:
        plain(self)
        key = getattr(self, "key", "")
        if unusable := bad_key(key, name_of(self) or str(self.query)):
            raise ApiError(unusable)
        bucket = getattr(self, "bucket", "{")
        if "{" in bucket:
            return
        refused = refusal(self.provider.s3c.meta.client, bucket)
        # Public buckets, and folders of others, may be readable where the bucket is not.
        if refused and "{" not in key:
            if _is_denied(self):
                raise ApiError(str(refused))
            _seen[bucket] = None

    return object_post_init


#: By bucket, why it as a whole is denied.
_seen: dict[str, StorageError | None] = {}


def refusal(client: S3Client, bucket: str) -> StorageError | None:
    """Why a bucket as a whole is denied; AWS is asked once. Raises ``ApiError`` where nothing in it
    can be used."""
    if bucket not in _seen:
        try:
            check_bucket(client, bucket)
            _seen[bucket] = None
        except StorageError as error:
            if not error.denied:
                raise ApiError(str(error)) from None
            _seen[bucket] = error
    return _seen[bucket]


def _is_denied(stored: StorageObject) -> bool:
    try:
        stored.exists()
    except ClientError as error:
        return errors.is_denied(error)
    return False


def not_protected(_plain: object) -> bool:
    """``StorageObject.hutchbatch_protected``, until ``protected()`` marks an object."""
    return False


def no_inventory(_plain: object) -> AsyncMethod:
    """Replaces ``StorageObject.inventory``."""

    async def inventorize(self: StorageObject, cache: object) -> None:
        """Replaces Snakemake's hook, which lists without limits, and only the first folder."""

    return inventorize


def no_parent(_plain: object) -> Method:
    """Replaces ``StorageObject.get_inventory_parent``."""

    def no_parent(self: StorageObject) -> None:
        return None

    return no_parent


def _here(stored: StorageObject) -> Object | None:
    """An input that is here, as it will be in S3 when a job needs it."""
    here = source_files.sources()
    return here.find(stored) if here else None


def exists(_plain: object) -> Method:
    """Replaces ``StorageObject.exists``."""

    def exists(self: StorageObject) -> bool:
        here = source_files.sources()
        return (here is not None and here.exists(self)) or inventory(self.provider).exists(
            _url(self)
        )

    return exists


def is_dir(_plain: object) -> Method:
    """Replaces ``StorageObject.is_dir``."""

    def is_dir(self: StorageObject) -> bool:
        found = _here(self)
        return found.directory if found else inventory(self.provider).is_directory(_url(self))

    return is_dir


def size(plain: Method) -> Method:
    """Replaces ``StorageObject.size``."""

    def size(self: StorageObject) -> object:
        found = _here(self) or inventory(self.provider).find(_url(self))
        return found.size if found else plain(self)  # created here and not stored yet

    return size


def mtime(plain: Method) -> Method:
    """Replaces ``StorageObject.mtime``."""

    def mtime(self: StorageObject) -> object:
        found = _here(self) or inventory(self.provider).find(_url(self))
        return found.modified if found else plain(self)

    return mtime


def forget_after(plain: Method) -> Method:
    """Replaces ``StorageObject.store_object`` and ``remove``."""

    def changed(self: StorageObject) -> None:
        try:
            plain(self)
        finally:
            inventory(self.provider).forget([_url(self)])

    return changed


def touch(_plain: object) -> Callable[[StorageObject], None]:
    """``StorageObject.touch``, which the plugin lacks."""

    def touch(self: StorageObject) -> None:
        """--touch: gives the object a new time, and changes nothing else."""
        keys = [i.key for i in self.get_subkeys()] if self.is_dir() else [self.key]
        client = self.provider.s3c.meta.client
        for key in keys:
            state = client.head_object(Bucket=self.bucket, Key=key)
            kept: dict[str, object] = {"MetadataDirective": "REPLACE"}
            kept |= {name: value for name, value in state.items() if name in _KEPT}
            source: CopySourceTypeDef = {"Bucket": self.bucket, "Key": key}
            client.copy(source, self.bucket, key, ExtraArgs=kept, Config=_WHOLE)
        inventory(self.provider).forget([_url(self)])

    return touch


def managed_touch(_plain: object) -> Method:
    """``StorageObject.managed_touch``; Snakemake asks for the class that has it."""
    from snakemake_storage_plugin_s3 import StorageObject  # noqa: PLC0415  only where a run begins

    StorageObjectTouch.register(StorageObject)
    method: Method = StorageObjectTouch.managed_touch
    return method


def _url(stored: StorageObject) -> str:
    return f"s3://{stored.bucket}/{stored.key}"


def is_protected(stored: StorageObject) -> bool:
    """Whether an object, or the first of a directory, has the mark of protected()."""
    if not stored.exists():
        return False
    client, key = stored.provider.s3c.meta.client, stored.key
    if stored.is_dir():
        key = next((item.key for item in stored.get_subkeys()), key)
    answer = client.head_object(Bucket=stored.bucket, Key=key)
    return PROTECTED in answer.get("Metadata", {})


def wait_in_storage(plain: AsyncMethod) -> AsyncMethod:
    """Replaces ``snakemake.jobs.wait_for_files``. With --keep-storage-local-copies Snakemake
    waits for local copies of its targets, which it has not fetched where remote jobs made them."""

    async def wait_for_files(files: object, *args: object, **options: object) -> None:
        await plain(files, *args, **{**options, "wait_for_local": False})

    return wait_for_files


def _may_be_protected(file: File) -> bool:
    return (
        file.is_storage
        and "protected" in file.flags
        and hasattr(file.storage_object, "hutchbatch_protected")
    )


def protected(plain: AsyncMethod) -> AsyncMethod:
    """Replaces ``_IOFile.protected``. Snakemake's own refusal, before the first job is sent,
    sees files in S3 too, and passes over the person's own."""

    async def protected(self: File) -> bool:
        if _may_be_protected(self):
            return is_protected(self.storage_object)
        return False if is_named(self) else bool(await plain(self))

    return protected
