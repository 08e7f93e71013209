"""Snakemake's S3 storage without its known faults, at the controller and in containers.

FACTS.md section 4, traps 2, 3, 6, 7 and 10 (snakemake_storage_plugin_s3 0.3.6). At the controller
``mend`` is called by the guard. In a container this file is put before the plugin on PYTHONPATH,
under the plugin's own name, and takes the plugin's place when Snakemake imports it: so nothing of
the image is changed, and no Python but Snakemake's notices.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from typing import Any, Dict, Iterator

from . import file_names

PLUGIN = "snakemake_storage_plugin_s3"
#: S3 metadata of an output that its rule declares protected(): the header is x-amz-meta-…
PROTECTED = "snakemake-protected"


def mend(plugin: Any, in_job: bool = False) -> None:
    """Patches the plugin's classes; a second time it does nothing. ``in_job``: for Snakemake in a
    container."""
    cls = plugin.StorageObject
    if getattr(cls, "_hutchbatch_mended", False):
        return
    cls._hutchbatch_mended = True
    plain_init, plain_size, plain_mtime = cls.__post_init__, cls.size, cls.mtime

    def post_init(self: Any) -> None:
        plain_init(self)
        # The key as it is: to the plugin's URL parser "#" and "?" end a path (trap 10).
        bucket, slash, key = str(self.query)[len("s3://") :].partition("/")
        if slash and "#" not in bucket and "?" not in bucket:
            self.bucket, self.key = bucket, posixpath.normpath(key.lstrip("/"))
            self._local_suffix = self._local_suffix_from_key(self.key)

    def bucket_exists(self: Any) -> bool:
        return True  # never create one (trap 7)

    def is_dir(self: Any) -> bool:
        if not self._is_dir:  # "no" is not remembered: a job may make it yet (trap 2)
            self._is_dir = any(True for _ in self.get_subkeys())
        return bool(self._is_dir)

    def remove(self: Any) -> None:
        if self.is_dir():
            for item in self.get_subkeys():
                item.delete()
            self._is_dir = None
        else:
            self.s3obj().delete()

    def size(self: Any) -> Any:
        # ensure() is checked before the upload (trap 3): what was just made is what counts.
        return _stored_or_made(self, plain_size, os.path.getsize)

    def mtime(self: Any) -> Any:
        return _stored_or_made(self, plain_mtime, lambda made: os.stat(made).st_mtime)

    def store_object(self: Any) -> None:
        arguments = {"ExtraArgs": {"Metadata": metadata(self)}} if metadata(self) else {}
        path = self.local_path()
        if path.is_dir():
            self._is_dir = True
            for item in path.rglob("*"):
                if item.is_file():
                    self.s3obj(subkey=item.relative_to(path)).upload_file(item, **arguments)
        else:
            self.s3obj().upload_file(path, **arguments)

    def list_candidate_matches(self: Any) -> Iterator[str]:
        # The plugin compares a URL with a bucket's name, and never finds it.
        constant = re.split(r"\{(?!\{)", self.key)[0]
        if "{" in self.bucket:
            raise ValueError("the name of the bucket has a wildcard: write it out")
        for item in self.s3bucket().objects.filter(Prefix=constant):
            yield f"s3://{self.bucket}/{item.key}"

    def is_made(self: Any) -> bool:
        return os.path.exists(self.local_path())

    cls.__post_init__ = post_init
    cls.hutchbatch_is_made = is_made
    cls.bucket_exists = bucket_exists
    cls.is_dir = is_dir
    cls.remove = remove
    cls.size = size
    cls.mtime = mtime
    cls.store_object = store_object
    cls.list_candidate_matches = list_candidate_matches
    file_names.name_objects(cls, in_job)
    _once_snakemake_is_up(plugin.StorageProvider, in_job)


def metadata(stored: Any) -> Dict[str, str]:
    """What is stored with an object."""
    return {PROTECTED: "true"} if getattr(stored, "hutchbatch_protected", False) else {}


def _stored_or_made(stored: Any, ask: Any, of_file: Any) -> Any:
    """Of the object in S3; of the local file where there is none yet."""
    try:
        return ask(stored)
    except Exception:
        made = stored.local_path()
        if not stored.hutchbatch_is_made() or stored.exists():
            raise
        return of_file(made)


def _once_snakemake_is_up(provider: Any, in_job: bool) -> None:
    """What patches Snakemake itself, which imports the plugin while it is not yet complete."""
    plain_init = provider.__post_init__

    def post_init(self: Any) -> None:
        plain_init(self)
        _mark_protected()
        file_names.keep_names(in_job)

    provider.__post_init__ = post_init


def _mark_protected() -> None:
    """Files know of their flags, objects in S3 do not: tells them before they are stored."""
    from snakemake.io import _IOFile

    plain_store = _IOFile.store_in_storage
    if getattr(plain_store, "_hutchbatch", False):
        return

    async def store_in_storage(self: Any) -> None:
        if self.is_storage and "protected" in self.flags:
            self.storage_object.hutchbatch_protected = True
        await plain_store(self)

    store_in_storage._hutchbatch = True  # type: ignore[attr-defined]
    _IOFile.store_in_storage = store_in_storage


def _take_the_plugins_place() -> None:
    """Loads the image's own plugin under its name, mended."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    spec = PathFinder.find_spec(PLUGIN, [p for p in sys.path if os.path.abspath(p) != ours])
    if spec is None or spec.loader is None:
        raise ImportError(
            "this image has no snakemake-storage-plugin-s3, which Snakemake needs to reach S3: "
            "add it to the image, or write the rule with shell: so that it runs directly"
        )
    module = sys.modules[PLUGIN] = module_from_spec(spec)
    spec.loader.exec_module(module)
    mend(module, in_job=True)


if __name__ == PLUGIN:
    _take_the_plugins_place()
