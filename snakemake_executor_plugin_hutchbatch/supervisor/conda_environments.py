"""The conda environments of a task: unpacked once a host, and held as long as the job runs.

An environment's files hold the path that it has for root where the host's cache is mounted
(``conda_manifest.prefix_of``): there it is unpacked as it is. Other users, and jobs without that
mount, have copies whose files hold another path (``conda_relocation``), which must not be longer.
What cannot be shared with other jobs is in the job's own folder.
"""

from __future__ import annotations

import hashlib
import os
import threading
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional

from . import cache_folder, checked_object, conda_manifest, conda_unpack, glibc
from .activation import Activated, Ready, activated
from .cache_folder import Unshared
from .cache_seal import CONTENT
from .conda_manifest import Manifest
from .conda_relocation import led, relocate
from .errors import Failure, LocalError, say, words
from .host_cache import Another, Entry, HostCache
from .pinned import changed
from .problems import ENVIRONMENTS, Cause, Facts, Problem
from .s3 import S3
from .scratch import Scratch
from .short_path import ShortPath
from .taskspec import EXIT_NO_GLIBC, EXIT_STAGE_IN, CondaEnvironment, Step, TaskSpec
from .typed_json import TaskSpecError

#: Beside an environment's content, its manifest.
MANIFEST = "manifest.json"
#: Hexadecimal digits that name a copy with another path: with a user's number and ``/tmp`` in front
#: it is still short enough, and one that is mistaken for another is found out (``HostCache``).
DIGITS = 16


class Environments:
    """Those of a task, by their keys, once ``get_ready`` is done; until ``release``."""

    def __init__(self, mount: str = cache_folder.MOUNT) -> None:
        self.ready: Dict[str, Ready] = {}
        self._mount = mount
        self._entries: List[Entry] = []
        self._paths: List[ShortPath] = []

    def get_ready(self, s3: S3, task: TaskSpec, scratch: Scratch, stop: threading.Event) -> None:
        """Raises ``Failure`` or ``Stopped``."""
        for wanted in task.environments:
            if wanted.key in self.ready:
                continue
            try:
                found = self._one(_Wanted(s3, wanted, task, scratch, stop))
                self.ready[wanted.key] = found
                if glibc.is_missing(found.prefix):
                    facts = Facts(file=wanted.name)
                    raise Failure(EXIT_NO_GLIBC, Cause.IMAGE, Problem.NO_GLIBC, facts)
            except (OSError, LocalError) as error:
                local = error if isinstance(error, LocalError) else LocalError(error, task.scratch)
                facts = Facts(activity=ENVIRONMENTS, needed=wanted.size, disk_mb=task.disk_mb)
                raise local.failure(EXIT_STAGE_IN, Cause.STAGE_IN, facts) from error

    def activated(
        self, step: Step, command: str, shell: str, environ: Mapping[str, str]
    ) -> Activated:
        """A step's command in its environment; as it is, where it has none."""
        if step.conda is None:
            return Activated(command, environ, environ)
        ready = self.ready[step.conda]
        return activated(command, shell, environ, ready.prefix, ready.variables)

    def name_of(self, step: Step) -> Optional[str]:
        """What the user calls a step's environment."""
        return self.ready[step.conda].name if step.conda else None

    @property
    def descriptors(self) -> List[int]:
        """Of the locks, which a command may hold, too."""
        return [entry.descriptor for entry in self._entries if entry.descriptor >= 0]

    def release(self) -> None:
        """The commands have ended."""
        for entry in self._entries:
            entry.release()
        for path in self._paths:
            path.remove()
        self._entries, self._paths = [], []

    def _one(self, wanted: _Wanted) -> Ready:
        shared = self._shared(wanted)
        if shared is None:
            prefix = self._own(wanted)
            place = os.path.join(wanted.own, CONTENT)
        else:
            self._entries.append(shared)
            prefix = place = shared.path
        manifest = _kept(os.path.join(os.path.dirname(place), MANIFEST), wanted)
        variables = {
            name: value.replace(manifest.prefix, prefix)
            for name, value in manifest.variables.items()
        }
        return Ready(wanted.environment.name, prefix, variables)

    def _shared(self, wanted: _Wanted) -> Optional[Entry]:
        """The copy that all jobs of this user on this host share; None where that cannot be."""
        environment, scratch = wanted.environment, wanted.task.scratch
        exact = conda_manifest.prefix_of(environment.key)
        mounted = cache_folder.mounted(scratch, self._mount)
        folder = mounted or cache_folder.folder_of(scratch)
        name = f"the conda environment {environment.name}"
        cache = HostCache(folder, wanted.stop)

        def entry(key: str) -> Entry:
            path = os.path.join(folder, key, CONTENT)
            return cache.entry(key, wanted.maker(path), environment.size, name, environment.sha256)

        try:
            if os.path.join(folder, environment.key, CONTENT) == exact:
                try:
                    return entry(environment.key)
                except Another as why:
                    say(f"{name} gets a path of its own: {why}.")
            key = _key_of_copy(environment, folder)
            if _length(os.path.join(folder, key, CONTENT)) > len(exact):
                raise Unshared(f"the path {folder} is too long for it")
            return entry(key)
        except Unshared as why:
            say(f"{name} is unpacked for this job alone: {why}.")
            return None

    def _own(self, wanted: _Wanted) -> str:
        """Unpacks a copy for this job alone; its path as its files know it."""
        place = os.path.join(wanted.own, CONTENT)
        longest = len(conda_manifest.prefix_of(wanted.environment.key))
        os.makedirs(place, 0o700)
        path = ShortPath(place, longest, wanted.task.scratch)
        self._paths.append(path)
        if _length(path.path) > longest:
            raise _unusable(
                wanted.environment.name, "nothing can be written at a path short enough"
            )
        wanted.maker(path.path)(place)
        return path.path


