"""Puts the files of a conda environment into a folder: its parts are fetched, checked and unpacked
several at once, in processes of their own (``unpacking.py``)."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from functools import partial
from importlib.util import find_spec
from typing import List, Optional, cast

from . import checked_object, unpacking
from .conda_manifest import Manifest, Part
from .errors import Failure, LocalError, words
from .problems import ENVIRONMENTS, Cause, Facts, Problem
from .removal import remove_tree
from .s3 import S3
from .taskspec import EXIT_STAGE_IN
from .thread_pool import run_all
from .unpacking import Answer, Link

#: Parts that are fetched at once, and most processes that unpack them.
FETCHES, PROCESSES = 8, 4


def install(
    s3: S3, url: str, manifest: Manifest, folder: str, tmp: str, stop: threading.Event
) -> List[Link]:
    """Puts all files into ``folder``, which is there and empty; returns the symbolic links that are
    still to be made (``make_links``). ``url``: where the parts are; ``tmp``: the job's own folder,
    by which what it started is found when it dies (``deathwatch.py``).

    Raises ``Failure``, ``LocalError`` or ``Stopped``.
    """
    fetched = folder + ".parts"
    links: List[Link] = []
    workers: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    started = [_Worker(folder, tmp) for _ in range(_processes(len(manifest.parts)))]
    for worker in started:
        workers.put(worker)

    def fetch(part: Part) -> None:
        path = os.path.join(fetched, part.name)
        with checked_object.new_file(path) as file:
            checked_object.fetch(s3, url + part.name, part.sha256, file, stop, ENVIRONMENTS)
        worker = workers.get()
        try:
            links.extend(worker.unpack(path, url + part.name))
            os.unlink(path)
        finally:
            workers.put(worker)

    try:
        os.mkdir(fetched, 0o700)
        # The largest first: the last one to be unpacked leaves the other processors idle.
        parts = sorted(set(manifest.parts), key=lambda part: -part.unpacked)
        run_all([partial(fetch, part) for part in parts], FETCHES, stop)
    except OSError as error:
        raise LocalError(error, folder) from error
    finally:
        for worker in started:
            worker.end()
        remove_tree(fetched)
    return links


def make_links(links: List[Link], folder: str) -> None:
    """Raises ``LocalError``."""
    for name, target in links:
        try:
            os.symlink(target, os.path.join(folder, name))
        except OSError as error:
            raise LocalError(error, os.path.join(folder, name)) from error


def _processes(parts: int) -> int:
    """As many as processors: other jobs of the machine wait for what is unpacked here."""
    return max(1, min(parts, PROCESSES, len(os.sched_getaffinity(0))))


class _Worker:
    """A process that unpacks. Where none can be started, this one does it."""

    def __init__(self, folder: str, tmp: str) -> None:
        self._folder = folder
        self._process: Optional[subprocess.Popen[str]] = None
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-ISB", "-Xutf8", "-c", _source()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=folder,
                env={"TMPDIR": tmp},
                text=True,
                start_new_session=True,
            )
        except (OSError, ValueError):
            pass

    def unpack(self, path: str, url: str) -> List[Link]:
        """Raises ``Failure`` or ``LocalError``; ``url``: for messages."""
        said = self._asked(path) if self._process else unpacking.attempt(path, self._folder)
        if isinstance(said, dict):
            if said["errno"]:
                raise LocalError(OSError(said["errno"], said["words"]), self._folder)
            facts = Facts(file=url, words=words(said["words"]))
            raise Failure(EXIT_STAGE_IN, Cause.STAGE_IN, Problem.ENVIRONMENT, facts)
        return [(name, target) for name, target in said]

    def _asked(self, path: str) -> Answer:
        process = self._process
        assert process is not None and process.stdin and process.stdout  # noqa: S101  as started
        try:
            process.stdin.write(path + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            return cast(Answer, json.loads(line))
        except (OSError, ValueError):
            return {"errno": 0, "words": "the program that unpacks it died"}

    def end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.communicate()


def _source() -> str:
    """The program's text, from the bundle, or from the disk."""
    loader = __spec__.loader if __spec__ else None
    name = unpacking.__name__
    if not hasattr(loader, "data"):
        spec = find_spec(name)
        loader = spec.loader if spec else None
    return str(loader.get_source(name))  # type: ignore[union-attr]
