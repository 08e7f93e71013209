"""What this machine can offer to jobs."""

from __future__ import annotations

import os
from pathlib import Path

MIB = 1024 * 1024
#: Files with a container's own limit, cgroup version 2 and 1 (bytes, or "max").
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine() -> tuple[int, int]:
    """Usable processors, and memory in MiB."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in map(Path, LIMITS):
        if file.is_file() and (text := file.read_text().strip()).isdigit():
            memory = min(memory, int(text))
    return len(os.sched_getaffinity(0)), memory // MIB
