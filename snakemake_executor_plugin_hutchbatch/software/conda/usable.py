"""Whether a lock that others have stored is one of a description. Pure."""

from __future__ import annotations

from dataclasses import replace

from . import lock as locks
from .description import Description
from .lock import Lock


def usable(content: bytes, description: Description) -> Lock | None:
    """The lock, under the description's name, if it is one of this description."""
    try:
        lock = locks.loads(content)
    except locks.LockError:
        return None
    fixed = (description.pip, description.post_deploy, dict(description.variables))
    if (lock.pip, lock.post_deploy, dict(lock.variables)) != fixed:
        return None
    if description.pins is not None:
        named = {package.url: package for package in lock.packages}
        if named.keys() != {pin.url for pin in description.pins}:
            return None
        for pin in description.pins:
            package = named[pin.url]
            if pin.sha256 not in {None, package.sha256} or pin.md5 not in {None, package.md5}:
                return None
    return replace(lock, name=description.name)
