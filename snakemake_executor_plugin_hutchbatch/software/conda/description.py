"""What a user's files and configuration say about an environment, before it is solved.

It is what travels to the job that solves where the controller cannot, and its digest names the lock
that was made of it. No secrets are in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Optional
from urllib.parse import urlsplit

from ...supervisor import strict_json, typed_json
from . import lock as locks

VERSION = 1
MOST_BYTES = 8_000_000
MOST_CHANNELS = 200
MOST_SPECS = 2_000
LONGEST_SPEC = 4_096
_CHANNEL = re.compile(r"https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%+=@:-]+)*")
_VIRTUAL = re.compile(r"(__[a-z0-9]+)=([A-Za-z0-9_.]+)=([A-Za-z0-9_.]+)")


class DescriptionError(ValueError):
    """It cannot be used; the message says why, without a full stop."""


@dataclass(frozen=True)
class Pin:
    """A package that a pin file names. Most of them have no hash."""

    url: str
    # Optional: read by ``typed_json``, which does not know `| None`.
    sha256: Optional[str] = None  # noqa: UP045
    md5: Optional[str] = None  # noqa: UP045


@dataclass(frozen=True)
class Description:
    """An environment as its files have it.

    ``name``: what the user calls it, for messages. With ``pins`` nothing is solved; else
    ``specs`` (conda's match specs; a channel in them is a URL) are, with ``channels`` (URLs
    without a slash at their end) in their order. ``strict``: a package comes only from the
    first channel that has it; ``python_has_pip``: Python brings pip, as with conda. ``virtual``:
    ``name=version=build`` (``virtual``). ``pip``, ``post_deploy``, ``variables``: as in a lock.
    """

    name: str
    channels: tuple[str, ...] = ()
    specs: tuple[str, ...] = ()
    pins: tuple[Pin, ...] | None = None
    strict: bool = True
    python_has_pip: bool = True
    virtual: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    post_deploy: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    platform: str = locks.PLATFORM

    @property
    def digest(self) -> str:
        """Names its lock: equal contents have equal digests, whatever they are called. 64
        hexadecimal digits."""
        content = {name: value for name, value in _raw(self).items() if name != "name"}
        return hashlib.sha256(_canonical(content)).hexdigest()

    @property
    def urls(self) -> tuple[str, ...]:
        """What is asked for to get it (``Access.for_urls``)."""
        channels = (f"{channel}/" for channel in self.channels)
        return (*channels, *(pin.url for pin in self.pins or ()))


def dumps(description: Description) -> bytes:
    """Canonical JSON."""
    return _canonical(_raw(description))


def _raw(description: Description) -> dict[str, object]:
    return {"version": VERSION, **asdict(description)}


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def loads(content: bytes) -> Description:
    """Raises ``DescriptionError`` for whatever ``dumps`` does not write."""
    if len(content) > MOST_BYTES:
        raise DescriptionError(f"more than {MOST_BYTES:,} bytes")
    try:
        raw = strict_json.loads(content)
        if not isinstance(raw, dict) or raw.get("version") != VERSION:
            raise DescriptionError(f"not an object of version {VERSION}")
        unknown = raw.keys() - {"version"} - {each.name for each in fields(Description)}
        if unknown:
            raise DescriptionError(f"unknown field {min(unknown)!r}")
        found = _loaded(raw)
        check(found)
    except (strict_json.StrictJsonError, typed_json.TaskSpecError, locks.LockError) as error:
        raise DescriptionError(str(error)) from error
    return found


def _loaded(raw: Mapping[str, object]) -> Description:
    name, platform, post_deploy = raw.get("name"), raw.get("platform"), raw.get("post_deploy")
    strict, python_has_pip = raw.get("strict"), raw.get("python_has_pip")
    if not isinstance(name, str) or not isinstance(platform, str):
        raise DescriptionError("name and platform must be strings")
    if not isinstance(strict, bool) or not isinstance(python_has_pip, bool):
        raise DescriptionError("strict and python_has_pip must be true or false")
    if post_deploy is not None and not isinstance(post_deploy, str):
        raise DescriptionError("post_deploy: not a string")
    pins = None
    if raw.get("pins") is not None:
        pins = tuple(typed_json.make(Pin, pin, "pins") for pin in typed_json.list_of(raw, "pins"))

    def texts(field_name: str) -> tuple[str, ...]:
        return typed_json.texts_of(raw, field_name, "description")

    return Description(
        name=name,
        channels=texts("channels"),
        specs=texts("specs"),
        pins=pins,
        strict=strict,
        python_has_pip=python_has_pip,
        virtual=texts("virtual"),
        pip=texts("pip"),
        post_deploy=post_deploy,
        variables=locks.variables_of(raw),
        platform=platform,
    )


def check(description: Description) -> None:
    """Raises ``DescriptionError`` or ``LockError`` for one that no files can have."""
    if description.platform != locks.PLATFORM:
        raise DescriptionError(f"not for {locks.PLATFORM}")
    if len(description.channels) > MOST_CHANNELS:
        raise DescriptionError(f"more than {MOST_CHANNELS} channels")
    for channel in description.channels:
        check_channel(channel)
    if len(description.specs) > MOST_SPECS or any(
        len(spec) > LONGEST_SPEC or not spec.isprintable() for spec in description.specs
    ):
        raise DescriptionError("its dependencies are too many, too long, or not printable")
    if len(description.pins or ()) > locks.MOST_PACKAGES:
        raise DescriptionError(f"more than {locks.MOST_PACKAGES:,} packages")
    for pin in description.pins or ():
        locks.check_url(pin.url)
    if not all(_VIRTUAL.fullmatch(package) for package in description.virtual):
        raise DescriptionError("a virtual package is not name=version=build")
    locks.check_extras(description.pip, description.post_deploy, description.variables)


def check_channel(url: str) -> None:
    """Raises ``DescriptionError`` unless it is a web address without secrets."""
    if not _CHANNEL.fullmatch(url) or "/t/" in urlsplit(url).path:
        raise DescriptionError("a channel is not a plain http(s) address")


def package_of(spec: str) -> str:
    """The package that a match spec asks for. Pure."""
    return re.split(r"[\s=<>!~\[]", spec.rpartition("::")[2].strip(), maxsplit=1)[0].lower()
