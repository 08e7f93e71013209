"""Env files as people write them → what travels and is solved (``Description``).

As Snakemake has it (``deployment/conda.py``): a pin file comes before the env file, whose ``pip:``
section it leaves out; the folder and name that an env file gives do not matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from . import config as configs
from . import description as descriptions
from . import lock as locks
from . import logins, pins, virtual
from .access import Access
from .channels import Addresses, ChannelError
from .config import Config
from .description import Description, Pin

#: Bytes of an env file, of a pin file, of a post-deploy script.
MOST_BYTES = 2_000_000
#: Options of pip's that name a file or folder, and the ends of packages' names.
_PIP_SHORT = ("-r", "-c", "-e")
_PIP_LONG = ("--requirement", "--constraint", "--editable")
_PIP_ARCHIVES = (".whl", ".tar.gz", ".zip")
_PASSWORD = re.compile(r"://[^/\s@]+@")


class SpecError(ValueError):
    """The environment cannot be used; a sentence for the user, without a full stop."""


@dataclass(frozen=True)
class Described:
    """``access``: what it takes to reach its channels; never part of the description. ``named``:
    the variables that its channels name."""

    description: Description
    access: Access
    named: frozenset[str] = frozenset()


def describe(
    name: str,
    environment: bytes,
    pin_file: bytes | None,
    post_deploy: bytes | None,
    config: Config,
    gpu: bool,
    variables: Mapping[str, str],
) -> Described:
    """What files say. ``name``: of the env file, as the user knows it; ``pin_file`` and
    ``post_deploy``: what is beside it; ``gpu``: the job has one; ``variables``: of the process.

    Raises ``SpecError``. Reads only the machine's logins and the file of trusted authorities.
    """
    addresses = Addresses(config)
    script = (
        None if post_deploy is None else _text(post_deploy, f"the post-deploy script of {name}")
    )
    named: set[str] = set()
    try:
        if pin_file is not None:
            found = Description(name, pins=_pins(name, pin_file, addresses), post_deploy=script)
        else:
            found = _solvable(name, environment, addresses, variables, named)
            about_machine = virtual.packages(gpu, variables)
            found = replace(found, post_deploy=script, virtual=about_machine)
        descriptions.check(found)
    except (ChannelError, descriptions.DescriptionError, locks.LockError) as error:
        raise SpecError(f"{name} cannot be used: {error}") from error
    access = replace(addresses.access(), authorities=authorities(config))
    access = logins.added(access, found.urls, variables).for_urls(found.urls)
    return Described(found, access, frozenset(named))


def _text(content: bytes, what: str) -> str:
    if len(content) > MOST_BYTES:
        raise SpecError(f"{what} has more than {MOST_BYTES:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{what} is no text in UTF-8") from error


def authorities(config: Config) -> str | None:
    """The text of the file that conda's configuration names; None if it names none. Raises
    ``SpecError``."""
    if config.authorities_file is None:
        return None
    try:
        return Path(config.authorities_file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            f"conda's setting ssl_verify names {config.authorities_file}, which cannot be read"
        ) from error


def _pins(name: str, content: bytes, addresses: Addresses) -> tuple[Pin, ...]:
    what = re.sub(r"\.ya?ml$", "", name) + f".{locks.PLATFORM}.pin.txt"
    try:
        found = pins.parse(_text(content, what))
        return tuple(replace(pin, url=addresses.package(pin.url)) for pin in found)
    except (pins.PinError, ChannelError) as error:
        raise SpecError(f"{what} cannot be used: {error}") from error


def _solvable(
    name: str,
    content: bytes,
    addresses: Addresses,
    variables: Mapping[str, str],
    names: set[str],
) -> Description:
    """``names`` gets those of the variables that its channels name."""
    raw = _mapping(name, content)
    config = addresses.config
    written = [
        _word(item, name, "channels:") for item in _list(raw.get("channels"), name, "channels:")
    ]
    names.update(*map(configs.named, written))
    given = [configs.expand(channel, variables) for channel in written]
    named = [channel for channel in given if channel != "nodefaults"]
    more = () if "nodefaults" in given else config.channels
    channels = addresses.channels((*named, *more) if named or more else configs.FALLBACK)
    specs, pip = _dependencies(name, raw)
    own = [_own_channel(spec, addresses) for spec in specs]
    asked = [channel for channel, _ in own if channel is not None]
    return Description(
        name=name,
        channels=tuple(dict.fromkeys((*channels, *asked))),
        specs=tuple(spec for _, spec in own),
        strict=config.strict,
        python_has_pip=config.python_has_pip,
        pip=pip,
        variables=_variables(name, raw),
    )


def _mapping(name: str, content: bytes) -> Mapping[str, object]:
    try:
        raw = yaml.load(_text(content, name), Loader=yaml.BaseLoader)  # noqa: S506  makes texts
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise SpecError(f"{name} cannot be used: it is no YAML ({reason})") from error
    if raw in (None, ""):
        raise SpecError(f"{name} cannot be used: it is empty")
    if not isinstance(raw, dict):
        raise SpecError(f"{name} cannot be used: it is no env file with dependencies:")
    return {str(key): value for key, value in raw.items()}


def _list(value: object, name: str, section: str) -> Sequence[object]:
    if value in (None, ""):
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise SpecError(f"{name} cannot be used: {section} is no list")
    return value


def _word(value: object, name: str, section: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SpecError(f"{name} cannot be used: {section} has an item that is no text")
    return value.strip()


def _dependencies(name: str, raw: Mapping[str, object]) -> tuple[list[str], tuple[str, ...]]:
    """What conda installs, and then the lines for pip."""
    specs: list[str] = []
    lines: list[str] = []
    for item in _list(raw.get("dependencies"), name, "dependencies:"):
        if isinstance(item, dict):
            if set(item) != {"pip"}:
                raise SpecError(
                    f"{name} cannot be used: dependencies: has a section {min(map(str, item))}:, "
                    "and only pip: is known"
                )
            wanted = _list(item["pip"], name, "pip:")
            lines += [_pip_line(_word(line, name, "pip:"), name) for line in wanted]
            continue
        spec = _word(item, name, "dependencies:")
        if "://" in spec.partition("::")[0] and "::" not in spec:
            raise SpecError(
                f"{name} cannot be used: dependencies: names a package by its address; a pin file "
                f"beside it ({Path(name).stem}.{locks.PLATFORM}.pin.txt) can"
            )
        specs.append(spec)
    if lines and not any(descriptions.package_of(spec) == "pip" for spec in specs):
        specs.append("pip")  # as conda does
    return specs, tuple(lines)


def _pip_line(line: str, name: str) -> str:
    if _PASSWORD.search(line):
        raise SpecError(
            f"{name} cannot be used: its pip: section holds a login, which everybody who may read "
            "the work prefix would see"
        )
    if any(_is_local(word) for word in line.split()):
        raise SpecError(
            f"{name} cannot be used: its pip: section names a file of this machine ({line}), which "
            "the job that builds the environment does not see; name a package of an index, or an "
            "http(s) address"
        )
    return line


def _is_local(word: str) -> bool:
    """Whether a word of a line for pip is, or is followed by, a file or folder."""
    option, _, rest = word.partition("=")
    if option in _PIP_LONG or (word.startswith(_PIP_SHORT) and not word.startswith("--")):
        return True
    value = rest if option.startswith("--") else word
    if "://" in value:
        return value.startswith("file:")
    return value.startswith((".", "~")) or "/" in value or value.endswith(_PIP_ARCHIVES)


def _own_channel(spec: str, addresses: Addresses) -> tuple[str | None, str]:
    """The channel that a dependency names (``channel::package``), and the dependency with its
    address."""
    channel, separator, rest = spec.partition("::")
    if not separator:
        return None, spec
    # of a name that stands for several channels, the first one
    url = addresses.channels([channel])[0]
    return url, f"{url}::{rest.strip()}"


def _variables(name: str, raw: Mapping[str, object]) -> dict[str, str]:
    given = raw.get("variables")
    if given in (None, ""):
        return {}
    if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
        raise SpecError(f"{name} cannot be used: variables: is no mapping of texts")
    return {str(key): str(value) for key, value in given.items()}
