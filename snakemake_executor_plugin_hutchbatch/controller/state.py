"""The state of a detached run in S3: what its next controller continues with.

It is made of objects that are written once, and of a manifest that names them and is written last:
on condition that it is still the one that this controller wrote before. So a save that is cut
anywhere leaves the state before it, and a controller that another one has replaced saves nothing:
the new one writes the manifest in its own name before it reads what it names.
"""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import errors
from ..storage import small_objects
from ..storage.run_layout import DetachedLayout
from ..storage.urls import split_url
from . import saved_files, state_layers, state_manifest
from .saved_files import Changes, Stamp
from .state_manifest import Layer, Manifest, Whole
from .state_restore import StateError, read, restore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

#: Layers above which the next save writes one of all files instead: what a new start must fetch.
MOST_LAYERS = 30
#: Seconds by which the time of a save is put earlier, since S3's times are whole seconds.
_SLACK = 2.0
#: How often another controller may come in between, and parts may go while they are read.
_TRIES = 5


class Replaced(Exception):
    """Another controller has taken this run over."""


class State:
    """The state as one controller sees it. ``folder``: Snakemake's own, which only ``begin`` must
    find without state. Used by one thread at a time."""

    def __init__(
        self,
        s3: S3Client,
        layout: DetachedLayout,
        detached_id: str,
        folder: Path,
        fence: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._s3, self._layout, self._id = s3, layout, detached_id
        self._folder, self._fence, self._monotonic = folder, fence, monotonic
        self._manifest = Manifest(detached_id, fence, 0, 0.0, 0.0)
        self._etag: str | None = None
        self._ahead = 0.0  # S3's time less ours
        self._stamps: dict[str, Stamp] = {}
        self._doubtful: set[str] = set()  # files of saves whose end is not known
        self._seen: dict[str, tuple[int, int]] = {}  # of wholes: time and size

    def begin(self) -> float:
        """Takes the state over and restores it. Returns when its first controller began, in seconds
        since 1970 by S3's clock.

        Raises ``StateError``, ``OSError``, and botocore's errors.
        """
        self._claim()
        restore(self._s3, self._layout, self._manifest, self._folder)
        saved_files.moved(self._folder)
        restored = saved_files.changes(self._folder, {})
        self._stamps = {n: replace(s, fresh=False) for n, s in restored.stamps.items()}
        self._sweep()
        return self._manifest.begun

    def seed(self) -> None:
        """Saves the folder as it is, as that with which the run begins: before its first
        controller. Raises as ``begin`` and ``save`` do."""
        self._claim()
        self.save(last=True)

    def _claim(self) -> None:
        """Makes the manifest this controller's."""
        for _ in range(_TRIES):
            if self._claimed():
                return
        raise StateError("Other controllers write the state of this run at the same time.")

    def _claimed(self) -> bool:
        """False if somebody else wrote it meanwhile."""
        held = read(self._s3, self._layout, self._id)
        if held is None:
            self._etag = None
            wanted = self._manifest
        else:
            self._etag = held.etag
            number, begun = held.manifest.number + 1, held.manifest.begun or held.now
            wanted = replace(held.manifest, fence=self._fence, number=number, begun=begun)
            self._manifest = held.manifest
            self._ahead = held.now - self._monotonic()
        try:
            self._write(wanted)
        except (Replaced, ClientError, BotoCoreError) as error:
            if isinstance(error, Replaced) or errors.status(error) in (404, 409, 412):
                return False
            raise
        if held is None:
            # By S3's clock, which its answer has told.
            self._write(replace(self._manifest, number=1, begun=self._now()))
        return True

    def save(self, last: bool = False) -> bool:
        """Saves what has changed; False if nothing has, which costs no call. ``last``: large logs,
        too. After any error, the next call tries again.

        Raises ``Replaced``, ``OSError``, and botocore's errors.
        """
        now = self._now()
        number = self._manifest.number + 1
        changes = saved_files.changes(self._folder, self._stamps)
        changes.removed |= self._doubtful - set(changes.stamps) - changes.torn
        layers = self._manifest.layers
        if changes:
            changes, base = self._compacted(changes)
            self._doubtful |= set(changes.files)
            content = state_layers.pack(changes.files, changes.removed)
            name, sha256 = self._put(content, number, "layer.gz")
            layers = (*(() if base else layers), Layer(name, sha256, len(content)))
        seen, wholes = self._wholes(number, last)
        if layers == self._manifest.layers and wholes == self._manifest.wholes:
            self._stamps, self._seen = changes.stamps, seen
            return False
        before = self._manifest.names
        begun = self._manifest.begun
        self._write(Manifest(self._id, self._fence, number, begun, now, layers, wholes))
        self._stamps, self._seen = changes.stamps, seen
        self._doubtful.clear()
        self._delete(before - self._manifest.names)
        return True

    def _compacted(self, changes: Changes) -> tuple[Changes, bool]:
        """All files, if it is time for that and none is being written; and whether they are."""
        if len(self._manifest.layers) >= MOST_LAYERS:
            everything = saved_files.changes(self._folder, {})
            if not everything.torn:
                return everything, True
        return changes, False

    def _wholes(
        self, number: int, last: bool
    ) -> tuple[dict[str, tuple[int, int]], tuple[Whole, ...]]:
        """Databases and logs as they are now; what cannot be read now stays as it was."""
        known = {whole.path: whole for whole in self._manifest.wholes}
        seen: dict[str, tuple[int, int]] = {}
        found: list[Whole] = []
        for path in (*saved_files.DATABASES, *saved_files.logs(self._folder)):
            before = known.get(path)
            try:
                state = (self._folder / path).stat()
            except OSError:
                continue
            stamp = (state.st_mtime_ns, state.st_size)
            is_late = path not in saved_files.DATABASES and stamp[1] > saved_files.LARGE_LOG
            content = None
            if self._seen.get(path) != stamp and (last or not is_late):
                content = saved_files.whole(self._folder, path)
            if content is None:
                found += [before] if before else []
                seen |= {path: self._seen[path]} if path in self._seen else {}
                continue
            if state.st_mtime_ns < time.time_ns() - saved_files.FRESH:
                seen[path] = stamp
            digest = hashlib.sha256(content).hexdigest()
            if before and before.content == digest:
                found.append(before)
                continue
            packed = gzip.compress(content, 1, mtime=0)
            name, sha256 = self._put(packed, number, "gz")
            found.append(Whole(path, name, sha256, len(content), digest, state.st_mtime_ns))
        return seen, tuple(found)

    # Calls

    def _now(self) -> float:
        """S3's time, or before."""
        return max(0.0, self._monotonic() + self._ahead - _SLACK)

    def _put(self, content: bytes, number: int, kind: str) -> tuple[str, str]:
        """Stores a part. Its name says what is in it: the same after a try without an answer, and
        another with other content."""
        sha256 = hashlib.sha256(content).hexdigest()
        name = f"{self._fence}-{number}-{sha256[:16]}.{kind}"
        bucket, key = split_url(self._layout.part(name))
        self._s3.put_object(Bucket=bucket, Key=key, Body=content)
        return name, sha256

    def _write(self, wanted: Manifest) -> None:
        """Replaces the manifest by ``wanted``, if it still is this controller's."""
        bucket, key = split_url(self._layout.manifest)
        body = state_manifest.dumps(wanted)
        request: PutObjectRequestTypeDef = {"Bucket": bucket, "Key": key, "Body": body}
        if self._etag is None:
            request["IfNoneMatch"] = "*"
        else:
            request["IfMatch"] = self._etag
        try:
            answer = self._s3.put_object(**request)
            self._etag = answer["ETag"]
            self._ahead = small_objects.now(answer, time.time()) - self._monotonic()  # type: ignore[arg-type]
        except (ClientError, BotoCoreError):
            held = read(self._s3, self._layout, self._id)
            if held is None or held.manifest != wanted:
                if held is not None and held.manifest.fence == self._fence:
                    # Unchanged; or one of ours that came late, whose parts are all there.
                    self._manifest, self._etag = held.manifest, held.etag
                elif held is not None:
                    raise Replaced from None
                raise
            self._etag, self._ahead = held.etag, held.now - self._monotonic()
        self._manifest = wanted

    def _sweep(self) -> None:
        """Removes what saves of earlier controllers left that were cut. Not what later ones may
        have written."""
        bucket, prefix = split_url(self._layout.state)
        with suppress(ClientError, BotoCoreError):
            page = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
            names = (item["Key"].removeprefix(prefix) for item in page.get("Contents", []))
            earlier = {n for n in names if n.partition("-")[0].isdecimal()}
            earlier = {n for n in earlier if int(n.partition("-")[0]) < self._fence}
            self._delete(earlier - self._manifest.names)

    def _delete(self, names: Iterable[str]) -> None:
        for name in sorted(names):
            bucket, key = split_url(self._layout.part(name))
            with suppress(ClientError, BotoCoreError):
                self._s3.delete_object(Bucket=bucket, Key=key)
