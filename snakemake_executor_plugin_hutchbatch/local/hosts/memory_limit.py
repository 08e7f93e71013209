"""A cgroup that limits a container's memory. Part of ``container.py``; stdlib only."""

# pathlib is left out: importing it would cost as much time as all the rest.
# ruff: noqa: PTH102, PTH106, PTH110, PTH118, PTH120
from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from .system import read, write


class MemoryLimit:
    """A new cgroup below the current one, if the system permits it.

    Version 1: https://docs.kernel.org/admin-guide/cgroup-v1/memory.html; version 2:
    https://docs.kernel.org/admin-guide/cgroup-v2.html (a group that contains processes cannot give
    its children a memory controller, so the new one is created beside it).
    """

    def __init__(self, name: str, limit: int | None) -> None:
        self.directory: str | None = None
        self.counter = ""
        if limit is None:
            return
        with contextlib.suppress(OSError, ValueError):
            for parent, file, counter in self.places():
                directory = os.path.join(parent, f"hutchbatch-{name}")
                try:
                    os.mkdir(directory)
                    write(os.path.join(directory, file), str(limit))
                except OSError:
                    with contextlib.suppress(OSError):
                        os.rmdir(directory)
                    continue
                self.directory, self.counter = directory, counter
                with contextlib.suppress(OSError):  # no swap instead; the file needs a swap device
                    write(os.path.join(directory, "memory.memsw.limit_in_bytes"), str(limit))
                with contextlib.suppress(OSError):
                    write(os.path.join(directory, "memory.swap.max"), "0")
                return

    @staticmethod
    def places() -> Iterator[tuple[str, str, str]]:
        """Where a group can be created: its parent, the file for the limit, the counter."""
        own_groups: dict[str, str] = {}
        for line in read("/proc/self/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            own_groups.update(dict.fromkeys(controllers.split(","), path))
        for line in read("/proc/self/mountinfo").splitlines():
            fields, _, rest = line.partition(" - ")
            kind, _, options = rest.split(" ", 2)
            top = fields.split(" ")[4]
            if kind == "cgroup" and "memory" in options.split(","):
                for path in (own_groups.get("memory", "/"), "/"):
                    yield top + path.rstrip("/"), "memory.limit_in_bytes", "memory.oom_control"
            elif kind == "cgroup2":
                own = own_groups.get("", "/")
                for path in (own, os.path.dirname(own)):
                    directory = top + path.rstrip("/")
                    control = os.path.join(directory, "cgroup.subtree_control")
                    if os.path.exists(control) and "memory" in read(control).split():
                        yield directory, "memory.max", "memory.events"

    def take(self, pid: int) -> None:
        if self.directory is not None:
            with contextlib.suppress(OSError):
                write(os.path.join(self.directory, "cgroup.procs"), str(pid))

    def exceeded(self) -> bool:
        if self.directory is not None:
            with contextlib.suppress(OSError):
                for line in read(os.path.join(self.directory, self.counter)).splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1]) > 0
        return False

    def close(self) -> None:
        for _ in range(100):  # the kernel may need a moment after the last process
            try:
                if self.directory is not None:
                    os.rmdir(self.directory)
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.01)
