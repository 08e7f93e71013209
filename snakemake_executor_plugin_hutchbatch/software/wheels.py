"""Wheels from the index that the user's pip is set to: ``pip.conf``, ``PIP_INDEX_URL`` and the
like, find-links folders included."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from .installed import Package, Target, glibc_of, platforms

#: Seconds without an end after which pip is given up.
PATIENCE = 900.0


class NoWheels(Exception):
    """Wheels of these packages cannot be had; the message says which and why."""

    def __init__(self, message: str, packages: Sequence[Package]) -> None:
        super().__init__(message)
        self.packages = tuple(packages)


def download(packages: Sequence[Package], target: Target, folder: Path) -> list[Path]:
    """The wheels of these packages for the container's Python. Raises ``NoWheels``."""
    if not packages:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    failed = _pip(packages, target, folder)
    if failed is not None:
        # One after the other, to name those that cannot be had.
        if len(packages) > 1:
            refused = [p for p in packages if _pip([p], target, folder) is not None]
        else:
            refused = list(packages)
        refused = refused or list(packages)
        names = ", ".join(package.requirement for package in refused)
        raise NoWheels(
            f"no wheel for Linux ({target.machine}) and Python {target.python} could be had of "
            f"{names} ({failed})",
            refused,
        )
    return sorted(folder.glob("*.whl"))


def _pip(packages: Sequence[Package], target: Target, folder: Path) -> str | None:
    """None, or why it failed."""
    abis = (f"cp{target.major}{target.minor}", "abi3", "none")
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"),
        *("--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(folder)),
        *("--implementation", "cp", "--python-version", target.python),
        *(word for abi in abis for word in ("--abi", abi)),
        *(word for platform in platforms(target.machine) for word in ("--platform", platform)),
        *(package.requirement for package in packages),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or [f"pip ended with exit code {done.returncode}"])[-1]


def unpack(wheel: Path, tree: Path) -> int:
    """Unpacks a wheel's modules into a folder; the glibc (minor) that it needs."""
    platform = wheel.stem.rpartition("-")[2]
    machine = "aarch64" if "aarch64" in platform else "x86_64"
    with zipfile.ZipFile(wheel) as archive:
        for item in archive.infolist():
            name = _place(item.filename)
            if item.is_dir() or name is None:
                continue
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(item) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
            path.chmod(0o755 if (item.external_attr >> 16) & 0o111 else 0o644)
    return glibc_of(platform, machine) or 0


def _place(name: str) -> str | None:
    """Where a file of a wheel belongs on the path; None for scripts, headers and the like."""
    if name.startswith("/") or ".." in name.split("/"):
        return None
    match = re.fullmatch(r"[^/]+\.data/(\w+)/(.+)", name)
    if match is None:
        return name
    return match[2] if match[1] in ("purelib", "platlib") else None
