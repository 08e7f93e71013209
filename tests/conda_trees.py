"""Small conda environments as archives, in the form that their builder stores."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from snakemake_executor_plugin_hutchbatch.supervisor import conda_manifest
from snakemake_executor_plugin_hutchbatch.supervisor.conda_manifest import (
    BINARY,
    BYTECODE,
    LINK,
    TEXT,
    Manifest,
    Part,
    Prefixed,
)
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import CondaEnvironment

KEY = "0123456789abcdef" * 2
MOMENT = 1_600_000_000
LONG = "share/" + "long-" * 30 + "name"
SHELL = Path("/bin/sh").resolve()


@dataclass
class Member:
    """A file of an archive; ``link`` and ``also``: a symbolic link, or another name of a file."""

    content: bytes = b""
    mode: int = 0o644
    link: str | None = None
    also: str | None = None


def archive(members: Mapping[str, Member | None]) -> bytes:
    """A ``.tar.gz``; None is a folder."""
    held = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", 1, held, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name, member in members.items():
            info = tarfile.TarInfo(name)
            info.mtime = MOMENT
            if member is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif member.link is not None:
                info.type, info.linkname = tarfile.SYMTYPE, member.link
            elif member.also is not None:
                info.type, info.linkname = tarfile.LNKTYPE, member.also
            else:
                info.mode, info.size = member.mode, len(member.content)
                tar.addfile(info, io.BytesIO(member.content))
                continue
            tar.addfile(info)
    return held.getvalue()


@dataclass
class Tree:
    """An environment in two parts, whose files hold its path; ``more`` of the first part."""

    key: str = KEY
    name: str = "envs/tool.yaml"
    word: str = "tool"
    more: Mapping[str, Member] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    size: int = 0

    @property
    def prefix(self) -> str:
        return conda_manifest.prefix_of(self.key)

    def parts(self) -> Sequence[Mapping[str, Member | None]]:
        prefix = self.prefix.encode()
        own = b"#!" + prefix + b"/bin/interp\n"
        programs: dict[str, Member | None] = {
            "bin": None,
            "bin/real": Member(SHELL.read_bytes(), 0o755),
            "bin/interp": Member(link=f"{self.prefix}/bin/real"),
            "bin/near": Member(link="real"),
            "bin/tool": Member(own + f'echo "{self.word} of {self.prefix}"\n'.encode(), 0o555),
            "bin/again": Member(also="bin/tool"),
            **self.more,
        }
        library: dict[str, Member | None] = {
            "lib": None,
            "share": None,
            "etc/conda/activate.d": None,
            "lib/data": Member(b"\0\1" + prefix + b"/a:" + prefix + b"/b\0tail\0", 0o444),
            "lib/module.py": Member(b"pass\n"),
            "lib/module.pyc": Member(b"\0" + prefix + b"\0"),
            "etc/conda/activate.d/b.sh": Member(b'export ORDER="${ORDER-}b"\nfalse\n'),
            "etc/conda/activate.d/a.sh": Member(b'export ORDER="${ORDER-}a"\n'),
            "etc/conda/activate.d/a.fish": Member(b"exit 9\n"),
            LONG: Member(b"long"),
        }
        return [programs, library]

    def made(self) -> tuple[Manifest, dict[str, bytes]]:
        """The manifest, and the objects beside it."""
        objects: dict[str, bytes] = {}
        parts = []
        for members in self.parts():
            data = archive(members)
            digest = hashlib.sha256(data).hexdigest()
            objects[f"{digest}.tar.gz"] = data
            unpacked = sum(len(member.content) for member in members.values() if member)
            parts.append(Part(f"{digest}.tar.gz", digest, len(data), unpacked))
        prefixed = (
            Prefixed("bin/again", TEXT),
            Prefixed("bin/interp", LINK),
            Prefixed("bin/tool", TEXT),
            Prefixed("lib/data", BINARY),
            Prefixed("lib/module.pyc", BYTECODE),
        )
        size = self.size or sum(part.unpacked for part in parts)
        return Manifest(
            self.key, self.prefix, size, tuple(parts), prefixed, self.variables
        ), objects

    def stored(self, put: Callable[[str, bytes], str], folder: str = "") -> CondaEnvironment:
        """Stores it; ``put`` returns the URL of what it has stored by a key."""
        manifest, objects = self.made()
        folder = folder or f"conda/envs/{self.key}"
        for name, data in objects.items():
            put(f"{folder}/{name}", data)
        data = conda_manifest.dumps(manifest)
        url = put(f"{folder}/manifest.json", data)
        return CondaEnvironment(
            self.key, self.name, url, hashlib.sha256(data).hexdigest(), manifest.size
        )


def is_right(prefix: str | Path, held: str, exact: bool) -> bool:
    """Whether a tree is whole, with files that hold ``held``. ``exact``: as it was built."""
    root = Path(prefix)
    data = (root / "lib" / "data").read_bytes()
    new, old = held.encode(), conda_manifest.prefix_of(KEY).encode()
    strings = [text for text in data.split(b"\0") if text]
    tool = root / "bin" / "tool"
    return (
        strings == [b"\1" + new + b"/a:" + new + b"/b", b"tail"]
        and len(data) == len(b"\0\1/a:/b\0tail\0") + 2 * len(old)
        and (root / "lib" / "module.pyc").exists() == exact
        and str(held) in tool.read_text()
        and tool.samefile(root / "bin" / "again")
        and (tool.stat().st_mode & 0o777, tool.stat().st_mtime) == (0o555, MOMENT)
        and (root / "bin" / "interp").readlink() == Path(held, "bin", "real")
        and (root / "bin" / "near").readlink() == Path("real")
        and (root / "lib" / "data").stat().st_mode & 0o777 == 0o444
        and (root / LONG).read_text() == "long"
    )
