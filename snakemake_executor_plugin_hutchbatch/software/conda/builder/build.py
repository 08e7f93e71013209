"""One environment, from its lock to its manifest."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ....supervisor.conda_manifest import CondaPackage, Manifest, prefix_of
from ....supervisor.errors import LocalError, amount, say
from ....supervisor.s3 import S3
from ..lock import Lock
from . import inputs, install, parts, pip, place, publish, relocate, variables
from .fetch import Channels
from .order import Order
from .packages import Packages, described
from .place import Place
from .publish import Published, Target

#: Final paths have one length, whatever the key.
LENGTH = len(prefix_of("0" * 32))


def build(
    order: Order,
    s3: S3,
    channels: Channels,
    environ: Mapping[str, str],
    stop: threading.Event,
    now: Callable[[], float] = time.monotonic,
) -> bool:
    """Builds and publishes the environment, unless it is there already; whether it was built.

    Raises ``BuildFailure``, ``Failure``, ``LocalError`` of the disk, one of ``s3.ERRORS``, or
    ``Stopped``.
    """
    if order.key is not None and publish.look(s3, Target(order.environments, order.key)).whole:
        return _there(order)
    try:
        where = place.make([order.scratch], LENGTH)
    except OSError as error:
        raise LocalError(error, order.scratch) from error
    try:
        packages = Packages(s3, order.packages, channels, where.downloads, stop)
        index = where.cache / "index"
        lock = inputs.lock(s3, order, channels.access, index, packages.measure)
        target = Target(order.environments, lock.key)
        seen = publish.look(s3, target)
        if seen.whole:
            return _there(order)
        begin = now()
        environ = {**environ, **channels.access.pip}
        pips = _install(lock, packages, where, environ, seen, order.cpus)
        say(f"installed in {now() - begin:.0f} s.")
        begin = now()
        manifest = _publish(order, s3, target, where, pips, stop)
        say(f"packed and stored in {now() - begin:.0f} s.")
        if not publish.store_manifest(s3, target, manifest, seen):
            say("another job has built the same environment meanwhile, which is used.")
        return True
    except OSError as error:
        raise LocalError(error, str(error.filename or where.prefix)) from error
    finally:
        where.scratch.remove()


def _there(order: Order) -> bool:
    say(f"the conda environment {order.name} is in S3 already.")
    return False


def _install(
    lock: Lock,
    packages: Packages,
    where: Place,
    environ: Mapping[str, str],
    seen: Published,
    cpus: int,
) -> list[str]:
    """Everything that makes up the environment, at its private path; what pip has brought."""
    say(described(packages.get(lock.packages)))
    Path(where.prefix, "conda-meta").mkdir(parents=True)
    install.link(lock.packages, where.downloads, where.cache, where.prefix)
    shutil.rmtree(where.downloads)
    install.run_link_scripts(environ, where.prefix)
    known = seen.manifest.pip if seen.manifest else ()
    folder = Path(where.scratch.work)
    pips = pip.install(environ, where.prefix, lock.pip, folder, known)
    variables.declare(where.prefix, lock.variables)
    pip.post_deploy(environ, where.prefix, lock.post_deploy, folder)
    install.compile_modules(environ, where.prefix, cpus)
    return pips


def _publish(
    order: Order, s3: S3, target: Target, where: Place, pips: list[str], stop: threading.Event
) -> Manifest:
    """Packs the environment and stores its parts; the manifest, which is not stored yet."""
    own, final = variables.variables(where.prefix), prefix_of(target.key)
    prefixed = relocate.relocate(where.prefix, final)
    found = parts.entries(where.prefix)
    stored = publish.store_parts(
        s3, target, where.prefix, parts.planned(found), where.parts, order.cpus, stop
    )
    size = sum(part.unpacked for part in stored)
    packed = sum(part.size for part in stored)
    say(
        f"the conda environment {order.name} has {amount(size)} in {len(found):,} files, packed "
        f"{amount(packed)} in {len(stored):,} parts."
    )
    return Manifest(
        key=target.key,
        prefix=final,
        size=size,
        parts=tuple(stored),
        prefixed=tuple(prefixed),
        variables={name: value.replace(where.prefix, final) for name, value in own.items()},
        packages=tuple(CondaPackage(*each) for each in install.packages_in(where.prefix)),
        pip=tuple(pips),
    )
