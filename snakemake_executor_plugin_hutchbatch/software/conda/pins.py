"""Pin files: ``@EXPLICIT`` lists of packages' URLs, as ``snakedeploy pin-conda-envs`` writes them.

https://docs.conda.io/projects/conda/en/stable/user-guide/tasks/manage-environments.html#building-identical-conda-environments
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from . import lock as locks
from .description import Pin
from .lock import Lock, LockedPackage

_HASH = re.compile(r"(?:md5:)?(?P<md5>[0-9a-f]{32})|(?:sha256:)?(?P<sha256>[0-9a-f]{64})")
_PLATFORM = re.compile(r"#\s*platform:\s*(\S+)")


class PinError(ValueError):
    """The file cannot be used; the message says why, without a full stop."""


def parse(text: str) -> tuple[Pin, ...]:
    """The packages of a pin file, with URLs as they stand there, which may hold tokens.

    Raises ``PinError`` for a file without ``@EXPLICIT``, of another platform, with lines that are
    no URLs of packages, or with a package twice.
    """
    found: list[Pin] = []
    explicit = False
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        platform = _PLATFORM.fullmatch(stripped)
        if platform and platform[1] != locks.PLATFORM:
            raise PinError(f"it is for {platform[1]}, jobs run on {locks.PLATFORM}")
        if stripped == "@EXPLICIT":
            explicit = True
        elif stripped and not stripped.startswith("#"):
            found.append(_pin(stripped, number))
    if not explicit:
        raise PinError("it has no line @EXPLICIT, so it is no list of packages' URLs")
    names: set[str] = set()
    for pin in found:
        name = parts(pin.url)[0]
        if name in names:
            raise PinError(f"it names {name} twice")
        names.add(name)
    return tuple(found)


def _pin(line: str, number: int) -> Pin:
    url, _, tail = line.partition("#")
    found = _HASH.fullmatch(tail.strip().lower()) if tail else None
    if tail and not found:
        raise PinError(f"line {number}: what follows # is neither an MD5 nor a SHA-256")
    url = url.strip()
    if not url.startswith(("https://", "http://")):
        raise PinError(f"line {number}: it is no http(s) address of a package")
    subdir = url.rsplit("/", 2)[1]
    try:
        parts(url)
        if subdir not in locks.SUBDIRS:
            raise ValueError(f"it is a package for {subdir}, jobs run on {locks.PLATFORM}")
    except ValueError as error:
        raise PinError(f"line {number}: {error}") from error
    return Pin(url, found and found["sha256"], found and found["md5"])


def parts(url: str) -> tuple[str, str, str]:
    """Name, version and build of a package by its address. Raises ``ValueError`` if the address
    does not end with them."""
    filename = unquote(url.rsplit("/", 1)[-1])
    for suffix in locks.SUFFIXES:
        stem = filename.removesuffix(suffix)
        pieces = stem.rsplit("-", 2)
        if stem != filename and len(pieces) == 3 and all(pieces):
            return pieces[0], pieces[1], pieces[2]
    raise ValueError("it does not end with the name, version and build of a package")


def locked(pin: Pin, sha256: str | None, md5: str | None, size: int | None) -> LockedPackage:
    """A pin with what its channel says of the package.

    Raises ``PinError`` if pin and channel differ, ``LockError`` if it is no package, or without
    any hash.
    """
    name, version, build = parts(pin.url)
    for mine, theirs in ((pin.sha256, sha256), (pin.md5, md5)):
        if mine and theirs and mine != theirs:
            raise PinError(f"{pin.url} has another content than its pin says")
    package = LockedPackage(
        pin.url, name, version, build, pin.sha256 or sha256, pin.md5 or md5, size
    )
    locks.check_package(package)
    return package


def explicit(lock: Lock) -> str:
    """A lock as a pin file that conda and Snakemake read. Pure."""
    lines = [
        f"# {lock.name}: packages as hutchbatch has locked them",
        f"# platform: {lock.platform}",
        "@EXPLICIT",
        *(f"{p.url}#{p.md5 or 'sha256:' + (p.sha256 or '')}" for p in lock.packages),
    ]
    return "\n".join(lines)
