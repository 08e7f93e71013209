"""Makes locks: solves with py-rattler, or looks up what a pin file names. The network is used here.

Runs on the controller (extra ``conda``), for Linux from whatever system, and in the building job.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import importlib.util
import json
import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from . import access as accesses
from . import lock as locks
from . import pins, unsolved
from .access import Access
from .description import Description, Pin
from .lock import Lock, LockedPackage
from .unsolved import Denied, NotHere, Unsatisfiable

if TYPE_CHECKING:
    import rattler

T = TypeVar("T")
PLATFORMS: Final = ("linux-64", "noarch")
#: Seconds for one request, and for the solver. conda-forge's index has 40 MB.
REQUEST_SECONDS, SOLVE_SECONDS = 300, 600


def is_available() -> bool:
    """Whether py-rattler is installed."""
    return importlib.util.find_spec("rattler") is not None


@dataclass(frozen=True)
class Measured:
    """What a downloaded package is. ``size``: bytes."""

    sha256: str
    md5: str
    size: int


class Solver:
    """Makes locks, one after the other; channels' indexes are fetched once. A context manager.

    ``cache``: folder where indexes are kept. ``proxies``: by ``http`` and ``https``, of this
    machine. ``measure``: downloads a package (by its plain URL), if nothing else tells its hash;
    without it that is the building job's work.
    """

    def __init__(
        self,
        access: Access,
        cache: Path,
        proxies: Mapping[str, str] | None = None,
        measure: Callable[[str], Measured] | None = None,
    ) -> None:
        self._access, self._cache, self._measure = access, cache, measure
        self._proxies = proxies or {}
        self._folder = tempfile.TemporaryDirectory(prefix="hutchbatch-")
        self._made: rattler.Gateway | None = None

    def __enter__(self) -> Solver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._made = None
        self._folder.cleanup()

    def lock(self, description: Description) -> Lock:
        """The lock of an environment.

        Raises ``Unsatisfiable``, ``Denied``, ``Unreachable``, and ``NotHere`` if py-rattler is not
        installed, or a pinned package's content is only known once it has been downloaded.
        """
        if not is_available():
            raise NotHere("py-rattler is not installed here (extra conda)")
        try:
            packages = _run(self._packages(description))
            return locks.made(
                description.name,
                tuple(packages),
                description.pip,
                description.post_deploy,
                description.variables,
            )
        except (locks.LockError, pins.PinError) as error:
            raise Unsatisfiable(f"{description.name} cannot be used: {error}") from error

    async def _packages(self, description: Description) -> list[LockedPackage]:
        if description.pins is not None:
            return await self._pinned(description, description.pins)
        return [self._locked(record) for record in await self._solved(description)]

    async def _solved(self, description: Description) -> list[rattler.RepoDataRecord]:
        from rattler.exceptions import GatewayError, SolverError  # noqa: PLC0415

        try:
            return await self._ask(description, description.strict)
        except SolverError as error:
            words = self._access.hidden(str(error))
        except GatewayError as error:
            raise unsolved.unreachable(description, self._access.hidden(str(error))) from None
        elsewhere = description.strict and len(description.channels) > 1
        if elsewhere:
            try:
                await self._ask(description, strict=False)
            except (SolverError, GatewayError):
                elsewhere = False
        raise Unsatisfiable(unsolved.unsatisfiable(description, words, elsewhere))

    async def _ask(self, description: Description, strict: bool) -> list[rattler.RepoDataRecord]:
        import rattler  # noqa: PLC0415

        priority = rattler.ChannelPriority
        return await rattler.solve(
            [self._channel(url) for url in description.channels],
            [self._spec(description, spec) for spec in description.specs],
            gateway=self._gateway(),
            platforms=PLATFORMS,
            virtual_packages=[_virtual(package) for package in description.virtual],
            add_pip_as_python_dependency=description.python_has_pip,
            # what the user named, and nothing that a channel names in turn
            channel_relations="disabled",
            channel_priority=priority.Strict if strict else priority.Disabled,
            timeout=datetime.timedelta(seconds=SOLVE_SECONDS),
        )

    def _channel(self, url: str) -> rattler.Channel:
        import rattler  # noqa: PLC0415

        return rattler.Channel(self._access.url(f"{url}/"))

    def _spec(self, description: Description, spec: str) -> rattler.MatchSpec:
        import rattler  # noqa: PLC0415

        channel, separator, rest = spec.rpartition("::")
        with_token = self._access.url(f"{channel}/").rstrip("/") if separator else ""
        try:
            return rattler.MatchSpec(with_token + separator + rest)
        except rattler.exceptions.InvalidMatchSpecError as error:
            words = " ".join(self._access.hidden(str(error)).split())
            raise Unsatisfiable(
                f"{description.name} cannot be solved: {spec!r} is not how conda names packages "
                f"({words})"
            ) from error

    def _locked(self, record: rattler.RepoDataRecord) -> LockedPackage:
        return LockedPackage(
            url=self._access.plain(str(record.url)),
            name=record.name.normalized,
            version=str(record.version),
            build=str(record.build),
            sha256=record.sha256.hex() if record.sha256 else None,
            md5=record.md5.hex() if record.md5 else None,
            size=record.size or None,
        )

    # pins

    async def _pinned(
        self, description: Description, wanted: tuple[Pin, ...]
    ) -> list[LockedPackage]:
        known = await self._known(description, wanted)
        found = []
        for pin in wanted:
            record = known.get(pin.url)
            if record is not None:
                what = (record.sha256, record.md5, record.size)
            elif pin.sha256 or pin.md5:
                what = (None, None, None)
            elif self._measure is not None:
                measured = self._measure(pin.url)
                what = (measured.sha256, measured.md5, measured.size)
            else:
                raise NotHere(f"no channel has the hash of {pin.url}, so it is downloaded first")
            found.append(pins.locked(pin, *what))
        return found

    async def _known(
        self, description: Description, wanted: tuple[Pin, ...]
    ) -> dict[str, LockedPackage]:
        """What channels say of these packages, as far as they do."""
        from rattler.exceptions import GatewayError  # noqa: PLC0415

        by_channel: dict[str, list[Pin]] = {}
        for pin in wanted:
            by_channel.setdefault(pin.url.rsplit("/", 2)[0], []).append(pin)
        found = {}
        for channel, its in by_channel.items():
            names = [pins.parts(pin.url)[0] for pin in its]
            try:
                answer = await self._gateway().query(
                    [self._channel(channel)],
                    PLATFORMS,
                    names,
                    recursive=False,
                    channel_relations="disabled",
                )
            except GatewayError as error:
                if self._measure is None and not all(pin.sha256 or pin.md5 for pin in its):
                    words = self._access.hidden(str(error))
                    reason = unsolved.unreachable(description, words)
                    if isinstance(reason, Denied):
                        raise reason from None
                    raise NotHere(str(reason)) from None
                continue
            urls = {pin.url for pin in its}
            for record in (each for records in answer for each in records):
                url = self._access.plain(str(record.url))
                if url in urls:
                    found[url] = self._locked(record)
        return found

    # rattler

    def _gateway(self) -> rattler.Gateway:
        if self._made is None:
            self._made = self._new_gateway()
        return self._made

    def _new_gateway(self) -> rattler.Gateway:
        import rattler  # noqa: PLC0415

        lines = []
        if self._access.hosts:
            logins = self._private("logins.json", accesses.auth_file(self._access))
            lines.append(f"authentication-override-file = {json.dumps(str(logins))}")
        if not self._access.verify:
            lines.append("tls-no-verify = true")
        if self._proxies:
            lines.append("[proxy-config]")
            lines += [f"{kind} = {json.dumps(url)}" for kind, url in self._proxies.items()]
        config = rattler.Config.from_toml("\n".join(lines))
        with self._authorities():
            client = rattler.Client.from_config(config, timeout=REQUEST_SECONDS)
        self._cache.mkdir(parents=True, exist_ok=True)
        return rattler.Gateway.from_config(config, cache_dir=self._cache, client=client)

    def _private(self, name: str, content: str) -> Path:
        """A file in a folder that only this user may enter."""
        path = Path(self._folder.name, name)
        path.write_text(content, encoding="utf-8")
        return path

    @contextlib.contextmanager
    def _authorities(self) -> Iterator[None]:
        """rattler takes trusted authorities from a variable, when it makes its client."""
        if self._access.authorities is None:
            yield
            return
        before = os.environ.get("SSL_CERT_FILE")
        os.environ["SSL_CERT_FILE"] = str(self._private("ca.pem", self._access.authorities))
        try:
            yield
        finally:
            del os.environ["SSL_CERT_FILE"]
            if before is not None:
                os.environ["SSL_CERT_FILE"] = before


def _virtual(package: str) -> rattler.GenericVirtualPackage:
    import rattler  # noqa: PLC0415

    name, version, build = package.split("=")
    return rattler.GenericVirtualPackage(
        rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
    )


def _run(work: Coroutine[object, object, T]) -> T:
    """In a thread of its own: Snakemake's may have an event loop that runs."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
