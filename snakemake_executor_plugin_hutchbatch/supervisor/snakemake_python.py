"""Which Python of the container runs Snakemake, and whose Snakemake it is.

An image that has Snakemake, of a version that understands the controller's, and all storage plugins
that the workflow needs, is used as it is. In any other one Snakemake comes along, in the
controller's version, where a Python of the image can use what was packed on the controller.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .errors import Failure, words
from .problems import Cause, Facts, Problem
from .taskspec import EXIT_NO_SNAKEMAKE, Packages, SnakemakeNeeds

#: The variable by which the command knows the Python (``planning/snakemake_command.py``).
VARIABLE = "HUTCHBATCH_PYTHON"
#: Seconds that a Python may take to say what it is: a busy machine's disk is slow.
PATIENCE = 120.0

#: What a Python says of itself; the modules to look for are its arguments. For any Python 3.
_ASK = """\
import json,os,sys
def there(name):
    from importlib.util import find_spec
    try:return find_spec(name) is not None
    except Exception:return False
def version():
    if not there("snakemake"):return None
    try:
        from importlib.metadata import version
        return version("snakemake")
    except Exception:return "unknown"
def glibc():
    try:return (os.confstr("CS_GNU_LIBC_VERSION") or "").split()[-1]
    except Exception:return ""
from importlib.machinery import EXTENSION_SUFFIXES
print("\\n"+json.dumps({"python":"%d.%d.%d"%sys.version_info[:3],"suffix":EXTENSION_SUFFIXES[0],
"glibc":glibc(),"snakemake":version(),"missing":[n for n in sys.argv[1:] if not there(n)]}))
"""


class Python(NamedTuple):
    """A Python of the container. ``suffix``: of its compiled modules, which names version, libc and
    processor; ``glibc``: its version, empty where there is none; ``snakemake``: the version of its
    own; ``missing``: modules that it lacks."""

    path: str
    version: str
    suffix: str = ""
    glibc: str = ""
    snakemake: Optional[str] = None
    missing: Tuple[str, ...] = ()


class Choice(NamedTuple):
    """``packages``: what it needs beside what it has."""

    python: str
    packages: Tuple[Packages, ...] = ()


def choose(found: Sequence[Python], needs: SnakemakeNeeds) -> Choice:
    """The Python for Snakemake. Raises ``Failure`` where none will do. Pure."""
    for python in found:
        if _understands(python.snakemake, needs.version) and not python.missing:
            return Choice(python.path)
    for python in found:
        packages = tuple(each for each in needs.packages if each.suffix == python.suffix)
        if packages and all(can_use(python, each) for each in packages):
            return Choice(python.path, packages)
    facts = Facts(words=words(_described(found)), wanted=needs.python, count=len(needs.packages))
    raise Failure(EXIT_NO_SNAKEMAKE, Cause.IMAGE, Problem.NO_SNAKEMAKE, facts)


def _understands(there: Optional[str], wanted: str) -> bool:
    return there is not None and _numbers(there)[:1] == _numbers(wanted)[:1]


def can_use(python: Python, packages: Packages) -> bool:
    """Whether what was packed for a Python and a glibc serves this one."""
    if packages.suffix != python.suffix or not python.glibc:
        return False
    return _numbers(python.glibc) >= _numbers(packages.glibc)


def _numbers(version: str) -> List[int]:
    numbers = []
    for part in version.split("."):
        if not (part.isascii() and part.isdigit()):
            break
        numbers.append(int(part))
    return numbers


def _described(found: Sequence[Python]) -> str:
    if not found:
        return "no Python"
    first = found[0]
    text = f"Python {first.version}"
    if first.snakemake is None:
        return text + " without Snakemake"
    text += f" with Snakemake {first.snakemake}"
    return text + (f", but without {', '.join(first.missing)}" if first.missing else "")


def look(environ: Mapping[str, str], work: str, needs: SnakemakeNeeds) -> List[Python]:
    """The Pythons of the container by what they are called, the usual name first. One with a
    Snakemake of its own that will do ends the search."""
    found: List[Python] = []
    seen = set()
    for name in ("python", "python3", f"python{needs.python}"):
        path = shutil.which(name, path=environ.get("PATH", os.defpath))
        if path is None or os.path.realpath(path) in seen:
            continue
        seen.add(os.path.realpath(path))
        python = ask(path, environ, work, needs.modules)
        if python is None:
            continue
        found.append(python)
        if _understands(python.snakemake, needs.version) and not python.missing:
            break
    return found


def ask(
    path: str, environ: Mapping[str, str], work: str, modules: Sequence[str]
) -> Optional[Python]:
    """What a Python says of itself, started in the folder ``work``, with those of ``modules`` that
    it lacks. None for one that does not start, or does not answer: Python 2, for one."""
    try:
        done = subprocess.run(
            [path, "-c", _ASK, *modules],
            cwd=work,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
        said: Any = json.loads(done.stdout.decode().strip().rpartition("\n")[2])
        return Python(
            path,
            str(said["python"]),
            str(said["suffix"]),
            str(said["glibc"]),
            None if said["snakemake"] is None else str(said["snakemake"]),
            tuple(map(str, said["missing"])),
        )
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None


#: Takes the place of the package ``snakemake`` on PYTHONPATH, which the command's other programs
#: inherit: what came along is put on the path of Snakemake's own process alone. A script that
#: Snakemake starts finds it behind all that its own Python has.
_PLACEHOLDER = """\
import os, sys

OURS, BROUGHT, SUFFIX = {ours!r}, {brought!r}, {suffix!r}


def load():
    from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
    from importlib.util import module_from_spec

    path = [p for p in sys.path if os.path.abspath(p) != OURS]
    if EXTENSION_SUFFIXES[0] == SUFFIX:
        if sys.argv[:1] == ["-m"]:
            sys.dont_write_bytecode = True  # what came along is shared by all jobs of the machine
            place = [os.path.abspath(p) for p in sys.path].index(OURS) + 1
            sys.path[place:place] = BROUGHT
            path = BROUGHT
        else:
            more = [p for p in BROUGHT if p not in path]
            sys.path += more
            path += more
    spec = PathFinder.find_spec("snakemake", path)
    if spec is None or spec.loader is None:
        del sys.modules["snakemake"]
        raise ModuleNotFoundError("No module named 'snakemake'", name="snakemake")
    module = sys.modules["snakemake"] = module_from_spec(spec)
    spec.loader.exec_module(module)


load()
"""


def placeholder(ours: str, brought: List[str], suffix: str) -> str:
    """The source of the package ``snakemake`` in the folder ``ours``, for what is unpacked in the
    folders ``brought``, for Pythons with this ``suffix`` of compiled modules."""
    return _PLACEHOLDER.format(ours=ours, brought=brought, suffix=suffix)
