"""Snakemake's S3 storage at the controller: safe, and answered from the inventory.

Why: docs/design/snakemake.md, "Outputs and storage". Patches apply only when hutchbatch is the
executor.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, NoCredentialsError
from snakemake_interface_common.exceptions import ApiError
from snakemake_interface_storage_plugins.storage_object import StorageObjectTouch

from ..aws import client_hooks, credentials, errors
from ..storage.buckets import StorageError, check_bucket
from ..storage.inventory import Inventory
from ..supervisor import fence
from ..supervisor.patched_s3_storage import mend
from ..supervisor.upload import PROTECTED
from . import failed_outputs, local_files

#: Settings of a storage provider that lead to an S3, or rights, of its own.
_OWN = ("endpoint_url", "access_key", "secret_key", "token", "signature_version")

#: S3 copies up to 5 GiB in one call, which keeps the checksum of the whole.
#: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
_WHOLE = TransferConfig(multipart_threshold=5 * 2**30)

_inventories: dict[tuple[Any, ...], Inventory] = {}


def inventory(provider: Any) -> Inventory:
    """The inventory of the S3 that a storage provider reads: one for all that read the same."""
    known: Inventory | None = getattr(provider, "_hutchbatch_inventory", None)
    if known is None:
        settings = tuple(getattr(provider.settings, name, None) for name in _OWN)
        if settings not in _inventories:
            # Its client has patience already.
            _inventories[settings] = Inventory(provider.s3c.meta.client)
        known = provider._hutchbatch_inventory = _inventories[settings]
    return known


def guard(warn: Callable[[str], None]) -> None:
    """Patches this process, once."""
    try:
        import snakemake_storage_plugin_s3 as plugin  # noqa: PLC0415  may be absent
    except ImportError:
        return
    if getattr(plugin.StorageObject, "_hutchbatch_guard", False):
        return
    plugin.StorageObject._hutchbatch_guard = True
    os.environ.pop(fence.STAMP, None)  # a controller that is a job itself is no attempt of a rule
    mend(plugin)
    _check_access(plugin)
    _answer_from_inventory(plugin.StorageObject)
    local_files.guard(plugin, inventory, warn)
    _refuse_protected()
    _wait_in_storage()
    failed_outputs.guard()


def share_names() -> None:
    """Patches a process that runs one job for another that is guarded."""
    try:
        import snakemake_storage_plugin_s3 as plugin  # noqa: PLC0415  may be absent
    except ImportError:
        return
    mend(plugin)


def _check_access(plugin: Any) -> None:
    """Credentials and buckets are checked while the Snakefile is read: an error any later comes
    with a page of traceback, or as "missing input files"."""
    seen: set[str] = set()
    plain_provider, plain_object = (
        plugin.StorageProvider.__post_init__,
        plugin.StorageObject.__post_init__,
    )

    def provider_post_init(self: Any) -> None:
        credentials.share(credentials.RENEWAL)
        try:
            plain_provider(self)
            client_hooks.strengthen_storage(self, credentials.RENEWAL)
            given = self.settings.access_key or boto3.Session().get_credentials()
        except BotoCoreError as error:
            raise ApiError(errors.explain(error, "reading your bucket")) from None
        if given is None:
            raise ApiError(errors.explain(NoCredentialsError(), "reading your bucket"))

    def object_post_init(self: Any) -> None:
        plain_object(self)
        bucket = getattr(self, "bucket", "{")
        if bucket not in seen and "{" not in bucket:
            try:
                check_bucket(self.provider.s3c.meta.client, bucket)
            except StorageError as error:
                # Other people's public buckets may be read without being listed.
                if not error.denied:
                    raise ApiError(str(error)) from None
            seen.add(bucket)

    plugin.StorageProvider.__post_init__ = provider_post_init
    plugin.StorageObject.__post_init__ = object_post_init


def _answer_from_inventory(cls: Any) -> None:
    plain_size, plain_mtime = cls.size, cls.mtime
    plain_store, plain_remove = cls.store_object, cls.remove

    async def inventorize(self: Any, cache: Any) -> None:
        """Snakemake's own hook lists without bounds, and only the first folder."""

    def no_parent(self: Any) -> None:
        return None

    def exists(self: Any) -> bool:
        return inventory(self.provider).exists(_url(self))

    def is_dir(self: Any) -> bool:
        return inventory(self.provider).is_directory(_url(self))

    def size(self: Any) -> Any:
        found = inventory(self.provider).find(_url(self))
        return found.size if found else plain_size(self)  # made here and not stored yet

    def mtime(self: Any) -> Any:
        found = inventory(self.provider).find(_url(self))
        return found.modified if found else plain_mtime(self)

    def store_object(self: Any) -> None:
        try:
            plain_store(self)
        finally:
            inventory(self.provider).forget([_url(self)])

    def remove(self: Any) -> None:
        try:
            plain_remove(self)
        finally:
            inventory(self.provider).forget([_url(self)])

    def touch(self: Any) -> None:
        """--touch: a new time for what is there, and nothing else of it changed."""
        keys = [i.key for i in self.get_subkeys()] if self.is_dir() else [self.key]
        client = self.provider.s3c.meta.client
        for key in keys:
            told = client.head_object(Bucket=self.bucket, Key=key)
            kept = {name: told[name] for name in ("Metadata", "ContentType") if name in told}
            source = {"Bucket": self.bucket, "Key": key}
            kept["MetadataDirective"] = "REPLACE"
            client.copy(source, self.bucket, key, ExtraArgs=kept, Config=_WHOLE)
        inventory(self.provider).forget([_url(self)])

    cls.hutchbatch_protected = False
    cls.inventory, cls.get_inventory_parent = inventorize, no_parent
    cls.exists, cls.is_dir, cls.size, cls.mtime = exists, is_dir, size, mtime
    cls.store_object, cls.remove = store_object, remove
    cls.touch, cls.managed_touch = touch, StorageObjectTouch.managed_touch
    StorageObjectTouch.register(cls)


def _url(stored: Any) -> str:
    return f"s3://{stored.bucket}/{stored.key}"


def is_protected(stored: Any) -> bool:
    """Whether an object, or the first of a directory, bears the mark of protected()."""
    if not stored.exists():
        return False
    client, key = stored.provider.s3c.meta.client, stored.key
    if stored.is_dir():
        key = next((item.key for item in stored.get_subkeys()), key)
    answer = client.head_object(Bucket=stored.bucket, Key=key)
    return PROTECTED in answer.get("Metadata", {})


def _wait_in_storage() -> None:
    """With --keep-storage-local-copies Snakemake waits for local copies of its targets, which it
    has not fetched where remote jobs made them."""
    from snakemake import jobs  # noqa: PLC0415

    plain = jobs.wait_for_files

    async def wait_for_files(files: Any, *args: Any, **options: Any) -> None:
        await plain(files, *args, **{**options, "wait_for_local": False})

    jobs.wait_for_files = wait_for_files


def _may_be_protected(file: Any) -> bool:
    return (
        file.is_storage
        and "protected" in file.flags
        and hasattr(file.storage_object, "hutchbatch_protected")
    )


def _refuse_protected() -> None:
    """Snakemake's own refusal, before the first job is sent, sees files in S3 too."""
    from snakemake.io import _IOFile  # noqa: PLC0415

    plain = _IOFile.protected

    async def protected(self: Any) -> bool:
        if _may_be_protected(self):
            return is_protected(self.storage_object)
        return bool(await plain(self))

    _IOFile.protected = protected
