"""Finds and kills a container's processes. Part of ``container.py``; stdlib only."""

# pathlib is left out: importing it would cost as much time as all the rest.
# ruff: noqa: PTH123, PTH208
from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable


def descendants(top: int, marks: list[bytes]) -> list[int]:
    """Processes below ``top``, and any whose environment contains all ``marks``."""
    parent: dict[int, int] = {}
    marked = set()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != top:
            with contextlib.suppress(OSError, IndexError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
                if fields[0] == b"Z" and int(fields[1]) != top:
                    continue
                parent[int(name)] = int(fields[1])
                with open(f"/proc/{name}/environ", "rb") as file:
                    variables = file.read().split(b"\0")
                if marks and all(mark in variables for mark in marks):
                    marked.add(int(name))
    found = set(marked)
    while True:
        more = {pid for pid, above in parent.items() if above in found or above == top} - found
        if not more:
            return sorted(found)
        found |= more


def kill_those(pids: list[int], still: Callable[[], list[int]]) -> None:
    """Kills these processes, and no others that have been given their ids since: opens them, checks
    that they are still the same (``still``), then kills them."""
    held: dict[int, int | None] = {}
    for pid in pids:
        try:
            held[pid] = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        except (OSError, AttributeError):  # before Linux 5.3, or in a sandbox
            held[pid] = None
    there = still() if held else []
    for pid, handle in held.items():
        with contextlib.suppress(OSError):
            if pid in there and handle is not None:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            elif pid in there:
                os.kill(pid, signal.SIGKILL)
        if handle is not None:
            os.close(handle)
