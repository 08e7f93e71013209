"""The "host's" own Python prefix: what ``/home/ec2-user/miniconda`` is on the Hutch's machines.

There it is conda's, which runs from any path in any image with a glibc. Here Python, its standard
library and shared libraries are spread over the machine, so they are collected once, in a folder of
the local cloud. Parts that the supervisor does not need are left out: site-packages (and botocore
in them), tests, IDLE.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Folders of a standard library that are not needed to run a program.
LEFT_OUT = {
    *("site-packages", "dist-packages", "test", "tests", "ensurepip", "lib2to3", "pydoc_data"),
    *("idlelib", "tkinter", "turtledemo"),
}
#: The loader's path in a glibc image. An image without it has no glibc: on AWS the host's Python
#: does not run there, so this one must not either.
LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")

#: ``bin/python``. This one needs this machine's glibc and so includes it, while conda's is built
#: for a glibc older than any image's. The loader gets its libraries by an option, since a variable
#: would also reach the job's commands (ld.so(8)).
_STARTER = """\
#!/bin/sh
[ -e {loaders[0]} ] || [ -e {loaders[1]} ] || exit 127
d=${{0%/bin/*}}
exec "$d/lib/own/{loader}" --library-path "$d/lib/own" --argv0 "$0" "$d/bin/{name}" "$@"
"""


class NoPython(Exception):
    """This machine's Python cannot be copied; the message says why."""


def host_python(directory: Path) -> Path:
    """The prefix below ``directory``, created if it does not exist. Raises ``NoPython``."""
    base = Path(sys.base_prefix).resolve()
    stamp = f"{base} {sys.version} {Path(sys.executable).resolve().stat().st_mtime_ns} {_STARTER}"
    place = directory / f"python-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    if not place.exists():
        for old in directory.glob("python-*"):
            shutil.rmtree(old, ignore_errors=True)
        draft = directory / f"{place.name}.{os.getpid()}"
        try:
            copy_python(draft)
            draft.rename(place)
        except (OSError, subprocess.SubprocessError) as error:
            raise NoPython(f"this machine's Python could not be copied ({error})") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return place


def copy_python(target: Path) -> None:
    """Creates a self-contained prefix in the folder ``target``."""
    executable = Path(sys.executable).resolve()
    programs = [_place(executable, target / "bin" / executable.name)]
    base = Path(sys.base_prefix).resolve()
    # The paths of the virtual environment's base; Debian has schemes of its own for installed
    # packages, but not for the library itself.
    names = ("base", "platbase", "installed_base", "installed_platbase")
    variables = dict.fromkeys(names, str(base))
    for name in ("stdlib", "platstdlib"):
        library = Path(sysconfig.get_path(name, "posix_prefix", variables)).resolve()
        inside = library.relative_to(base) if library.is_relative_to(base) else library.name
        for path in _files(library):
            placed = _place(path, target / inside / path.relative_to(library))
            if ".so" in path.name:
                programs.append(placed)
    own = target / "lib" / "own"
    loader = ""
    for library in shared_libraries([executable, *programs]):
        _place(library, own / library.name)
        if library.name.startswith("ld-linux"):
            loader = library.name
    if not loader:
        raise OSError(f"{executable} does not use glibc")
    starter = target / "bin" / "python"
    starter.write_text(_STARTER.format(loaders=LOADERS, loader=loader, name=executable.name))
    starter.chmod(0o755)
    (target / "bin" / "python3").symlink_to("python")


def shared_libraries(programs: Iterable[Path]) -> list[Path]:
    """The libraries that these programs load according to ldd(1), under the names they use."""
    found: dict[str, Path] = {}
    done = subprocess.run(
        ["ldd", *map(str, programs)], capture_output=True, text=True, check=False, env=_plain()
    )
    for line in done.stdout.splitlines():
        # "libssl.so.3 => /usr/lib/…/libssl.so.3 (0x…)" or "/lib64/ld-linux-x86-64.so.2 (0x…)"
        match = re.match(r"\s+(?:\S+ => )?(/\S+) \(0x", line)
        if match:
            path = Path(match[1])
            found.setdefault(path.name, path)
    return list(found.values())


def _plain() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}


def _files(directory: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(directory):
        folders[:] = [
            name for name in folders if name not in LEFT_OUT and not name.startswith("config-")
        ]
        for name in names:
            if not name.startswith("_tkinter."):  # needs all of X
                yield Path(folder, name)


def _place(source: Path, target: Path) -> Path:
    """Makes a hard link if possible, otherwise a copy."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        real = source.resolve()
        try:
            os.link(real, target)
        except OSError:
            shutil.copy2(real, target)
    return target
