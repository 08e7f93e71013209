"""What comes before a command that runs in a conda environment: the same as ``conda activate``.

The order is conda's (``conda/activate.py``): the scripts of an environment that the image has
activated are left first, then come PATH, conda's own variables, those of the environment, and its
scripts in ``etc/conda/activate.d``, sourced by the command's own shell. As in Snakemake the shell
becomes strict only after that, and a script that fails does not end the command unless it exits.
"""

from __future__ import annotations

import json
import os
import shlex
from typing import Dict, Iterable, List, Mapping, NamedTuple, Tuple

#: Variables that lead programs of an environment to another one's libraries; Snakemake takes them
#: away (``shell.py``, ``conda_block_conflicting_envvars``).
CONFLICTING = ("R_LIBS", "PYTHONPATH", "PERLLIB", "PERL5LIB")
#: Shells that understand what is written here. Any other one gets the variables, and no scripts.
POSIX = ("bash", "sh", "dash", "ash", "zsh", "ksh", "ksh93", "mksh")
#: A value that is none: the variable is left alone (conda's ``CONDA_ENV_VARS_UNSET_VAR``).
UNSET = "***unset***"
#: In PATH's place where the container has none.
USUAL_PATH = "/usr/local/bin:/usr/bin:/bin"


class Ready(NamedTuple):
    """An environment that is there, whole, and stays. ``name``: what its user calls it; ``prefix``:
    where, as its files know it; ``variables``: its own."""

    name: str
    prefix: str
    variables: Mapping[str, str]


class Change(NamedTuple):
    """What activating changes: variables that are set and those that are taken away, and scripts
    that are sourced before and after. ``path``: the new PATH, or what comes before the old one."""

    path: str
    is_whole: bool
    values: Mapping[str, str]
    removed: Tuple[str, ...]
    before: Tuple[str, ...]
    after: Tuple[str, ...]


def change(prefix: str, own: Mapping[str, str], environ: Mapping[str, str]) -> Change:
    """What activating the environment at ``prefix`` changes where ``environ`` is what the container
    has. ``own``: the environment's own variables."""
    level, old = _active(environ)
    binaries = os.path.join(prefix, "bin")
    values = {
        "CONDA_PREFIX": prefix,
        "CONDA_DEFAULT_ENV": prefix,
        "CONDA_SHLVL": str(level + 1),
        "CONDA_PROMPT_MODIFIER": f"({prefix}) ",
        **{name: value for name, value in own.items() if value != UNSET},
    }
    removed = list(CONFLICTING)
    before: List[str] = []
    path = binaries
    if old:
        values[f"CONDA_PREFIX_{level}"] = old
        removed += [name for name in variables_of(old) if name not in values]
        before = scripts(old, "deactivate.d")[::-1]
        rest = environ.get("PATH", USUAL_PATH).split(os.pathsep)
        if os.path.join(old, "bin") in rest:
            rest.remove(os.path.join(old, "bin"))
        path = os.pathsep.join([binaries, *rest])
    after = scripts(prefix, "activate.d")
    return Change(path, bool(old), values, tuple(removed), tuple(before), tuple(after))


class Activated(NamedTuple):
    """A command and its environment, and the one in which its programs are looked for."""

    command: str
    environ: Mapping[str, str]
    programs: Mapping[str, str]


def activated(
    command: str, shell: str, environ: Mapping[str, str], prefix: str, own: Mapping[str, str]
) -> Activated:
    """``command``, which ``shell`` will run, in the environment at ``prefix``."""
    wanted = change(prefix, own, environ)
    programs = applied(wanted, environ)
    if not is_posix(shell):
        return Activated(command, programs, programs)
    return Activated(text(wanted) + command, environ, programs)


def is_posix(shell: str) -> bool:
    """Whether a shell, by its name, can be given ``text``."""
    return os.path.basename(shell) in POSIX


def text(wanted: Change) -> str:
    """For a POSIX shell, also one that is strict already. Pure."""
    path = shlex.quote(wanted.path)
    if not wanted.is_whole:
        path += ':"${PATH:-' + USUAL_PATH + '}"'
    return "".join(
        (
            *(sourced(script) for script in wanted.before),
            f"unset {' '.join(wanted.removed)}; ",
            f"export PATH={path}; ",
            *(f"export {name}={shlex.quote(value)}; " for name, value in _plain(wanted.values)),
            *(sourced(script) for script in wanted.after),
        )
    )


def sourced(script: str) -> str:
    return f". {shlex.quote(script)}; "


def applied(wanted: Change, environ: Mapping[str, str]) -> Dict[str, str]:
    """The environment of a command whose shell is not a POSIX one, and the one in which programs
    are looked for. Pure."""
    path = wanted.path
    if not wanted.is_whole:
        path += os.pathsep + environ.get("PATH", USUAL_PATH)
    kept = {name: value for name, value in environ.items() if name not in wanted.removed}
    return {**kept, **dict(_plain(wanted.values)), "PATH": path}


def scripts(prefix: str, folder: str) -> List[str]:
    """The scripts for POSIX shells that packages have put into ``etc/conda/FOLDER``, in order."""
    place = os.path.join(prefix, "etc", "conda", folder)
    try:
        names = sorted(os.listdir(place))
    except OSError:
        return []
    paths = [os.path.join(place, name) for name in names if name.endswith(".sh")]
    return [path for path in paths if os.path.isfile(path)]


def variables_of(prefix: str) -> Dict[str, str]:
    """An environment's own variables, as conda finds them: what packages bring, then what was set
    with ``conda env config vars``."""
    folder = os.path.join(prefix, "etc", "conda", "env_vars.d")
    found: Dict[str, str] = {}
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        names = []
    for name in names:
        found.update(_texts(_read(os.path.join(folder, name))))
    state = _read(os.path.join(prefix, "conda-meta", "state"))
    found.update(_texts(state.get("env_vars") if isinstance(state, dict) else None))
    return found


def _active(environ: Mapping[str, str]) -> Tuple[int, str]:
    """How many environments are active, and the path of the last."""
    level, prefix = environ.get("CONDA_SHLVL", ""), environ.get("CONDA_PREFIX", "")
    is_active = level.isascii() and level.isdigit() and int(level) > 0 and bool(prefix)
    return (int(level), prefix) if is_active else (0, "")


def _plain(values: Mapping[str, str]) -> Iterable[Tuple[str, str]]:
    """Those that a shell can have."""
    return [
        (name, value)
        for name, value in values.items()
        if name.isidentifier() and name.isascii() and "\0" not in value
    ]


def _read(path: str) -> object:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def _texts(found: object) -> Dict[str, str]:
    if not isinstance(found, dict):
        return {}
    return {str(name): value for name, value in found.items() if isinstance(value, str)}
