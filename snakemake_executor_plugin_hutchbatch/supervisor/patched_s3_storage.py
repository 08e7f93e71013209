"""Fixes the known faults of Snakemake's S3 storage, on the controller and in containers.

Fixed in snakemake_storage_plugin_s3 0.3.6, beside what comments below say: it takes "#" and "?" for
the end of a name, caches that something is no directory, asks S3 for the size of files that have
not been stored yet, and deletes or creates buckets. Files are transferred by the same code as in
direct mode: checked, and never over what a later attempt of the job has stored.

At the controller ``patch_storage`` is called by the guard. In a container ``storage_overlay.py``
puts a package of the plugin's own name before it on PYTHONPATH, which calls ``replace_plugin`` when
Snakemake imports it: so nothing of the image is changed, and no Python but Snakemake's notices.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Callable, Iterator, List, Optional, cast

from . import fence, file_names, patched_conda, refused_outputs, results_apart, s3_terms, times
from .boto import Boto
from .download import stage_in
from .errors import say
from .fence import Stamp
from .fetched_inputs import FetchedInputs, answer_by_what_is_here
from .s3 import S3, S3Error
from .s3_address import split_url
from .store import Store, Superseded
from .taskspec import Input, Output
from .thread_pool import run_all
from .unfinished import wait_for_writers
from .upload import stage_out

if TYPE_CHECKING:
    from ..snakemake_types import File, StorageObject, StorageProvider

PLUGIN = "snakemake_storage_plugin_s3"
#: Fields of an ``Output``, and the flags of a file that set them.
_FLAGS = {"protected": "protected", "temporary": "temp"}
#: Attempts to get a job role's credentials, a second apart.
CREDENTIALS_ATTEMPTS = 60


def patch_storage(plugin: ModuleType, in_job: bool = False) -> None:
    """Patches the plugin's classes; a second time it does nothing. ``in_job``: for Snakemake in a
    container."""
    cls = plugin.StorageObject
    if getattr(cls, "_hutchbatch_patched", False):
        return
    cls._hutchbatch_patched = True
    plain_init, plain_size, plain_mtime = cls.__post_init__, cls.size, cls.mtime

    def post_init(self: StorageObject) -> None:
        plain_init(self)
        # The key as it is: to the plugin's URL parser "#" and "?" end a path.
        bucket, key = split_url(str(self.query))
        if key and "#" not in bucket and "?" not in bucket:
            self.bucket, self.key = bucket, _key(key, file_names.name_of(self))
            self._local_suffix = self._local_suffix_from_key(file_names.path_of(self.key))

    def bucket_exists(self: StorageObject) -> bool:
        return True  # so that none is created

    def is_dir(self: StorageObject) -> bool:
        if not self._is_dir:  # "no" is not remembered: a job may make it yet
            self._is_dir = any(True for _ in self.get_subkeys())
        return bool(self._is_dir)

    def remove(self: StorageObject) -> None:
        directory = self.is_dir()
        _remove(self, [item.key for item in self.get_subkeys()] if directory else [self.key])
        if directory:
            self._is_dir = None

    def size(self: StorageObject) -> object:
        # ensure() is checked before the upload: the new local file counts.
        return _stored_or_made(self, plain_size, os.path.getsize)

    def mtime(self: StorageObject) -> object:
        return _stored_or_made(self, plain_mtime, lambda made: os.stat(made).st_mtime)

    def store_object(self: StorageObject) -> None:
        path = self.local_path()
        directory = path.is_dir()
        if directory:
            self._is_dir = True
        output = replace(_flagged(self), path=str(path), directory=directory)
        _store(self, output)

    def retrieve_object(self: StorageObject) -> None:
        path = self.local_path()
        # Only the plugin's own decision distinguishes a file from a directory of the same name.
        wanted = Input(_url(self) + ("/" if self.is_dir() else ""), str(path))
        stage_in(_s3(self), [wanted], os.getcwd(), lambda: _free(path), threading.Event())

    def list_candidate_matches(self: StorageObject) -> Iterator[str]:
        # The plugin compares a URL with a bucket's name, and never finds it.
        constant = re.split(r"\{(?!\{)", self.key)[0]
        if "{" in self.bucket:
            raise ValueError("the name of the bucket has a wildcard: write it out")
        for item in self.s3bucket().objects.filter(Prefix=constant):
            yield f"s3://{self.bucket}/{item.key}"

    def is_made(self: StorageObject) -> bool:
        return os.path.exists(self.local_path())

    cls.__post_init__ = post_init
    cls.hutchbatch_is_made = is_made
    cls.bucket_exists, cls.is_dir, cls.remove = bucket_exists, is_dir, remove
    cls.size, cls.mtime = size, mtime
    cls.store_object, cls.retrieve_object = store_object, retrieve_object
    cls.list_candidate_matches = list_candidate_matches
    file_names.name_objects(plugin, in_job)
    if in_job:
        _in_job(plugin)
    _once_snakemake_is_up(plugin, in_job)


def _in_job(plugin: ModuleType) -> None:
    fetched = FetchedInputs.read()
    answer_by_what_is_here(plugin, fetched, _url)
    results_apart.keep_apart(plugin, fetched, _url, _store)


def _key(key: str, name: Optional[str]) -> str:
    """The key of an address's end, which is the author's ``name`` where there is one."""
    if name is None:
        parts = key.split("/")
        if "." in parts or ".." in parts:  # what the plugin does: S3 may take no such key
            return posixpath.normpath(key.lstrip("/"))
        return key.rstrip("/")
    return file_names.key_of(name, key[: len(key) - len(name)].lstrip("/"))


def _flagged(stored: StorageObject) -> Output:
    """What is known of an object to be stored without its file."""
    marked, passing = (bool(getattr(stored, "hutchbatch_" + name, False)) for name in _FLAGS)
    return Output("", _url(stored), protected=marked, temporary=passing)


def _store(stored: StorageObject, output: Output) -> None:
    stage_out(_s3(stored), [output], os.getcwd(), threading.Event(), _own(stored))


def _url(stored: StorageObject) -> str:
    return f"s3://{stored.bucket}/{stored.key}"


def _s3(stored: StorageObject) -> S3:
    """What ``download``, ``upload`` and ``store`` use of an ``S3``, a ``Boto`` has."""
    return cast("S3", _boto(stored))


def _boto(stored: StorageObject) -> Boto:
    """Replaces an ``S3``: uses the storage's own client."""
    client = stored.provider.s3c.meta.client
    known = getattr(stored.provider, "_hutchbatch_boto", None)
    if known is None or known.client is not client:
        known = stored.provider._hutchbatch_boto = Boto(client)
    return known