class _Wanted(NamedTuple):
    """One environment, and what it takes to get it ready."""

    s3: S3
    environment: CondaEnvironment
    task: TaskSpec
    scratch: Scratch
    stop: threading.Event

    @property
    def own(self) -> str:
        """Where this job's own copy is."""
        return os.path.join(self.scratch.path, "environments", self.environment.key)

    def maker(self, prefix: str) -> Callable[[str], None]:
        """Puts the environment into a folder, with files that hold ``prefix``."""

        def make(folder: str) -> None:
            path = os.path.join(os.path.dirname(folder), MANIFEST)
            url, sha256 = self.environment.manifest, self.environment.sha256
            with checked_object.new_file(path) as file:
                checked_object.fetch(self.s3, url, sha256, file, self.stop, ENVIRONMENTS)
            manifest = _kept(path, self)
            parts = url.rpartition("/")[0] + "/"
            links = conda_unpack.install(
                self.s3, parts, manifest, folder, self.scratch.tmp, self.stop
            )
            if manifest.prefix != prefix:
                relocate(folder, manifest.prefixed, manifest.prefix, prefix)
                links = led(links, manifest.prefix, prefix)
            conda_unpack.make_links(links, folder)

        return make


def _length(path: str) -> int:
    return len(os.fsencode(path))


def _key_of_copy(environment: CondaEnvironment, folder: str) -> str:
    """Names a copy in ``folder``: its files hold that path."""
    text = f"{environment.sha256}\0{folder}"
    return "r" + hashlib.sha256(os.fsencode(text)).hexdigest()[:DIGITS]


def _kept(path: str, wanted: _Wanted) -> Manifest:
    """The manifest on the disk. Raises ``Failure`` and ``OSError``."""
    with open(path, "rb") as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != wanted.environment.sha256:
        raise changed(ENVIRONMENTS, wanted.environment.manifest)
    try:
        return conda_manifest.loads(data)
    except TaskSpecError as error:
        raise _unusable(wanted.environment.name, f"its manifest: {error}") from error


def _unusable(name: str, why: str) -> Failure:
    facts = Facts(file=name, words=words(why))
    return Failure(EXIT_STAGE_IN, Cause.STAGE_IN, Problem.ENVIRONMENT, facts)
