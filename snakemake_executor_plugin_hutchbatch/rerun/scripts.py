"""The texts in a folder where a job is run again. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..containers.images import full_name
from ..supervisor import cache_folder
from ..supervisor.rerun import HIDDEN, TMP
from .engine import Chosen

#: What a container gets of the shell in which it is started, where it is set there.
PASSED = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"),
)
#: As ``planning/supervisor_bundle`` does: the host's Python must not see the image's libraries, and
#: its Python must start in that image.
_START = """\
# Starts run.sh's program within the image: by this machine's Python, or else the image's own.
for v in LD_LIBRARY_PATH LD_PRELOAD LC_CTYPE
do eval "[ \\${{$v+x}} ] && export HUTCHBATCH_KEEP_$v=\\"\\$$v\\""
done
unset LD_LIBRARY_PATH LD_PRELOAD
for p in {python} "$(command -v python3)" "$(command -v python)"
do [ -n "$p" ] && "$p" -ISc 'import ssl, sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null \
&& exec "$p" -IBSXutf8 {program} "$@"
done
echo "hutchbatch: no Python runs in this image: neither this machine's nor one of its own" >&2
exit 214
"""
#: Makes the supervisor importable, beside it.
PROGRAM = """\
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hutchbatch_supervisor.rerun import main

sys.exit(main(tuple(sys.argv[1:]), os.environ))
"""
_README = """\
{label}
ran on AWS Batch as job {batch_id}
in the image {image}. Here it is again:

{commands}
  work/         the job's files, by their names in the workflow: its inputs, the workflow's code,
                and what the command makes. Nothing goes back to S3.
  tmp/          its temporary folder
  variables.sh  its environment variables
  run.sh        runs the command, {where}

Edit what you like in command, script, variables or inputs, and run it again:

  bash run.sh
  bash run.sh --shell     a shell in the same place, with the same software

What you delete in work/ is fetched again. Whatever is in .hutchbatch/ belongs to run.sh.
"""


@dataclass(frozen=True)
class Place:
    """``folder``: absolute; ``python``: of this machine, that containers have in the folder (None:
    they use their own), and ``here``: the one that runs without a container."""

    folder: str
    here: str
    python: str | None = None

    @property
    def hidden(self) -> str:
        return f"{self.folder}/{HIDDEN}"

    @property
    def program(self) -> str:
        return f"{self.hidden}/program/start.py"

    @property
    def start(self) -> str:
        return f"{self.hidden}/start.sh"

    @property
    def cache(self) -> str:
        """Where the container's software is unpacked: of the scratch disk."""
        return f"{self.hidden}/scratch"


def start(place: Place) -> str:
    """What runs first in a container."""
    python = shlex.quote(f"{place.python}/bin/python") if place.python else ""
    return _START.format(python=python, program=shlex.quote(place.program))


def run(
    place: Place,
    chosen: Chosen,
    image: str,
    label: str,
    variables: Iterable[str],
    user: tuple[int, int],
) -> str:
    """``run.sh``. ``variables``: names of all that the container has; ``user``: this one's ids."""
    quote = shlex.quote
    where = f"in {image} by {chosen.name}" if chosen.name else "with this machine's programs"
    lines = [
        "#!/usr/bin/env bash",
        f"# Runs {_comment(label)} again, {where}: see README.txt.",
        "set -euo pipefail",
        f"folder={quote(place.folder)}",
        "set -a",
        '. "$folder/.hutchbatch/variables.sh"',
        '. "$folder/variables.sh"',
        'if [ -z "${AWS_ACCESS_KEY_ID:-}" ]',
        f'then eval "$({quote(place.here)} -m {__package__}.credentials)"',
        "fi",
        "set +a",
    ]
    if not chosen.name:
        return "\n".join(
            [
                *lines,
                '[ "${LC_CTYPE+x}" ] && export HUTCHBATCH_KEEP_LC_CTYPE="$LC_CTYPE"',
                f'exec {quote(place.here)} -IBXutf8 {quote(place.program)} "$folder" "$@"',
                "",
            ]
        )
    names = [*PASSED, *variables]
    command = (
        _cluster(place, chosen, image)
        if chosen.engine is None
        else _docker(place, chosen, image, names, user)
    )
    return "\n".join(
        [
            *lines,
            *(_TERMINAL if chosen.engine else _passed(chosen, names)),
            "exec " + " \\\n    ".join([*command, f'/bin/sh {quote(place.start)} "$folder" "$@"']),
            "",
        ]
    )


