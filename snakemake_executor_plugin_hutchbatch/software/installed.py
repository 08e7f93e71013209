"""Which packages of this Python's come along to a job, and how each can. Pure, but for what
``importlib.metadata`` reads."""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import Distribution, PackageNotFoundError

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

#: The glibc (minor) up to which wheels are looked for in the index: Debian 10's. The default image
#: has a newer one.
NEWEST_GLIBC = 28
#: The older names of manylinux tags (PEP 513, 571, 599).
_OLD = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


@dataclass(frozen=True)
class Target:
    """The Python of a container. ``machine``: ``x86_64`` or ``aarch64``; ``here``: this machine's
    compiled modules run there as well."""

    major: int
    minor: int
    machine: str
    here: bool

    @property
    def python(self) -> str:
        return f"{self.major}.{self.minor}"

    @property
    def suffix(self) -> str:
        """Of compiled modules (``importlib.machinery.EXTENSION_SUFFIXES``)."""
        return f".cpython-{self.major}{self.minor}-{self.machine}-linux-gnu.so"

    @property
    def markers(self) -> dict[str, str]:
        """For the markers of requirements."""
        return {
            **{key: str(value) for key, value in default_environment().items()},
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": self.machine,
            "platform_release": "",
            "platform_version": "",
        }


@dataclass(frozen=True)
class Package:
    """A package that comes along. ``version``: as here, or empty where it is not installed here
    and ``specifier`` says which will do; ``glibc``: the least (minor) version it needs.

    ``how``: ``copied`` from this Python, ``fetched`` from the index as a wheel, or ``stays``, for
    the reason ``why``.
    """

    name: str
    version: str
    how: str
    why: str = ""
    glibc: int = 0
    specifier: str = ""
    found: Distribution | None = field(default=None, compare=False)

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}" if self.version else f"{self.name}{self.specifier}"


def _distribution(name: str) -> Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except PackageNotFoundError:
        return None


def closure(
    roots: Iterable[str],
    target: Target,
    distribution: Callable[[str], Distribution | None] = _distribution,
) -> list[Package]:
    """The packages ``roots`` and all that they require, in the versions installed here."""
    waiting = [(Requirement(root), frozenset[str]()) for root in roots]
    found: dict[str, Package] = {}
    done: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted, _ = waiting.pop()
        name, extras = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if (name, extras) in done:
            continue
        done.add((name, extras))
        there = distribution(wanted.name)
        if there is None:
            specifier = str(wanted.specifier)
            found.setdefault(name, Package(name, "", "fetched", specifier=specifier))
            continue
        found[name] = judged(there, target)
        for text in there.requires or ():
            requirement = _applying(
                text, target.markers, extras, lambda name: distribution(name) is not None
            )
            if requirement is not None:
                waiting.append((requirement, extras))
    return sorted(found.values(), key=lambda package: package.name)


def _applying(
    text: str,
    markers: Mapping[str, str],
    extras: Iterable[str],
    is_there: Callable[[str], bool],
) -> Requirement | None:
    """A requirement, if it is one in the container; where nobody can tell, if ``is_there`` here."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    marker = requirement.marker
    try:
        wanted = marker is None or any(
            marker.evaluate({**markers, "extra": extra}) for extra in ("", *extras)
        )
    except ValueError:  # what packaging cannot compare: a kernel's version with a package's
        wanted = is_there(requirement.name)
    return requirement if wanted else None


def judged(there: Distribution, target: Target) -> Package:
    """How an installed package can come along."""
    name, version = canonicalize_name(there.metadata["Name"]), there.version
    direct = _direct(there)

    def package(how: str, why: str = "", glibc: int = 0) -> Package:
        return Package(name, version, how, why, glibc, found=there)

    if direct.get("dir_info", {}).get("editable"):
        return package("stays", "it is installed in editable mode")
    tags = re.findall(r"^Tag: (\S+)$", there.read_text("WHEEL") or "", re.MULTILINE)
    if not tags or not there.files:
        return package("fetched")
    platforms = [tag.rpartition("-")[2] for tag in tags]
    if any(tag.endswith("-none-any") for tag in tags):
        return package("copied")
    by_conda = (there.read_text("INSTALLER") or "").strip() == "conda"
    least = [minor for each in platforms if (minor := glibc_of(each, target.machine)) is not None]
    if target.here and least and not by_conda:
        return package("copied", glibc=min(least))
    if direct:
        return package("stays", "it was built on this machine and has compiled parts")
    return package("fetched")


def _direct(there: Distribution) -> dict[str, dict[str, object]]:
    try:
        found = json.loads(there.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def glibc_of(platform: str, machine: str) -> int | None:
    """The minor glibc version that a platform tag (or several, joined by dots) asks for; None for
    other platforms."""
    least: list[int] = []
    for each in platform.split("."):
        if not each.endswith(f"_{machine}"):
            continue
        name = each.removesuffix(f"_{machine}")
        if match := re.fullmatch(r"manylinux_2_(\d+)", name):
            least.append(int(match[1]))
        elif name in _OLD:
            least.append(_OLD[name][1])
    return min(least) if least else None


def platforms(machine: str) -> list[str]:
    """The platform tags that a container can use, for pip."""
    new = [f"manylinux_2_{minor}_{machine}" for minor in range(NEWEST_GLIBC, 4, -1)]
    return [*new, *(f"{name}_{machine}" for name in _OLD)]


def packages_of(modules: Iterable[str], providers: Mapping[str, Sequence[str]]) -> set[str]:
    """The packages that modules belong to. ``providers``: by top-level module."""
    names = (name for module in modules for name in providers.get(module, ()))
    return {canonicalize_name(name) for name in names if name}  # broken ones have none
