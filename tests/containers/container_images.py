"""Images made without a registry, of this machine's own programs.

An image is a tar of files with the libraries they load, given to ``podman import``. Each is built
once and kept in the engine's storage under a tag that says what is in it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import re
import shutil
import sys
import sysconfig
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from snakemake_executor_plugin_hutchbatch.containers.engines import Engine
from snakemake_executor_plugin_hutchbatch.containers.host_python import (
    LEFT_OUT,
    LOADERS,
    shared_libraries,
)

COREUTILS = (
    *("cat", "chmod", "cp", "cut", "date", "dd", "df", "dirname", "env", "false", "head", "id"),
    *("ln", "ls", "mkdir", "mkfifo", "mv", "rm", "rmdir", "seq", "sleep", "sort", "stat", "tail"),
    *("tee", "touch", "tr", "true", "uname", "uniq", "wc"),
)
#: Programs of this machine that the images are made of.
NEEDED = ("bash", "dash", "bash-static", "busybox", "ldd", *COREUTILS)
OF_WHEELS = (
    *("libgcc_s.so.1", "libstdc++.so.6", "librt.so.1", "libpthread.so.0", "libdl.so.2"),
    *("libm.so.6", "libutil.so.1"),
)
LIBRARIES = ("usr/lib/*-linux-gnu/", "lib/*-linux-gnu/", "usr/lib64/")
PASSWD = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n"


@dataclass
class Tree:
    """An image's file system: a path in it → a file of this machine, or a text, or a link."""

    files: dict[str, Path] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def program(self, source: str | Path, *targets: str) -> None:
        """A program at ``targets`` (else at its own path) with the libraries it loads."""
        real = Path(source).resolve()
        for target in targets or (str(source),):
            self.files[target] = real
        self.libraries([real])

    def libraries(self, programs: Iterable[Path]) -> None:
        for library in shared_libraries(programs):
            self.files[str(library)] = library.resolve()

    def folder(self, source: Path, target: str) -> None:
        for folder, folders, names in os.walk(source):
            folders[:] = [name for name in folders if name not in LEFT_OUT]
            inside = Path(target, Path(folder).relative_to(source))
            self.files.update({str(inside / name): Path(folder, name).resolve() for name in names})

    def digest(self) -> str:
        stamps = {}
        for target, source in self.files.items():
            state = source.stat()
            stamps[target] = [str(source), state.st_size, state.st_mtime_ns]
        content = json.dumps([stamps, self.texts, self.links], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def tar(self) -> bytes:
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w") as tar:
            for name, mode in (("tmp", 0o1777), ("root", 0o755), ("etc", 0o755)):
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode = tarfile.DIRTYPE, mode
                tar.addfile(entry)
            for target, source in sorted(self.files.items()):
                entry = tarfile.TarInfo(target.lstrip("/"))
                entry.size = source.stat().st_size
                entry.mode = 0o755 if os.access(source, os.X_OK) else 0o644
                with source.open("rb") as file:
                    tar.addfile(entry, file)
            for target, text in self.texts.items():
                entry = tarfile.TarInfo(target.lstrip("/"))
                entry.size, entry.mode = len(text.encode()), 0o755
                tar.addfile(entry, io.BytesIO(text.encode()))
            for target, goal in self.links.items():
                entry = tarfile.TarInfo(target.lstrip("/"))
                entry.type, entry.linkname = tarfile.SYMTYPE, goal
                tar.addfile(entry)
        return held.getvalue()


def build(engine: Engine, name: str, tree: Tree, *changes: str) -> str:
    """The name of the image; ``changes`` are a Dockerfile's instructions (USER, ENTRYPOINT)."""
    tree.texts.setdefault("/etc/passwd", PASSWD)
    digest = hashlib.sha256((tree.digest() + json.dumps(changes)).encode()).hexdigest()[:12]
    image = f"localhost/hutchbatch-test-{name}:{digest}"
    if engine.run("image", "inspect", image).returncode:
        options = [f"--change={change}" for change in changes]
        made = engine.run("import", *options, "-", image, data=tree.tar())
        assert made.returncode == 0, made.stderr
    return image


def here(name: str) -> str:
    found = shutil.which(name)
    assert found, name
    return found


def shell_only() -> Tree:
    """``sh`` and coreutils, glibc, no bash."""
    tree = Tree()
    tree.program(here("dash"), "/bin/sh")
    for name in COREUTILS:
        tree.program(here(name), f"/usr/bin/{name}", f"/bin/{name}")
    return tree


#: The specification of an environment, and a program that it has in a containerized image.
ENVIRONMENT = "channels: [conda-forge]\ndependencies: [tool=1]\n"
TOOL = '#!/bin/sh\necho "tool in $CONDA_PREFIX with $FROM_SCRIPT"\n'


def containerized() -> Tree:
    """As ``snakemake --containerize`` makes them: with an environment that is named by its file."""
    tree = plain()
    digest = hashlib.md5(ENVIRONMENT.encode(), usedforsecurity=False).hexdigest()
    folder = f"/conda-envs/{digest}"
    tree.texts[f"{folder}/bin/tool"] = TOOL
    tree.texts[f"{folder}/etc/conda/activate.d/a.sh"] = "export FROM_SCRIPT=a$NOT_SET\n"
    return tree


def plain() -> Tree:
    """bash and coreutils, no Python."""
    tree = shell_only()
    tree.program(here("bash"), "/bin/bash")
    return tree


def with_python() -> Tree:
    """The same with the Python that runs these tests, bare: no botocore."""
    tree = plain()
    executable = Path(sys.executable).resolve()
    base = Path(sys.base_prefix)
    names = ("base", "platbase", "installed_base", "installed_platbase")
    variables = dict.fromkeys(names, str(base))
    for name in ("stdlib", "platstdlib"):
        library = Path(sysconfig.get_path(name, "posix_prefix", variables))
        tree.folder(library, str(library))
    tree.files[str(executable)] = executable
    # What wheels for Linux may count on (PEP 600): not all of it is loaded by Python itself.
    for name in OF_WHEELS:
        for folder in LIBRARIES:
            tree.files.update({str(path): path.resolve() for path in Path("/").glob(folder + name)})
    tree.libraries([executable, *(path for path in tree.files.values() if ".so" in path.name)])
    for name in ("python3", "python"):
        tree.links[f"/usr/local/bin/{name}"] = str(executable)
    return tree


def with_snakemake() -> Tree:
    """And with Snakemake and its S3 storage, but nothing of ours."""
    tree = with_python()
    seen: set[str] = set()
    waiting = ["snakemake", "snakemake-storage-plugin-s3", "boto3"]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for other Pythons or systems
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                path = Path(str(found.locate_file(file)))
                if path.is_file():
                    tree.files[f"/opt/snakemake/{file}"] = path
        for requirement in found.requires or ():
            if "extra ==" not in requirement:
                waiting.append(re.match(r"[\w.-]+", requirement)[0])
    loaded = [path for name, path in tree.files.items() if "/opt/" in name and ".so" in path.name]
    tree.libraries(loaded)
    assert not any("hutchbatch" in name for name in tree.files)
    return tree


def without_glibc() -> Tree:
    """A static bash and busybox, and no glibc: to the host's Python the same as Alpine (musl)."""
    tree = Tree()
    tree.files["/bin/bash"] = Path(here("bash-static"))
    tree.files["/bin/busybox"] = Path(here("busybox")).resolve()
    for name in ("sh", *COREUTILS):
        tree.links[f"/bin/{name}"] = "busybox"
    assert not any(loader in tree.files for loader in LOADERS)
    return tree


def without_glibc_but_python(prefix: Path) -> Tree:
    """The same with a ``python3`` that needs nothing of the system: ``prefix`` is a host's."""
    tree = without_glibc()
    tree.folder(prefix / "lib", "/opt/python/lib")
    program = next(p for p in (prefix / "bin").iterdir() if p.name.startswith("python3."))
    tree.files[f"/opt/python/bin/{program.name}"] = program
    loader = next(p.name for p in (prefix / "lib" / "own").iterdir() if p.name.startswith("ld-"))
    tree.texts["/bin/python3"] = (
        f"#!/bin/sh\nexec /opt/python/lib/own/{loader} --library-path /opt/python/lib/own"
        f' --argv0 /opt/python/bin/python3 /opt/python/bin/{program.name} "$@"\n'
    )
    return tree
