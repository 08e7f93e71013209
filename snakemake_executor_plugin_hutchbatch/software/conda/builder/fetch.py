"""Packages from their channels, checked against the lock while they arrive."""

from __future__ import annotations

import functools
import hashlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ....supervisor.errors import words
from ....supervisor.problems import Cause, Facts, Problem
from ..access import Access
from ..lock import LockedPackage
from .errors import BuildFailure

#: Attempts to download one package, and the pause before the second, which doubles (seconds).
ATTEMPTS = 6
PAUSE = 1.0
#: Seconds without a byte after which a connection is given up.
TIMEOUT = 60.0
CHUNK = 1024 * 1024
#: Statuses that may be other ones soon.
PASSING = {408, 425, 429, 500, 502, 503, 504}
#: Where other programs are told which certificates to trust; OpenSSL itself knows SSL_CERT_FILE.
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Wrong(Exception):
    """What has arrived is not what the lock names; ``short``: its beginning is all that came."""

    def __init__(self, reason: str, short: bool) -> None:
        super().__init__(reason)
        self.short = short


class Digests:
    """The size and the digests of what has passed."""

    def __init__(self) -> None:
        self.size = 0
        self._made = {"sha256": hashlib.sha256(), "md5": hashlib.md5(usedforsecurity=False)}

    @property
    def sha256(self) -> str:
        return self._made["sha256"].hexdigest()

    @property
    def md5(self) -> str:
        return self._made["md5"].hexdigest()

    def update(self, data: bytes) -> None:
        self.size += len(data)
        for digest in self._made.values():
            digest.update(data)

    def check(self, package: LockedPackage) -> None:
        """Raises ``Wrong`` unless this is the package of the lock."""
        if package.size is not None and self.size != package.size:
            reason = f"it has {self.size:,} bytes, not {package.size:,}"
            raise Wrong(reason, self.size < package.size)
        for name in ("sha256", "md5"):
            wanted, found = getattr(package, name), self._made[name].hexdigest()
            if wanted is not None and found != wanted:
                # Without a size, a download that broke off looks like this as well.
                raise Wrong(f"its {name} is {found}, not {wanted}", package.size is None)


@dataclass(frozen=True)
class Channels:
    """How channels are reached: what the controller has of logins and certificates, and what the
    container's environment says of proxies (``https_proxy`` and the like) and certificates."""

    environ: Mapping[str, str]
    access: Access = Access()  # noqa: RUF009  immutable
    sleep: Callable[[float], None] = time.sleep

    @functools.cached_property
    def opener(self) -> urllib.request.OpenerDirector:
        given = next((self.environ[n] for n in CERTIFICATES if self.environ.get(n)), None)
        context = ssl.create_default_context()
        if not self.access.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif self.access.authorities is not None:
            context.load_verify_locations(cadata=self.access.authorities)
        elif given is not None:
            folder = os.path.isdir(given)
            context.load_verify_locations(
                capath=given if folder else None, cafile=None if folder else given
            )
        return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))

    def download(self, url: str, file: BinaryIO, package: LockedPackage | None = None) -> Digests:
        """Writes a package to a file: what it is. ``package``: what it must be. Raises
        ``BuildFailure``, and ``OSError`` of the disk."""
        opener, attempt = self.opener, 0
        while True:
            attempt += 1
            try:
                return self._once(opener, url, file, package)
            except Wrong as error:
                # Not more than one other try for a file that came whole: it is the channel's.
                if attempt >= (ATTEMPTS if error.short else 2):
                    raise _failure(self, Problem.CONDA_CONTENT, url, str(error)) from error
            except urllib.error.HTTPError as error:
                if error.code not in PASSING or attempt >= ATTEMPTS:
                    reason = error.reason if isinstance(error.reason, str) else ""
                    raise _failure(self, Problem.CONDA_DOWNLOAD, url, reason, error.code) from error
            except _Network as error:
                if error.final or attempt >= ATTEMPTS:
                    raise _failure(self, Problem.CONDA_DOWNLOAD, url, str(error)) from error
            self.sleep(PAUSE * 2 ** (attempt - 1))

    def _once(
        self,
        opener: urllib.request.OpenerDirector,
        url: str,
        file: BinaryIO,
        package: LockedPackage | None,
    ) -> Digests:
        file.seek(0)
        file.truncate()
        digests = Digests()
        try:
            answer = opener.open(self._request(url), timeout=TIMEOUT)
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _network(error) from error
        with answer:
            while True:
                try:
                    data = answer.read(CHUNK)
                except (OSError, http.client.HTTPException) as error:
                    raise _network(error) from error
                if not data:
                    break
                digests.update(data)
                file.write(data)
        if package is not None:
            digests.check(package)
        return digests

    def _request(self, plain: str) -> urllib.request.Request:
        # The lock has checked that it is a web address.
        made = urllib.request.Request(  # noqa: S310
            self.access.url(plain), headers={"User-Agent": "hutchbatch"}
        )
        for name, value in self.access.headers(plain).items():
            made.add_unredirected_header(name, value)
        return made


class _Network(Exception):
    def __init__(self, reason: str, final: bool) -> None:
        super().__init__(reason)
        self.final = final


def _network(error: Exception) -> _Network:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    final = isinstance(cause, ssl.SSLCertVerificationError)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _Network(f"its certificate is not trusted: {cause.verify_message}", final)
    if isinstance(cause, TimeoutError):
        return _Network("no answer in time", final)
    return _Network(str(cause) or type(cause).__name__, final)


def _failure(
    channels: Channels,
    problem: Problem,
    url: str,
    reason: str,
    status: int | None = None,
) -> BuildFailure:
    reason = channels.access.hidden(reason)
    facts = Facts(file=url, words=words(reason) or None, http_status=status)
    return BuildFailure(Cause.STAGE_IN, problem, facts)


def name_in_store(package: LockedPackage) -> str:
    """What a package is called where packages are kept by their content."""
    return f"{package.content.partition(':')[2]}-{package.filename}"


def verify(path: Path, package: LockedPackage) -> None:
    """Raises ``Wrong`` unless the file is the package of the lock."""
    digests = Digests()
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            digests.update(data)
    digests.check(package)
