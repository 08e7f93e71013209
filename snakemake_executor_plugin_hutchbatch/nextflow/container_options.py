"""Options of ``docker run``, in ``containerOptions`` and ``docker.runOptions``. Pure.

https://docs.docker.com/reference/cli/docker/container/run/
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from ..settings import parsers
from ..settings.values import SettingError

#: Options with a counterpart: hutchbatch's setting.
_SETTINGS = {
    "--shm-size": "shm_mb",
    "-u": "container_user",
    "--user": "container_user",
    "-v": "volumes",
    "--volume": "volumes",
}
_VARIABLES = ("-e", "--env")
#: Options whose counterpart is something else, and those that nothing is lost without.
_INSTEAD = {
    **dict.fromkeys(_VARIABLES, "name variables for jobs in the Snakefile's envvars:"),
    **dict.fromkeys(("-m", "--memory"), "memory is the rule's mem_mb"),
    "--cpus": "processors are the rule's threads",
    "--gpus": "ask for GPUs in the rule's resources: gpu=1",
    "--entrypoint": "AWS Batch always uses the image's own ENTRYPOINT",
    "--platform": "the queue's machines decide",
    **dict.fromkeys(("--nv", "--rocm"), "ask for GPUs in the rule's resources: gpu=1"),
    **dict.fromkeys(("-B", "--bind"), "name folders of Batch's machines in hutchbatch_volumes"),
}
_NEEDLESS = frozenset(("--rm", "-i", "-t", "-it", "--init"))
#: Options without a value.
_FLAGS = _NEEDLESS | {"--privileged", "--nv", "--rocm", "--containall", "--cleanenv", "-P"}
_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True)
class Option:
    """One option as written. ``setting``: hutchbatch's, with its ``value`` as text; empty where
    there is none, and ``why`` says what to do."""

    text: str
    setting: str = ""
    value: str = ""
    why: str = ""
    needless: bool = False


def options(text: str) -> Iterator[Option]:
    """The options of a command line. Raises ``SettingError`` for what a shell could not split."""
    # What a shell would put in is one word: $(id -u)
    text = re.sub(r"\$\([^()]*\)", lambda found: found[0].replace(" ", "_"), text)
    try:
        words = shlex.split(text)
    except ValueError:
        raise SettingError("its quotes do not close") from None
    at = 0
    while at < len(words):
        name, equals, value = words[at].partition("=")
        if re.match(r"-[uvem].", words[at]):
            name, equals, value = words[at][:2], "=", words[at][2:].removeprefix("=")
        at += 1
        if not equals and name not in _FLAGS:
            following = words[at : at + 1]
            if following and not following[0].startswith("-"):
                value = following[0]
                at += 1
        yield _option(name, value)


def _option(name: str, value: str) -> Option:
    # Values of variables may be secrets.
    text = f"{name} {value.partition('=')[0] if name in _VARIABLES else value}".strip()
    if name in _NEEDLESS:
        return Option(text, why="AWS Batch starts and removes containers itself", needless=True)
    setting = _SETTINGS.get(name, "")
    if not setting:
        return Option(text, why=_INSTEAD.get(name, "hutchbatch has no setting for this option"))
    try:
        return Option(text, setting, _checked(setting, value))
    except SettingError as error:
        return Option(text, why=str(error))


def _checked(setting: str, value: str) -> str:
    if setting == "shm_mb":
        return str(_megabytes(value))
    if setting == "volumes":
        mount = parsers.parse_mount(value)
        return f"{mount.source}:{mount.path}" + (":ro" if mount.read_only else "")
    if "$(" in value:  # the user of the machine on which Nextflow starts containers
        raise SettingError("jobs run as root, or as the user in hutchbatch-container-user")
    return parsers.parse_container_user(value)


def _megabytes(text: str) -> int:
    """``8g`` → 8590: Docker's units have powers of 1,024, hutchbatch's MB 10^6 bytes."""
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)\.?\s*([bkmgt]?)(?:i?b)?", text.lower())
    if not found:
        raise SettingError("a size is a number and a unit, like 8g")
    return parsers.parse_shm_mb(math.ceil(float(found[1]) * _UNITS[found[2]] / 1_000_000))
