"""A lock: exactly which packages, and what else, make up a conda environment.

Locks lie in S3 (``WorkLayout.conda_lock``), where others may have written them: everything is
checked when they are read. A lock holds no secrets: URLs are those that everybody may see, tokens
and passwords are added where packages are downloaded (``logins``).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Optional
from urllib.parse import unquote, urlsplit

from ...supervisor import strict_json, typed_json

VERSION = 1
PLATFORM = "linux-64"
#: Of the way that environments are built. Raised when equal locks must be built again.
BUILDER = 1
#: Of a lock's JSON. 1,000 packages have about 400 kB.
MOST_BYTES = 8_000_000
#: The largest environments of public workflows have about 500 packages.
MOST_PACKAGES = 5_000
#: Bytes of one package. The largest ones of conda-forge (CUDA, PyTorch) have about 2 GB.
MOST_PACKAGE_BYTES = 20_000_000_000
#: Of the ``pip:`` section, and the characters of one of its lines.
MOST_PIP_LINES, LONGEST_PIP_LINE = 1_000, 4_096
#: Characters of a post-deploy script.
LONGEST_SCRIPT = 1_000_000
#: Of the ``variables:`` section, and the characters of a value.
MOST_VARIABLES, LONGEST_VARIABLE = 1_000, 32_768
_LONGEST_URL = 2_000
_LONGEST_NAME = 1_000
#: What conda allows in names of packages, versions and builds (CEP 26):
#: https://conda.org/learn/ceps/cep-0026/
_PACKAGE_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,127}")
_PACKAGE_VERSION = re.compile(r"[A-Za-z0-9_.!+~]{1,128}")
_PACKAGE_BUILD = re.compile(r"[A-Za-z0-9_.+~]{1,128}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")
#: No user, query, fragment or control character.
_URL = re.compile(r"https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%!+=,@:-]+)+")
_TOKEN = re.compile(r"/t/[^/]*/")
SUFFIXES = (".conda", ".tar.bz2")
SUBDIRS = (PLATFORM, "noarch")


class LockError(ValueError):
    """The lock cannot be used; the message says why, without a full stop."""


@dataclass(frozen=True)
class LockedPackage:
    """A package by its content. ``size``: bytes of the archive, if known. At least one of
    ``sha256`` and ``md5`` is known: pin files and old channels have only MD5."""

    url: str
    name: str
    version: str
    build: str
    # Optional: read by ``typed_json``, which does not know `| None`.
    sha256: Optional[str] = None  # noqa: UP045
    md5: Optional[str] = None  # noqa: UP045
    size: Optional[int] = None  # noqa: UP045

    @property
    def filename(self) -> str:
        """As the channel calls it: ``name-version-build.conda``."""
        return unquote(self.url.rsplit("/", 1)[1])

    @property
    def subdir(self) -> str:
        """``linux-64`` or ``noarch``."""
        return self.url.rsplit("/", 2)[1]

    @property
    def channel(self) -> str:
        """The channel's URL, which ends with a slash."""
        return self.url.rsplit("/", 2)[0] + "/"

    @property
    def content(self) -> str:
        """Stands for its content: ``sha256:…``, else ``md5:…``."""
        return f"sha256:{self.sha256}" if self.sha256 else f"md5:{self.md5}"


@dataclass(frozen=True)
class Lock:
    """What an environment consists of.

    ``name``: what the user calls it, for messages. ``packages``: by name. ``pip``: the lines of
    the env file's ``pip:`` section, installed after the packages. ``post_deploy``: the text of
    the script that runs last. ``variables``: of the env file's ``variables:`` section, set when the
    environment is activated.
    """

    name: str
    packages: tuple[LockedPackage, ...]
    pip: tuple[str, ...] = ()
    post_deploy: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    platform: str = PLATFORM

    @property
    def key(self) -> str:
        """Names the environment built of it: equal content gives equal keys, whatever its name.
        32 hexadecimal digits."""
        content = {
            "builder": BUILDER,
            "packages": sorted([p.url, p.content] for p in self.packages),
            "pip": self.pip,
            "post_deploy": self.post_deploy,
            "variables": dict(self.variables),
        }
        return hashlib.sha256(_canonical(content)).hexdigest()[:32]


