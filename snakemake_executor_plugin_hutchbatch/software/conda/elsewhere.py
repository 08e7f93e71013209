"""conda's and pip's configuration for a Snakemake on another machine, without logins. Pure.

It is a ``.condarc`` that says the same as all files and variables here, which ``CONDARC`` names
there, and some variables. Logins and proxies of this machine stay here; descriptions of
environments hold neither, so both machines know them by the same digests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

from ...text.secrets import is_secret_name, redacted
from .channels import TOKEN
from .config import Config

#: In the tree that is sent.
CONDARC, AUTHORITIES = ".hutchbatch/condarc", ".hutchbatch/authorities.pem"
#: What says which machines jobs have (``virtual``).
_OVERRIDE = "CONDA_OVERRIDE_"


def files(config: Config, authorities: str | None, tree: str) -> dict[str, bytes]:
    """By their places in the tree. ``authorities``: PEM text of those that are trusted, if not the
    system's; ``tree``: the variable that names the tree's root there."""
    verify = f"${tree}/{AUTHORITIES}" if authorities is not None else str(config.verify).lower()
    found = {
        "channels": _plain(config.channels),
        "channel_alias": plain(config.alias),
        "migrated_channel_aliases": _plain(config.migrated),
        "custom_channels": {name: plain(url) for name, url in config.custom.items()},
        "custom_multichannels": {name: _plain(urls) for name, urls in config.multi.items()},
        "default_channels": _plain(config.multi["defaults"]),
        "mirrored_channels": {name: _plain(urls) for name, urls in config.mirrored.items()},
        "channel_priority": "strict" if config.strict else "disabled",
        "add_pip_as_python_dependency": str(config.python_has_pip).lower(),
        "ssl_verify": verify,
    }
    content = {CONDARC: json.dumps(found, indent=1).encode()}  # JSON is YAML, too
    if authorities is not None:
        content[AUTHORITIES] = authorities.encode()
    return content


def variables(
    environ: Mapping[str, str], pip: Mapping[str, str], named: Iterable[str]
) -> dict[str, str]:
    """Variables that travel. ``pip``: how pip is set here (``pip_settings``); ``named``: what the
    channels of environments' files name."""
    wanted = set(named)
    given = {n: v for n, v in environ.items() if n.startswith(_OVERRIDE) or n in wanted}
    return {name: value for name, value in {**given, **pip}.items() if not is_login(name, value)}


def is_login(name: str, value: str) -> bool:
    """Whether a variable holds one."""
    return is_secret_name(name) or redacted(value) != value or plain(value) != value


def plain(channel: str) -> str:
    """A channel's name, or its address without token and login."""
    if "://" not in channel:
        return channel
    parts = urlsplit(channel)
    path = TOKEN.sub("", parts.path, count=1)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, path, parts.query, parts.fragment))


def _plain(channels: Iterable[str]) -> list[str]:
    return [plain(each) for each in channels]
