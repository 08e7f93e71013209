"""One archive of packages, made of what is installed here and of wheels.

It depends on the packages alone: equal ones give equal bytes, on whatever machine. Its modules are
compiled, which takes a job longer than to start Snakemake.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import files
from . import wheels
from .installed import Package, Target

#: Of the way that archives are made: another one is another archive.
FORMAT = 2
#: 2000-01-01, as the workflow's code has it.
FIXED_TIME = 946_684_800
#: Archives that are kept on this machine, the last used ones.
KEPT = 12
#: Said by installers about this machine; of no use elsewhere.
_OF_THIS_MACHINE = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
#: Says which files a package has: of use where packages are packed once more.
_RECORD = "RECORD"
#: What Snakemake needs of AWS's services: the descriptions of all are a third of all bytes.
_SERVICES = frozenset({"s3", "sts", "sso", "sso-oidc", "signin"})
#: What hutchbatch needs beside that, where it leads a run.
_OF_CONTROLLERS = frozenset({"batch", "ec2", "logs", "service-quotas"})
#: A solver for each system: another third.
_SOLVERS = "pulp/solverdir/cbc/"
_PRUNED = frozenset({"pulp", "boto3", "botocore"})
_NONE: Mapping[str, bytes] = {}
_OWN_SOLVER = {"x86_64": "linux/i64/", "aarch64": "linux/arm64/"}


@dataclass(frozen=True)
class Pack:
    """An archive on this machine. ``size``: bytes when it is unpacked; ``glibc``: the least version
    (``2.17``) that its compiled modules need."""

    path: Path
    sha256: str
    size: int
    glibc: str


def folder_of_user() -> Path:
    """Where archives are kept on this machine."""
    return files.user_cache() / "packages"


def key_of(
    packages: Sequence[Package],
    target: Target,
    whole: Collection[str] = (),
    also: Mapping[str, bytes] = _NONE,
    leads: bool = False,
) -> str:
    """Stands for all that an archive is made of."""
    parts = {
        "format": FORMAT,
        "whole": sorted(_PRUNED.intersection(whole)),
        "python": [sys.version, target.suffix],
        "packages": [
            [p.name, p.version, p.specifier, p.how, _digest_of(p) if p.how == "copied" else ""]
            for p in packages
        ],
    }
    if leads:
        parts["leads"] = sorted(_OF_CONTROLLERS)
    if also:
        parts["also"] = {name: hashlib.sha256(data).hexdigest() for name, data in also.items()}
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _digest_of(package: Package) -> str:
    record = package.found and package.found.read_text("RECORD")
    return hashlib.sha256((record or "").encode()).hexdigest()


def is_kept(
    packages: Sequence[Package],
    target: Target,
    whole: Collection[str] = (),
    folder: Path | None = None,
    also: Mapping[str, bytes] = _NONE,
    leads: bool = False,
) -> bool:
    """Whether ``made`` has nothing to do."""
    key = key_of(packages, target, whole, also, leads)
    return _kept(folder or folder_of_user(), key) is not None


def made(
    packages: Sequence[Package],
    target: Target,
    whole: Collection[str] = (),
    folder: Path | None = None,
    also: Mapping[str, bytes] = _NONE,
    leads: bool = False,
) -> Pack:
    """The archive of these packages: the one that is kept here, else a new one. ``whole``: those
    that the workflow itself uses; of others that Snakemake uses in part, the rest is left out.
    ``also``: more files, by their paths. ``leads``: what runs there leads a run, and packs such
    archives for its jobs itself.

    Raises ``wheels.NoWheels``, and ``OSError`` where the disk does not take it.
    """
    place = folder or folder_of_user()
    key = key_of(packages, target, whole, also, leads)
    if (kept := _kept(place, key)) is not None:
        return kept
    with tempfile.TemporaryDirectory(prefix="hutchbatch-") as temporary:
        tree = Path(temporary, "tree")
        tree.mkdir()
        glibc = max([5, *(package.glibc for package in packages)])
        for package in packages:
            if package.how == "copied":
                _copy(package, tree)
        fetched = [package for package in packages if package.how == "fetched"]
        for wheel in wheels.download(fetched, target, Path(temporary, "wheels")):
            glibc = max(glibc, wheels.unpack(wheel, tree))
        _prune(tree, target, whole, leads)
        for name, data in also.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(data)
        _compile(tree)
        draft = Path(temporary, "archive")
        size = _archive(tree, draft)
        content = draft.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    about = {"sha256": digest, "size": size, "glibc": f"2.{glibc}"}
    files.write(place / f"{key}.tar.gz", content)
    files.write(place / f"{key}.json", json.dumps(about))
    _forget_old(place)
    return Pack(place / f"{key}.tar.gz", digest, size, f"2.{glibc}")


def _kept(place: Path, key: str) -> Pack | None:
    try:
        about = json.loads((place / f"{key}.json").read_text())
        pack = Pack(place / f"{key}.tar.gz", about["sha256"], about["size"], about["glibc"])
        with pack.path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != pack.sha256:
                return None
        os.utime(pack.path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pack


def _forget_old(place: Path) -> None:
    found = sorted(place.glob("*.tar.gz"), key=lambda path: -path.stat().st_mtime)
    for path in found[KEPT:]:
        path.unlink(missing_ok=True)
        path.with_name(path.name.replace(".tar.gz", ".json")).unlink(missing_ok=True)


def _copy(package: Package, tree: Path) -> None:
    """The files of an installed package, but for its scripts."""
    there = package.found
    for file in (there.files or ()) if there else ():
        parts = file.parts
        if ".." in parts or "__pycache__" in parts or Path(file).is_absolute():
            continue
        source = Path(str(file.locate()))
        if source.is_file():
            target = tree / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def _prune(tree: Path, target: Target, whole: Collection[str], leads: bool) -> None:
    """Removes what says something of this machine, and what nobody needs there."""
    for path in list(tree.rglob("*")):
        if path.is_file() and _is_needless(path.relative_to(tree), target, whole, leads):
            path.unlink()


def _is_needless(path: Path, target: Target, whole: Collection[str], leads: bool) -> bool:
    parts, name = path.parts, path.as_posix()
    said = _OF_THIS_MACHINE if leads else (*_OF_THIS_MACHINE, _RECORD)
    if path.suffix == ".pth" or (parts[0].endswith(".dist-info") and path.name in said):
        return True
    if name.startswith(_SOLVERS) and "pulp" not in whole:
        return not name.startswith((_SOLVERS + _OWN_SOLVER[target.machine], _SOLVERS + "__init__"))
    service = parts[:2] == ("botocore", "data") and len(parts) > 3
    services = _SERVICES | _OF_CONTROLLERS if leads else _SERVICES
    return service and parts[2] not in services and not {"boto3", "botocore"} & set(whole)


def _compile(tree: Path) -> None:
    """Compiles what is Python; whose time is not asked for at each import, since it is known not
    to change. Hashes without a seed, so that sets in the code have one order."""
    command = [
        *(sys.executable, "-s", "-S", "-m", "compileall", "-q", "-q", "-j", "0"),
        *("--invalidation-mode", "unchecked-hash", "-s", str(tree), str(tree)),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run(
        command,
        env={**environment, "PYTHONHASHSEED": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,  # templates that look like modules
    )


def _archive(tree: Path, draft: Path) -> int:
    """Packs a folder; the bytes in it."""
    size = 0
    with (
        draft.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(tree.rglob("*")):
            if not path.is_file():
                continue
            member = tarfile.TarInfo(path.relative_to(tree).as_posix())
            member.size = path.stat().st_size
            member.mtime = FIXED_TIME
            member.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            with path.open("rb") as content:
                archive.addfile(member, content)
            size += member.size
    return size


def this_machine(machine: str) -> bool:
    """Whether compiled modules of this Python run in containers on such a machine."""
    libc = platform.libc_ver()[0] == "glibc"
    return sys.platform == "linux" and libc and platform.machine() == machine