def _own(stored: StorageObject) -> Stamp:
    """The stamp for new objects: in a container the job's; on the controller that of a submission
    made now, on S3's clock, so that no earlier attempt can replace them."""
    given = fence.parse(os.environ.get(fence.STAMP))
    if given is not None:
        return given
    boto = _boto(stored)
    try:
        boto.request("HEAD", stored.bucket, stored.key)
    except (S3Error, OSError):
        pass  # it answered, or the upload will say what is wrong
    return Stamp(int(times.of_header(boto.date) * 1000) + 999, 1, "local")


def _remove(stored: StorageObject, keys: List[str]) -> None:
    boto = _boto(stored)
    if fence.STAMP not in os.environ:
        for key in keys:
            boto.request("DELETE", stored.bucket, key)
        return
    store = Store(_s3(stored), _own(stored))
    tasks = [lambda key=key: _remove_older(store, stored.bucket, key) for key in keys]
    run_all(tasks, boto.threads, threading.Event())


def _remove_older(store: Store, bucket: str, key: str) -> None:
    try:
        store.remove(bucket, key)
    except Superseded as error:
        say(f"{error}, so it is not removed.")


def _free(path: Path) -> int:
    state = os.statvfs(path.parent)
    return state.f_bavail * state.f_frsize


def _stored_or_made(
    stored: StorageObject, ask: Callable[[StorageObject], object], of_file: Callable[[Path], object]
) -> object:
    """A value of the object in S3, or of the local file if there is no object yet."""
    try:
        return ask(stored)
    except Exception:
        made = stored.local_path()
        if not stored.hutchbatch_is_made() or stored.exists():
            raise
        return of_file(made)


def wait_for_credentials() -> None:
    """The address that gives a job role's credentials answers 40 requests a second for a machine;
    botocore gives up after three, a second apart.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html"""
    from botocore.utils import ContainerMetadataFetcher

    ContainerMetadataFetcher.RETRY_ATTEMPTS = CREDENTIALS_ATTEMPTS


def _once_snakemake_is_up(plugin: ModuleType, in_job: bool) -> None:
    """Patches Snakemake itself, later: it imports the plugin before it is complete."""
    provider = plugin.StorageProvider
    plain_init = provider.__post_init__

    def post_init(self: StorageProvider) -> None:
        if in_job:
            wait_for_credentials()
        plain_init(self)
        s3_terms.use(self.s3c.meta.client, s3_terms.of_environment(os.environ))
        wait_for_writers()
        _mark_flagged()
        file_names.keep_names(in_job)
        if in_job:
            refused_outputs.report_to_supervisor()
            patched_conda.use()
            results_apart.keep_local_copies()

    provider.__post_init__ = post_init


def _mark_flagged() -> None:
    """Marks objects as protected or temporary before they are stored: only files know their
    flags."""
    from snakemake.io import _IOFile

    plain_store = _IOFile.store_in_storage
    if getattr(plain_store, "_hutchbatch", False):
        return

    async def store_in_storage(self: File) -> None:
        for name, flag in _FLAGS.items():
            if self.is_storage and flag in self.flags:
                setattr(self.storage_object, "hutchbatch_" + name, True)
        await plain_store(self)

    store_in_storage._hutchbatch = True  # type: ignore[attr-defined]
    _IOFile.store_in_storage = store_in_storage


def replace_plugin(ours: str) -> None:
    """Loads the image's own plugin under its name, and patches it. ``ours``: the folder on the path
    that contains the package in its place."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec(PLUGIN, [p for p in sys.path if os.path.abspath(p) != ours])
    if spec is None or spec.loader is None:
        raise ImportError(
            "this image has no snakemake-storage-plugin-s3, which Snakemake needs to reach S3: "
            "add it to the image, or write the rule with shell: so that it runs directly"
        )
    module = sys.modules[PLUGIN] = module_from_spec(spec)
    spec.loader.exec_module(module)
    patch_storage(module, in_job=True)
