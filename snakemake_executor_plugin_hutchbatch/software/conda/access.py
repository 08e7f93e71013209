"""How channels are reached: logins and TLS. Holds secrets, and never enters a lock, record or log.

What the building job needs of it travels in a private object of the run (``RunLayout.private``),
which is removed when the run ends. It is only what the environment's own channels need.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ...supervisor import strict_json

#: Of the JSON that travels.
MOST_BYTES = 1_000_000
HIDDEN = "***"
_FIELDS = {"tokens", "hosts", "verify", "authorities", "pip"}
#: In addresses: ``https://user:password@host``, or a token in the place of both.
_PASSWORD = re.compile(r"//(?:[^/@\s:]*:)?([^/@\s]+)@")
_TOKEN = re.compile(r"/t/([^/]+)/")


class AccessError(ValueError):
    """The JSON is none that ``dumps`` writes; the message says why, and shows none of it."""


@dataclass(frozen=True)
class Access:
    """``tokens``: addresses with tokens in them, by the plain address that they stand for, both
    with a slash at their end: ``https://host/c/`` → ``https://host/t/TOKEN/c/``.

    ``hosts``: logins by host name, in rattler's form (``RATTLER_AUTH_FILE``):
    ``{"BasicHTTP": {"username": …, "password": …}}`` or ``{"BearerToken": …}``.
    ``pip``: how pip is set, as variables (``pip_settings``). ``verify``: whether certificates are
    checked; ``authorities``: PEM text of those that are trusted, if not the system's.
    """

    tokens: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    verify: bool = True
    authorities: str | None = None
    pip: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_secret(self) -> bool:
        """Whether what ``dumps`` writes must be kept private."""
        return bool(self.tokens or self.hosts or any("@" in value for value in self.pip.values()))

    def url(self, plain: str) -> str:
        """The address that is asked for, with its token if there is one."""
        return _exchanged(plain, self.tokens)

    def plain(self, url: str) -> str:
        """The address without its token."""
        return _exchanged(url, {token: plain for plain, token in self.tokens.items()})

    def headers(self, plain: str) -> dict[str, str]:
        """What a request for an address must carry, for those who do not use rattler."""
        login = self.hosts.get(urlsplit(plain).hostname or "", {})
        bearer, basic = login.get("BearerToken"), login.get("BasicHTTP")
        if isinstance(bearer, str):
            return {"Authorization": f"Bearer {bearer}"}
        if isinstance(basic, Mapping):
            pair = f"{basic['username']}:{basic['password']}"
            return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        return {}

    def hidden(self, text: str) -> str:
        """A message without the secrets that it may quote."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def _secrets(self) -> set[str]:
        found = {token for url in self.tokens.values() for token in _TOKEN.findall(url)}
        for login in self.hosts.values():
            for value in login.values():
                found |= {value} if isinstance(value, str) else set()
                found |= {str(value.get("password"))} if isinstance(value, Mapping) else set()
        for value in self.pip.values():
            found |= set(_PASSWORD.findall(value))
        return found - {""}

    def for_urls(self, plain: Iterable[str]) -> Access:
        """What of it these addresses need."""
        urls = list(plain)
        hosts = {urlsplit(url).hostname for url in urls}
        return Access(
            {p: t for p, t in self.tokens.items() if any(url.startswith(p) for url in urls)},
            {host: login for host, login in self.hosts.items() if host in hosts},
            self.verify,
            self.authorities,
            self.pip,
        )


def _exchanged(url: str, prefixes: Mapping[str, str]) -> str:
    found = [prefix for prefix in prefixes if url.startswith(prefix)]
    if not found:
        return url
    longest = max(found, key=len)
    return prefixes[longest] + url[len(longest) :]


def auth_file(access: Access) -> str:
    """Text of a file for ``RATTLER_AUTH_FILE``."""
    return json.dumps({host: dict(login) for host, login in access.hosts.items()})


def dumps(access: Access) -> bytes:
    """For the building job."""
    return json.dumps(
        {
            "tokens": dict(access.tokens),
            "hosts": {host: dict(login) for host, login in access.hosts.items()},
            "verify": access.verify,
            "authorities": access.authorities,
            "pip": dict(access.pip),
        },
        sort_keys=True,
    ).encode()


def loads(content: bytes) -> Access:
    """Raises ``AccessError``."""
    if len(content) > MOST_BYTES:
        raise AccessError(f"more than {MOST_BYTES:,} bytes")
    try:
        raw = strict_json.loads(content)
    except strict_json.StrictJsonError as error:
        raise AccessError("not JSON") from error
    if not isinstance(raw, dict) or raw.keys() - _FIELDS:
        raise AccessError("not an object with the fields of this version")
    tokens, hosts = raw.get("tokens", {}), raw.get("hosts", {})
    verify, authorities = raw.get("verify", True), raw.get("authorities")
    pip = raw.get("pip", {})
    if not isinstance(tokens, dict) or not all(isinstance(t, str) for t in tokens.values()):
        raise AccessError("tokens: not an object of strings")
    if not isinstance(hosts, dict) or not all(_is_login(login) for login in hosts.values()):
        raise AccessError("hosts: not an object of logins")
    if not isinstance(verify, bool) or not isinstance(authorities, (str, type(None))):
        raise AccessError("verify or authorities: of a wrong type")
    if not isinstance(pip, dict) or not all(
        name.startswith("PIP_") and isinstance(value, str) for name, value in pip.items()
    ):
        raise AccessError("pip: not an object of pip's variables")
    return Access(tokens, hosts, verify, authorities, pip)


def _is_login(value: object) -> bool:
    if not isinstance(value, dict) or len(value) != 1:
        return False
    if isinstance(value.get("BearerToken"), str):
        return True
    basic = value.get("BasicHTTP")
    return isinstance(basic, dict) and all(
        isinstance(basic.get(name), str) for name in ("username", "password")
    )
