"""conda's configuration, as far as it says where packages come from. Reads files and variables.

https://docs.conda.io/projects/conda/en/stable/user-guide/configuration/use-condarc.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import yaml

T = TypeVar("T")

#: Where channels are that have only a name.
ALIAS = "https://conda.anaconda.org"
ANACONDA = "https://repo.anaconda.com"
#: What ``defaults`` stands for on Linux.
DEFAULTS = (f"{ANACONDA}/pkgs/main", f"{ANACONDA}/pkgs/r")
#: Channels that are not at the alias.
CUSTOM = {f"pkgs/{name}": ANACONDA for name in ("main", "r", "free", "pro", "msys2")}
#: Where neither an env file nor the configuration names a channel. conda's own default was
#: ``defaults``, which it gives up (https://github.com/conda/conda/pull/14227) and whose terms ask
#: large organisations for a licence; Miniforge's is this.
FALLBACK = ("conda-forge",)
#: Bytes of a configuration file.
MOST_BYTES = 1_000_000
_NAMES = (".condarc", "condarc", "condarc.d")


class ConfigError(ValueError):
    """The configuration cannot be used; a sentence without a full stop."""


@dataclass(frozen=True)
class Config:
    """What conda's configuration says. Texts may hold tokens and passwords.

    ``channels``: in their order; ``alias``: where channels are that have only a name; ``migrated``:
    aliases of earlier days, for which ``alias`` stands; ``custom``: other places, by a channel's
    name; ``multi``: channels by the name that stands for all of them; ``mirrored``: channels'
    URLs by their name, the first one counts. ``proxies``: by ``http`` and ``https``.
    ``verify`` and ``authorities_file``: of TLS. ``python_has_pip``: conda's own default,
    until it changes in 27.9 (https://github.com/conda/conda/issues/16404).
    """

    channels: tuple[str, ...] = ()
    alias: str = ALIAS
    migrated: tuple[str, ...] = ()
    custom: Mapping[str, str] = field(default_factory=lambda: dict(CUSTOM))
    multi: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"defaults": DEFAULTS})
    mirrored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    strict: bool = True
    python_has_pip: bool = True
    verify: bool = True
    authorities_file: str | None = None
    proxies: Mapping[str, str] = field(default_factory=dict)


def search_path(variables: Mapping[str, str]) -> list[Path]:
    """Where configuration may lie, the least important first."""
    home = Path(variables.get("HOME") or "~").expanduser()
    folders = [Path("/etc/conda"), Path("/var/lib/conda")]
    if root := _root(variables):
        folders.append(root)
    if shared := variables.get("XDG_CONFIG_HOME"):
        folders.append(Path(shared, "conda"))
    folders += [home / ".config/conda", home / ".conda"]
    found = [folder / name for folder in folders for name in _NAMES]
    found.append(home / ".condarc")
    if prefix := variables.get("CONDA_PREFIX"):
        found += [Path(prefix, name) for name in _NAMES]
    if own := variables.get("CONDARC"):
        found.append(Path(own))
    return list(dict.fromkeys(found))


def _root(variables: Mapping[str, str]) -> Path | None:
    """The folder of the conda installation that is in use."""
    for name in ("CONDA_ROOT", "MAMBA_ROOT_PREFIX"):
        if variables.get(name):
            return Path(variables[name])
    program = variables.get("CONDA_EXE") or variables.get("_CONDA_EXE")
    return Path(program).parents[1] if program and len(Path(program).parents) > 1 else None


def read(variables: Mapping[str, str]) -> Config:
    """conda's configuration for a process with these variables. Raises ``ConfigError``."""
    files = [file for path in search_path(variables) for file in _files(path)]
    return merged([(str(file), _load(file, variables)) for file in files], variables)


def _files(path: Path) -> list[Path]:
    try:
        if path.name.endswith(".d") and path.is_dir():
            return sorted(p for p in path.iterdir() if p.suffix in {".yml", ".yaml"})
        return [path] if path.is_file() else []
    except OSError:  # a folder of somebody else's
        return []


def _load(path: Path, variables: Mapping[str, str]) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise ConfigError(f"conda's configuration {path} has more than {MOST_BYTES:,} bytes")
        found = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  texts, lists, mappings only
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"conda's configuration {path} cannot be read: {reason}") from error
    if found in (None, ""):
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"conda's configuration {path} is no list of settings")
    return {str(key): _expanded(value, variables) for key, value in found.items()}


