"""Conda's part of an environment: packages linked into the prefix, and what they run after that."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ....supervisor.errors import say, words
from ....supervisor.problems import Cause, Facts, Problem
from ..lock import LockedPackage
from . import commands
from .errors import BuildFailure, last

#: Where link scripts leave what users are to read.
MESSAGES = ".messages.txt"


def link(packages: Sequence[LockedPackage], downloads: Path, cache: Path, prefix: str) -> None:
    """Installs the packages, which lie in ``downloads``. Raises ``BuildFailure``."""
    try:
        asyncio.run(_install(packages, downloads, cache, prefix))
    except Exception as error:  # of py-rattler: it has no class for all of its own
        if _is_full(error):
            raise OSError(28, "No space left on device", prefix) from error
        facts = Facts(words=words(" ".join(str(error).split())))
        raise BuildFailure(Cause.COMMAND, Problem.CONDA_INSTALL, facts) from error
    by_stem = {f"{p.name}-{p.version}-{p.build}": p for p in packages}
    for path in Path(prefix, "conda-meta").glob("*.json"):
        if path.stem in by_stem:
            _correct(path, by_stem[path.stem])


async def _install(
    packages: Sequence[LockedPackage], downloads: Path, cache: Path, prefix: str
) -> None:
    from rattler import install
    from rattler.repo_data import RepoDataRecord

    records = [
        await RepoDataRecord.from_package_archive(downloads / package.filename)
        for package in packages
    ]
    # Link scripts are run below: py-rattler is content with those that fail.
    await install(records, prefix, cache_dir=cache, execute_link_scripts=False, show_progress=False)


def _is_full(error: Exception) -> bool:
    text = str(error).lower()
    return "no space left" in text or "os error 28" in text or "quota exceeded" in text


def _correct(path: Path, package: LockedPackage) -> None:
    """Says in a package's record where it is from, not where it lay while it was installed."""
    record = json.loads(path.read_text("utf-8"))
    record.update(url=package.url, channel=package.channel, fn=package.filename)
    for name, value in (("sha256", package.sha256), ("md5", package.md5)):
        if value is not None:
            record[name] = value
    for name in ("extracted_package_dir", "package_tarball_full_path", "link"):
        record.pop(name, None)
    path.write_text(json.dumps(record, indent=2), "utf-8")


def run_link_scripts(environ: Mapping[str, str], prefix: str) -> None:
    """Runs what packages bring to be run after they are linked, each after those it depends on.
    Raises ``BuildFailure``."""
    for record in in_order(_records(prefix)):
        name = str(record["name"])
        script = Path(prefix, "bin", f".{name}-post-link.sh")
        if not script.is_file():
            continue
        given = {
            "PREFIX": prefix,
            "PKG_NAME": name,
            "PKG_VERSION": str(record["version"]),
            "PKG_BUILDNUM": str(record["build_number"]),
        }
        command = f". {commands.quoted([str(script)])}"
        ended = commands.run(command, environ, prefix, prefix, given)
        messages = _messages(Path(prefix, MESSAGES))
        if messages:
            say(f"{name}: {messages}")
        if ended.code:
            facts = Facts(
                file=f"{name} {record['version']}",
                words=last(f"{ended.output}\n{messages}"),
                code=commands.ending(ended.code),
            )
            raise BuildFailure(Cause.COMMAND, Problem.CONDA_LINK, facts)


def _messages(path: Path) -> str:
    """What a script has left for people; it is shown once."""
    try:
        text = path.read_text("utf-8", "replace").strip()
        path.unlink()
    except OSError:
        return ""
    return text


def _records(prefix: str) -> list[dict[str, object]]:
    paths = sorted(Path(prefix, "conda-meta").glob("*.json"))
    return [json.loads(path.read_text("utf-8")) for path in paths]


def in_order(records: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Packages after those they depend on, else by name; circles are cut somewhere. Pure."""
    by_name = {str(record["name"]): record for record in records}
    done: dict[str, Mapping[str, object]] = {}
    for first in sorted(by_name):
        waiting = [(first, False)]
        seen: set[str] = set()
        while waiting:
            name, is_over = waiting.pop()
            if name in done or name not in by_name:
                continue
            if is_over:
                done[name] = by_name[name]
            elif name not in seen:
                seen.add(name)
                depends = by_name[name].get("depends")
                below = [str(each).split()[0] for each in depends or ()]  # type: ignore[attr-defined]
                waiting += [(name, True), *((each, False) for each in sorted(below, reverse=True))]
    return list(done.values())


def compile_modules(environ: Mapping[str, str], prefix: str, cpus: int) -> None:
    """Compiles Python modules that came without, or whose time has changed since: conda does so for
    packages that serve all Pythons. Once here, not in each job. What cannot be compiled is left as
    it is."""
    python = Path(prefix, "bin", "python")
    folders = [str(path) for path in Path(prefix, "lib").glob("python3*") if path.is_dir()]
    if not python.exists() or not folders:
        return
    subprocess.run(
        [str(python), "-E", "-m", "compileall", "-q", "-q", "-j", str(cpus), *folders],
        env=dict(commands.activated("", environ, prefix).programs),
        cwd=prefix,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )


def packages_in(prefix: str) -> list[tuple[str, str, str]]:
    """Name, version and build of what is installed."""
    return [(str(r["name"]), str(r["version"]), str(r["build"])) for r in _records(prefix)]
