"""The "host's" own Python prefix: what ``/home/ec2-user/miniconda`` is on the Hutch's machines.

There it is conda's, which runs from any path in any image that has a glibc. Ours is a virtual
environment whose Python, standard library and shared libraries lie all over this machine; so they
are put together once, in a folder of the cloud's. Left out is what the supervisor does not need:
site-packages (botocore with them), tests, IDLE.
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

#: Folders of a standard library that nobody needs who runs a program.
LEFT_OUT = {
    *("site-packages", "dist-packages", "test", "tests", "ensurepip", "lib2to3", "pydoc_data"),
    *("idlelib", "tkinter", "turtledemo"),
}
#: Where a glibc image has its loader. An image without it has no glibc: on AWS the host's Python
#: does not run there, so neither must ours.
LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")

#: ``bin/python``. Ours is bound to this machine's glibc, so it brings it along: conda's is built
#: for a glibc older than any image's. The loader takes its libraries by option, since a variable
#: would reach the job's commands as well (ld.so(8)).
_STARTER = """\
#!/bin/sh
[ -e {loaders[0]} ] || [ -e {loaders[1]} ] || exit 127
d=${{0%/bin/*}}
exec "$d/lib/own/{loader}" --library-path "$d/lib/own" --argv0 "$0" "$d/bin/{name}" "$@"
"""


class NoPython(Exception):
    """This machine's Python cannot be copied; the message says why."""


def host_python(directory: Path) -> Path:
    """The prefix below ``directory``, made unless it is there. Raises ``NoPython``."""
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
    """A prefix of its own in the folder ``target``."""
    executable = Path(sys.executable).resolve()
    programs = [_place(executable, target / "bin" / executable.name)]
    base = Path(sys.base_prefix).resolve()
    # A virtual environment's paths, as its base has them; Debian has schemes of its own for what
    # is installed, but not for the library itself.
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
    """What ldd(1) says these programs load, under the names they ask for."""
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
            if not name.startswith("_tkinter."):  # asks for all of X
                yield Path(folder, name)


def _place(source: Path, target: Path) -> Path:
    """A hard link where that can be, else a copy."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        real = source.resolve()
        try:
            os.link(real, target)
        except OSError:
            shutil.copy2(real, target)
    return target