def made(
    name: str,
    packages: tuple[LockedPackage, ...],
    pip: tuple[str, ...] = (),
    post_deploy: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> Lock:
    """A lock of checked parts, its packages in order. Raises ``LockError``."""
    ordered = tuple(sorted(packages, key=lambda package: package.name))
    lock = Lock(name, ordered, pip, post_deploy, dict(variables or {}))
    _check(lock)
    return lock


def dumps(lock: Lock) -> bytes:
    """Canonical JSON: equal locks give equal bytes."""
    return _canonical({"version": VERSION, **asdict(lock)})


def loads(content: bytes) -> Lock:
    """Raises ``LockError`` for whatever ``dumps`` does not write."""
    if len(content) > MOST_BYTES:
        raise LockError(f"more than {MOST_BYTES:,} bytes")
    try:
        raw = strict_json.loads(content)
        if not isinstance(raw, dict):
            raise LockError("not an object")
        if raw.get("version") != VERSION or isinstance(raw["version"], bool):
            raise LockError(f"version {raw.get('version')!r}, not {VERSION}")
        unknown = raw.keys() - {"version"} - {each.name for each in fields(Lock)}
        if unknown:
            raise LockError(f"unknown field {min(unknown)!r}")
        lock = _loaded(raw)
    except (strict_json.StrictJsonError, typed_json.TaskSpecError) as error:
        raise LockError(str(error)) from error
    _check(lock)
    return lock


def _loaded(raw: Mapping[str, object]) -> Lock:
    name, platform, post_deploy = raw.get("name"), raw.get("platform"), raw.get("post_deploy")
    if not isinstance(name, str) or not isinstance(platform, str):
        raise LockError("name and platform must be strings")
    if post_deploy is not None and not isinstance(post_deploy, str):
        raise LockError("post_deploy: not a string")
    items = typed_json.list_of(raw, "packages")
    if len(items) > MOST_PACKAGES:
        raise LockError(f"more than {MOST_PACKAGES:,} packages")
    packages = tuple(
        typed_json.make(LockedPackage, item, f"packages[{number}]")
        for number, item in enumerate(items)
    )
    pip = typed_json.texts_of(raw, "pip", "lock")
    return Lock(name, packages, pip, post_deploy, variables_of(raw), platform)


def variables_of(raw: Mapping[str, object]) -> dict[str, str]:
    """The ``variables`` of a JSON object. Raises ``LockError``."""
    found = raw.get("variables", {})
    if not isinstance(found, dict):
        raise LockError("variables: not an object")
    texts = {name: value for name, value in found.items() if isinstance(value, str)}
    if len(texts) != len(found):
        raise LockError("variables: not all of them are strings")
    return texts


def _check(lock: Lock) -> None:
    if lock.platform != PLATFORM:
        raise LockError(f"for {lock.platform[:40]!r}, not for {PLATFORM}")
    if len(lock.name) > _LONGEST_NAME or not lock.name.isprintable():
        raise LockError("its name is too long, or not printable")
    if len(lock.packages) > MOST_PACKAGES:
        raise LockError(f"more than {MOST_PACKAGES:,} packages")
    for package in lock.packages:
        check_package(package)
    names = [package.name for package in lock.packages]
    if names != sorted(set(names)):
        raise LockError("a package stands in it twice, or they are not in order")
    check_extras(lock.pip, lock.post_deploy, lock.variables)


def check_extras(pip: Sequence[str], post_deploy: str | None, variables: Mapping[str, str]) -> None:
    """What an environment has beside packages. Raises ``LockError``."""
    if len(pip) > MOST_PIP_LINES or any(
        len(line) > LONGEST_PIP_LINE or not line.isprintable() for line in pip
    ):
        raise LockError("its pip section is too long, or not printable")
    if post_deploy is not None and (len(post_deploy) > LONGEST_SCRIPT or "\0" in post_deploy):
        raise LockError("its post-deploy script is too long, or not text")
    if len(variables) > MOST_VARIABLES or any(
        not _VARIABLE.fullmatch(name) or len(value) > LONGEST_VARIABLE or "\0" in value
        for name, value in variables.items()
    ):
        raise LockError("its variables are too many, too long, or no variables of a shell")


def check_package(package: LockedPackage) -> None:
    """Raises ``LockError`` if it is none that a lock can have."""
    where = f"package {package.name[:128]!r}"
    for value, pattern, what in (
        (package.name, _PACKAGE_NAME, "name"),
        (package.version, _PACKAGE_VERSION, "version"),
        (package.build, _PACKAGE_BUILD, "build"),
    ):
        if not pattern.fullmatch(value):
            raise LockError(f"{where}: {value[:128]!r} is no {what} of a conda package")
    check_url(package.url)
    if package.subdir not in SUBDIRS:
        raise LockError(f"{where}: {package.url} is neither for {PLATFORM} nor noarch")
    stem = f"{package.name}-{package.version}-{package.build}"
    if package.filename not in {stem + suffix for suffix in SUFFIXES}:
        raise LockError(f"{where}: {package.url} is not {stem}.conda")
    _check_hash(package.sha256, _SHA256.fullmatch, f"{where}: no SHA-256")
    _check_hash(package.md5, _MD5.fullmatch, f"{where}: no MD5")
    if package.sha256 is None and package.md5 is None:
        raise LockError(f"{where}: has no hash")
    if package.size is not None and not 0 < package.size <= MOST_PACKAGE_BYTES:
        raise LockError(f"{where}: {package.size} is no size of a package")


def check_url(url: str) -> None:
    """Raises ``LockError`` unless it is a web address of a package, without any secret."""
    if len(url) > _LONGEST_URL or not _URL.fullmatch(url):
        # Not shown: what does not look like an address may hold a password.
        raise LockError("a package's URL is not a plain http(s) address")
    path = unquote(urlsplit(url).path)
    if _TOKEN.search(path):
        raise LockError("a package's URL holds a token")
    if not path.isprintable() or any(part in {"", ".", ".."} for part in path.split("/")[1:]):
        raise LockError(f"{url} is not the address of a package")


def _check_hash(value: str | None, matches: Callable[[str], object], otherwise: str) -> None:
    if value is not None and not matches(value):
        raise LockError(f"{otherwise}: {value[:128]!r}")


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
