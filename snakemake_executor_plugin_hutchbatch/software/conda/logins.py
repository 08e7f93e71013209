"""Logins for channels that lie on this machine apart from any address: rattler's file, ``.netrc``.

Those in the system's keyring are rattler's alone: they serve where Snakemake runs, and do not
travel.
"""

from __future__ import annotations

import netrc
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from ...supervisor import strict_json
from .access import Access

MOST_BYTES = 1_000_000


def added(access: Access, urls: Iterable[str], variables: Mapping[str, str]) -> Access:
    """With the logins of this machine for hosts of these addresses that have none yet.
    ``variables``: of the process."""
    home = Path(variables.get("HOME") or "~").expanduser()
    stored = _stored(Path(variables.get("RATTLER_AUTH_FILE") or home / ".rattler/credentials.json"))
    hosts, tokens = dict(access.hosts), dict(access.tokens)
    for url in urls:
        host = urlsplit(url).hostname or ""
        known = host in hosts or any(url.startswith(prefix) for prefix in tokens)
        login = None if known else (_of_host(stored, host) or _of_netrc(host, home, variables))
        if login is None:
            continue
        token = login.get("CondaToken")
        if isinstance(token, str):
            place = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}/"
            tokens[place] = f"{place}t/{token}/"
        elif login.keys() & {"BearerToken", "BasicHTTP"}:
            hosts[host] = login
    return replace(access, hosts=hosts, tokens=tokens)


def _stored(path: Path) -> Mapping[str, object]:
    """The content of rattler's file; nothing if there is none that can be read."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return {}
        found = strict_json.loads(path.read_bytes())
    except (OSError, strict_json.StrictJsonError):
        return {}
    return found if isinstance(found, dict) else {}


def _of_host(stored: Mapping[str, object], host: str) -> Mapping[str, object] | None:
    """``*.example.org`` is for all hosts below it."""
    parts = host.split(".")
    wider = [f"*.{'.'.join(parts[start:])}" for start in range(1, len(parts))]
    for name in (host, *wider):
        login = stored.get(name)
        if isinstance(login, dict):
            return login
    return None


def _of_netrc(
    host: str, home: Path, variables: Mapping[str, str]
) -> Mapping[str, Mapping[str, str]] | None:
    path = Path(variables.get("NETRC") or home / ".netrc")
    try:
        found = netrc.netrc(str(path)).authenticators(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    if found is None or not found[2]:
        return None
    return {"BasicHTTP": {"username": found[0], "password": found[2]}}