def _expanded(value: object, variables: Mapping[str, str]) -> object:
    """With ``$NAME`` and ``${NAME}`` filled in, as conda does."""
    if isinstance(value, str):
        return expand(value, variables)
    if isinstance(value, list):
        return [_expanded(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: _expanded(item, variables) for key, item in value.items()}
    return value


_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """What is not set stays as it is."""

    def known(found: re.Match[str]) -> str:
        return variables.get(found[1] or found[2], found[0])

    return _VARIABLE.sub(known, text)


def named(text: str) -> set[str]:
    """The variables that ``expand`` looks for."""
    return {found[1] or found[2] for found in _VARIABLE.finditer(text)}


def merged(
    files: Sequence[tuple[str, Mapping[str, object]]], variables: Mapping[str, str]
) -> Config:
    """One configuration of files' contents, the least important first, and of variables, which
    come before all files. Raises ``ConfigError``. Pure."""
    layers = [*files, ("CONDA_… variables", _of_variables(variables))]
    verify, authorities = _tls(_last(layers, "ssl_verify"), variables)
    priority = (_last(layers, "channel_priority") or "strict").lower()
    with_pip = (_last(layers, "add_pip_as_python_dependency") or "true").lower()
    defaults = _listed(layers, "default_channels") or DEFAULTS
    return Config(
        channels=_listed(layers, "channels"),
        alias=(_last(layers, "channel_alias") or ALIAS).rstrip("/"),
        migrated=tuple(a.rstrip("/") for a in _listed(layers, "migrated_channel_aliases")),
        custom={**CUSTOM, **_mapped(layers, "custom_channels", _text)},
        multi={**_mapped(layers, "custom_multichannels", _texts), "defaults": defaults},
        mirrored=_mapped(layers, "mirrored_channels", _texts),
        strict=priority not in {"disabled", "false", "no", "off", "0"},
        python_has_pip=with_pip not in {"false", "no", "off", "0"},
        verify=verify,
        authorities_file=authorities,
        proxies=_proxies(_mapped(layers, "proxy_servers", _text)),
    )


Layers = Sequence[tuple[str, Mapping[str, object]]]


def _of_variables(variables: Mapping[str, str]) -> dict[str, object]:
    """Lists have commas between their items."""
    found: dict[str, object] = {}
    for name in (
        *("channel_alias", "channel_priority", "ssl_verify", "add_pip_as_python_dependency"),
        *("channels", "default_channels", "migrated_channel_aliases"),
    ):
        text = variables.get(f"CONDA_{name.upper()}", "").strip()
        if text:
            items = [item.strip() for item in text.split(",")]
            found[name] = items if name.endswith(("channels", "aliases")) else text
    return found


def _last(layers: Layers, name: str) -> str | None:
    for where, layer in reversed(layers):
        if name in layer:
            return _text(layer[name], f"{where}: {name}").strip() or None
    return None


def _listed(layers: Layers, name: str) -> tuple[str, ...]:
    """The most important file's items first, then what others have more."""
    found = [
        item
        for where, layer in reversed(layers)
        if name in layer
        for item in _texts(layer[name], f"{where}: {name}")
    ]
    return tuple(dict.fromkeys(found))


def _mapped(layers: Layers, name: str, value: Callable[[object, str], T]) -> dict[str, T]:
    found: dict[str, T] = {}
    for where, layer in layers:
        given = layer.get(name)
        if given in (None, ""):
            continue
        if not isinstance(given, dict):
            raise ConfigError(f"conda's configuration {where}: {name} is no mapping")
        found |= {str(key): value(item, f"{where}: {name}") for key, item in given.items()}
    return found


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"conda's configuration {where} is no text")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    items: Iterable[object] = value if isinstance(value, list) else [value]
    return tuple(text for item in items if (text := _text(item, where).strip()))


def _tls(given: str | None, variables: Mapping[str, str]) -> tuple[bool, str | None]:
    """Whether certificates are checked, and the file of trusted authorities."""
    if given is not None and given.lower() in {"false", "no", "off", "0"}:
        return False, None
    if given is None or given.lower() in {"true", "yes", "on", "1", "truststore"}:
        # what requests, which conda asks with, heeds
        return True, variables.get("REQUESTS_CA_BUNDLE") or None
    return True, str(Path(given).expanduser())


def _proxies(given: Mapping[str, str]) -> dict[str, str]:
    return {kind: url for kind, url in given.items() if kind in {"http", "https"} and url}
