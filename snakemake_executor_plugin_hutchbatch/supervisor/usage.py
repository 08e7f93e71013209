"""What the container used: peak memory and CPU from its cgroup, version 2 or 1."""

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
    """The figures of one container. ``root`` and ``own`` stand for the cgroup file system and
    ``/proc/self/cgroup`` in tests."""

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
        """How many processes the kernel has killed for memory since the container began."""
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
        """A file of the container's cgroup, which a private cgroup namespace shows as the root. On
        the root of the whole machine the figures would be the machine's: not read."""
        path = self._paths.get(controller)
        if path is None:
            return None
        base = os.path.join(self._root, controller) if controller else self._root
        # With the host's namespace visible, the container's own files still lie at the mount's top.
        for folder in (base + path.rstrip("/"), base):
            text = _text(os.path.join(folder, name))
            if text is not None:
                return text
        return None
