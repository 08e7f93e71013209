"""Channels' names → their addresses, without the secrets in them. Pure.

conda's rules: https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/channels.html. In
one thing it goes further: where the alias is another than conda.anaconda.org, full addresses there
are looked up at that alias, too, since env files and pins of public workflows have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from . import lock as locks
from .access import Access
from .config import ALIAS, Config
from .description import DescriptionError, check_channel

#: In the path of an address.
TOKEN = re.compile(r"/t/([^/]+)(?=/|$)")
#: How names of folders begin.
_LOCAL = ("/", ".", "~", "file:")
_SUBDIRS = ("linux-64", "noarch", "linux-aarch64", "osx-64", "osx-arm64", "win-64")


class ChannelError(ValueError):
    """A channel cannot be used; the message says why, without a full stop or secrets."""


@dataclass
class Addresses:
    """Addresses by a configuration; collects the logins that stand in them (``access``)."""

    config: Config
    tokens: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, Mapping[str, object]] = field(default_factory=dict)

    def access(self) -> Access:
        """With what the configuration says of TLS, but for the authorities' file, which is read
        elsewhere."""
        return Access(dict(self.tokens), dict(self.hosts), self.config.verify)

    def channels(self, names: Iterable[str]) -> tuple[str, ...]:
        """Plain URLs of channels, without a slash at their end, each once. Raises
        ``ChannelError``."""
        found = [self._plain(url, name) for name in names for url in _urls(name, self.config)]
        return tuple(dict.fromkeys(found))

    def package(self, url: str) -> str:
        """The plain URL of a package that a pin names. Raises ``ChannelError``."""
        channel, subdir, filename = url.rsplit("/", 2)
        (found, *_) = self.channels([channel])
        plain = f"{found}/{subdir}/{filename}"
        try:
            locks.check_url(plain)
        except locks.LockError as error:
            raise ChannelError(str(error)) from error
        return plain

    def _plain(self, url: str, name: str) -> str:
        """Takes the secrets out of a URL, and keeps them."""
        parts = urlsplit(url)
        user, _, host = parts.netloc.rpartition("@")
        path = parts.path.rstrip("/")
        without = TOKEN.sub("", path, count=1)
        tail = parts.query + parts.fragment
        plain = urlunsplit((parts.scheme, host, _quoted(without), tail, ""))
        try:
            check_channel(plain)
        except DescriptionError as error:
            raise ChannelError(_unusable(name)) from error
        if user:
            self._login(parts.hostname or "", user)
        if without != path:
            self._token(plain, urlunsplit((parts.scheme, host, _quoted(path), "", "")))
        return plain

    def _login(self, host: str, user: str) -> None:
        name, _, password = user.partition(":")
        login: Mapping[str, object] = {
            "BasicHTTP": {"username": unquote(name), "password": unquote(password)}
        }
        if self.hosts.setdefault(host, login) != login:
            raise ChannelError(f"two channels at {host} have different logins")

    def _token(self, plain: str, url: str) -> None:
        if self.tokens.setdefault(f"{plain}/", f"{url}/") != f"{url}/":
            raise ChannelError(f"the channel {plain} stands there with two different tokens")


def _quoted(path: str) -> str:
    return quote(unquote(path), safe="/~%+=@:!")


def _urls(name: str, config: Config) -> tuple[str, ...]:
    """Where a channel is, by the name or address that somebody wrote; several for a name that
    stands for several. May hold secrets. Raises ``ChannelError`` for a folder."""
    text = name.strip().rstrip("/")
    if text.startswith(_LOCAL) or text == "local":
        raise ChannelError(
            f"its channel {text} is a folder of this machine, which the job that builds the "
            "environment does not see; serve it by http(s)"
        )
    for subdir in _SUBDIRS:
        text = text.removesuffix(f"/{subdir}")
    if "://" in text:
        return _of_address(text, config)
    if text in config.multi:
        return tuple(url for each in config.multi[text] for url in _urls_once(each, config))
    return (_of_name(text, config),)


def _urls_once(name: str, config: Config) -> tuple[str, ...]:
    """As ``_urls``, but for a name in the list of another."""
    text = name.strip().rstrip("/")
    return _of_address(text, config) if "://" in text else (_of_name(text, config),)


def _of_name(name: str, config: Config) -> str:
    if config.mirrored.get(name):
        return config.mirrored[name][0].rstrip("/")
    # of bioconda/label/x, bioconda's place counts
    parts = name.split("/")
    for length in range(len(parts), 0, -1):
        place = config.custom.get("/".join(parts[:length]))
        if place is not None:
            return f"{place.rstrip('/')}/{name}"
    return f"{config.alias}/{name}"


def _of_address(url: str, config: Config) -> tuple[str, ...]:
    parts = urlsplit(url)
    plain = urlunsplit(
        (parts.scheme, parts.netloc.rpartition("@")[2], TOKEN.sub("", parts.path, count=1), "", "")
    )
    for alias in (ALIAS, *config.migrated):
        rest = plain.removeprefix(f"{alias}/")
        if rest != plain and rest:
            found = _of_name(rest, config)
            # the token is for the place that it was written for
            return (url,) if found == plain else (found,)
    return (url,)


def _unusable(name: str) -> str:
    """Why this is no channel that a job can use; does not show what may hold a password."""
    text = name.strip()
    shown = repr(text[:200]) if "@" not in text and "/t/" not in text else "one with a login"
    return f"its channel {shown} is neither the name nor the http(s) address of one"
