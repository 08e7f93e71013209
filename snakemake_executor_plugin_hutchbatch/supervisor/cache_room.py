"""Space for a job's own files, where a host's cache holds what nobody uses."""

from __future__ import annotations

import os
import threading

from .cache_folder import Unshared, folder_of


def make_room(scratch: str, needed: int, stop: threading.Event) -> None:
    """Removes what no job uses from this user's cache until so many bytes are free; as far as that
    goes."""
    folder = folder_of(scratch)
    if not os.path.isdir(folder):
        return
    from .host_cache import HostCache

    try:
        HostCache(folder, stop).make_room(needed)
    except (OSError, Unshared):
        pass  # the job goes on with the space that there is