_TERMINAL = ("terminal=()", "[ -t 0 ] && [ -t 1 ] && terminal=(-it)")


def _passed(chosen: Chosen, names: Sequence[str]) -> list[str]:
    """Variables for a container, under the names by which its engine knows them: its option for
    them takes a comma for the end of a value."""
    prefix = f"{chosen.program.upper()}ENV_"
    return [
        f"for name in {' '.join(names)}",
        f'do [ -z "${{!name+x}}" ] || export "{prefix}$name=${{!name}}"',
        "done",
    ]


def _docker(
    place: Place, chosen: Chosen, image: str, names: Sequence[str], user: tuple[int, int]
) -> list[str]:
    engine = chosen.engine
    assert engine is not None  # noqa: S101  told apart by the caller
    shared = f"{place.cache}/{cache_folder.SHARED}"
    mounts = [(place.folder, place.folder), (shared, cache_folder.MOUNT)]
    command = [
        f'{shlex.join(engine.command("run"))} --rm ${{terminal[@]+"${{terminal[@]}}"}}',
        shlex.join(["--pull=never", "--network=host", "--security-opt=label=disable"]),
        *(
            shlex.join([f"--mount=type=bind,source={source},target={target}"])
            for source, target in mounts
        ),
        shlex.join([f"--workdir={place.folder}", *engine.limit_options()]),
        " ".join(f"--env {name}" for name in names),
    ]
    if not engine.is_podman and user[0]:
        # Docker's root would own the files.
        command.append(
            f"--user {user[0]}:{user[1]} --env HOME={shlex.quote(f'{place.folder}/{TMP}')}"
        )
    return [*command, shlex.quote(image)]


def _cluster(place: Place, chosen: Chosen, image: str) -> list[str]:
    shared = f"{place.cache}/{cache_folder.SHARED}"
    return [
        f"{chosen.program} exec --cleanenv --no-home --writable-tmpfs",
        shlex.join(["--bind", place.folder, "--bind", f"{shared}:{cache_folder.MOUNT}"]),
        shlex.join(["--pwd", place.folder]),
        shlex.quote(f"docker://{full_name(image)}"),
    ]


def variables(own: Mapping[str, str], secrets: Mapping[str, str]) -> str:
    """``variables.sh``: the user's own, and which secrets are not there."""
    lines = ["# Environment variables of the job. Change them, or add others:  NAME=value"]
    lines += [f"{name}={shlex.quote(text)}" for name, text in sorted(own.items())]
    if secrets:
        lines.append("# Secrets that AWS gave to the job. They are not stored: export them before.")
        lines += [
            f"#   {name} (from {_comment(source)})" for name, source in sorted(secrets.items())
        ]
    return "\n".join([*lines, ""])


def readme(
    label: str,
    batch_id: str,
    image: str,
    chosen: Chosen,
    files: Sequence[tuple[str, str]],
) -> str:
    """``README.txt``. ``files``: of commands and scripts, with what they are."""
    where = f"in its image, by {chosen.name}" if chosen.name else "with this machine's programs"
    commands = "\n".join(f"  {name:<12}  {what}" for name, what in files)
    return _README.format(
        label=label,
        batch_id=batch_id,
        image=image or "that its rule names",
        where=where,
        commands=commands,
    )


def _comment(text: str) -> str:
    """Within a comment of a shell script, which a line break would end."""
    return "".join(c if c.isprintable() else "?" for c in text)
