"""What the container has used: peak memory and CPU from its cgroup, version 2 or 1."""

from __future__ import annotations

import os
import resource
from typing import Dict, Optional

CGROUP = "/sys/fs/cgroup"


def _text(path: str) -> Optional[str]:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return None


class Usage:
    """The figures of one container. ``root`` and ``own``: the cgroup file system and
    ``/proc/self/cgroup``, which tests replace."""

    def __init__(self, root: str = CGROUP, own: str = "/proc/self/cgroup") -> None:
        self._root = root
        self._paths: Dict[str, str] = {}
        for line in (_text(own) or "").splitlines():
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            for controller in controllers.split(","):
                self._paths[controller] = path

    def peak_memory(self) -> Optional[int]:
        """Bytes; page cache included, as the kernel counts what a limit applies to."""
        text = self._read("memory.peak", "") or self._read("memory.max_usage_in_bytes", "memory")
        if text and text.strip().isdigit():
            return int(text)
        # Kibibytes of the largest single process: less than the container's, better than nothing.
        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        return largest * 1024 if largest else None

    def used_memory(self) -> Optional[int]:
        """Bytes in use now without cached files, which the kernel drops where memory is short; None
        where there is no cgroup to ask.

        ``file`` (version 1: ``total_cache``) is the page cache, and has tmpfs in it, which cannot
        be dropped (admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of Linux's documentation).
        """
        for controller, current, cache, shared, slab in (
            ("", "memory.current", "file", "shmem", "slab_reclaimable"),
            ("memory", "memory.usage_in_bytes", "total_cache", "total_shmem", ""),
        ):
            text = self._read(current, controller)
            cached = self._value("memory.stat", controller, cache)
            if text and text.strip().isdigit() and cached is not None:
                kept = self._value("memory.stat", controller, shared) or 0
                slabs = self._value("memory.stat", controller, slab) or 0 if slab else 0
                return max(0, int(text) - max(0, cached - kept) - slabs)
        return None

    def cpu_seconds(self) -> Optional[float]:
        value = self._value("cpu.stat", "", "usage_usec")
        if value is not None:
            return value / 1e6
        text = self._read("cpuacct.usage", "cpuacct")
        if text and text.strip().isdigit():
            return int(text) / 1e9
        total = 0.0
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            used = resource.getrusage(who)
            total += used.ru_utime + used.ru_stime
        return total

    def out_of_memory_kills(self) -> int:
        """How many processes the kernel has killed for lack of memory since the container
        started."""
        value = self._value("memory.events", "", "oom_kill")
        if value is None:
            value = self._value("memory.oom_control", "memory", "oom_kill")
        return value or 0

    def _value(self, name: str, controller: str, key: str) -> Optional[int]:
        for line in (self._read(name, controller) or "").splitlines():
            word, _, number = line.partition(" ")
            if word == key and number.strip().isdigit():
                return int(number)
        return None

    def _read(self, name: str, controller: str) -> Optional[str]:
        """A file of the container's own cgroup, which a container sees as the mount's top.

        None if the process is not in a container: in the machine's root cgroup, or in one below it
        that it may share with other processes.
        """
        path = self._paths.get(controller)
        if path is None:
            return None
        base = os.path.join(self._root, controller) if controller else self._root
        if path == "/":
            # Only a version 1 root has ``release_agent``, only a version 2 root no ``cgroup.type``
            # (admin-guide/cgroup-v1/cgroups.rst and cgroup-v2.rst of Linux's documentation).
            release = os.path.exists(os.path.join(base, "release_agent"))
            if release if controller else not os.path.exists(os.path.join(base, "cgroup.type")):
                return None
        elif os.path.isdir(base + path):
            return None
        return _text(os.path.join(base, name))
