"""Where a job definition's volumes are on this machine."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .host import Mount

#: A "host" path with this in a component's name is the host's conda prefix (at the Hutch
#: /home/ec2-user/miniconda), and thus the running Python's.
CLI_PREFIX = "miniconda"
#: Where jobs with conda environments see a part of their scratch disk once more, under a path that
#: is short; they do without it.
HOST_CACHE = "/hutchbatch"


@dataclass(frozen=True)
class Bind:
    """``source`` on this machine, which the container sees at ``path``. With ``root_disk`` it is a
    folder of that name on a disk of its own, of so many megabytes."""

    source: str
    path: str
    read_only: bool = False
    root_disk: int = 0


@dataclass(frozen=True)
class Volumes:
    """The host's directories: ``directory`` has the "host"'s own file system, ``tools`` maps a word
    in a host path to a directory of this machine that is mounted read-only instead."""

    directory: Path
    tools: Mapping[str, str] = field(default_factory=lambda: {CLI_PREFIX: sys.prefix})

    def tool(self, source: str | None) -> str | None:
        """The machine's own directory that is used for a host path, if any."""
        parts = Path(source or "").parts
        for index, part in enumerate(parts):
            for word, prefix in self.tools.items():
                if word in part:
                    return str(Path(prefix, *parts[index + 1 :]))
        return None

    def binds(
        self,
        mounts: Iterable[Mount],
        private: Path,
        own: Iterable[str],
        hidden: Iterable[str] = (),
        missing: Mapping[str, int] | None = None,
    ) -> list[Bind]:
        """The binds, in order: the mounts, outer ones first, then those paths of ``own`` (which
        must stay visible) that the mounts, or ``hidden`` folders, would hide.

        ``private`` is for the anonymous volumes; the host's directories are created, open to all
        unless they are ``missing``.
        """
        found: list[Bind] = []
        for number, mount in enumerate(mounts):
            tool = self.tool(mount.source)
            if tool is not None:
                found.append(Bind(tool, mount.path, read_only=True))
                continue
            if mount.source is not None and mount.source in (missing or {}):
                megabytes = (missing or {})[mount.source]
                found.append(Bind(mount.source, mount.path, mount.read_only, megabytes))
                continue
            if mount.source is None:
                directory = private / f"volume-{number}"
            else:
                directory = self.directory / mount.source.strip("/")
            if not directory.exists():
                directory.mkdir(parents=True, exist_ok=True)  # two jobs may start at once
                directory.chmod(0o1777)
            found.append(Bind(str(directory), mount.path, mount.read_only))
        found.sort(key=lambda bind: len(Path(bind.path).parts))
        covers = [*(bind.path for bind in found), *hidden]
        covered = [
            path
            for path in own  # not a path that is itself a mount: a script may be right in /tmp
            if any(path != cover and _below(path, cover) for cover in covers)
        ]
        return found + [Bind(path, path, read_only=True) for path in covered]

    def without_mounting(self, mounts: Iterable[Mount]) -> str | None:
        """None if a job can run on this machine without mounts; otherwise the volume it lacks.

        It can if /tmp is mounted at /tmp (this machine's own is used) and if only the host's tools
        are missing (the container then uses the ``python3`` of its PATH), or its cache.
        """
        dispensable = ("/tmp", HOST_CACHE)  # noqa: S108
        for mount in mounts:
            if self.tool(mount.source) is None and mount.path.rstrip("/") not in dispensable:
                return f"{mount.source or 'a volume'} at {mount.path}"
        return None


def python_paths(hidden: str | None = None) -> list[str]:
    """The paths that the running Python needs: its prefixes and all it can import from, also the
    source of an editable install; nested paths are left out. A ``hidden`` folder itself is not
    included, only paths below it: Python may import from it because it was started there."""
    candidates = {
        sys.prefix,
        sys.base_prefix,
        str(Path(sys.executable).parent),
        str(Path(sys.executable).resolve().parent.parent),
        str(Path(__file__).parents[3]),
        *([str(Path(__file__).parents[2])] if hidden else []),
        *sysconfig.get_paths().values(),
        *sys.path,
    }
    real = sorted({os.path.realpath(path) for path in candidates if path and Path(path).exists()})
    paths = sorted({*real, *(os.path.abspath(path) for path in candidates if Path(path).exists())})  # noqa: PTH100 - symbolic links as they are
    kept: list[str] = []
    for path in paths:
        if path not in ("/", hidden) and not any(_below(path, other) for other in kept):
            kept.append(path)
    return kept


@dataclass(frozen=True)
class Programs:
    """Where programs are searched: a PATH, and the folders that must be seen for it."""

    path: str
    seen: tuple[str, ...]


def program_paths(search_path: str, hidden: str | None = None) -> Programs:
    """Of a person's PATH what jobs here may use: absolute folders that exist, but not those in
    the ``hidden`` one. A folder ``bin`` is seen with the prefix that it belongs to."""
    folders = [
        folder
        for folder in dict.fromkeys(search_path.split(os.pathsep))
        if Path(folder).is_absolute()
        and Path(folder).is_dir()
        and not (hidden and _below(os.path.realpath(folder), hidden))
    ]
    prefixes = [str(Path(folder).parent) for folder in folders if Path(folder).name == "bin"]
    roots = ("/", "/tmp", "/usr", "/usr/local", hidden)  # noqa: S108 - too much, or mounted over
    seen = [each for each in dict.fromkeys([*prefixes, *folders]) if each not in roots]
    return Programs(os.pathsep.join(folders), tuple(seen))


def _below(path: str, directory: str) -> bool:
    """True if ``path`` is ``directory`` or inside it."""
    return Path(path).is_relative_to(directory)
