"""What a detached run says of itself in S3: small JSON objects, read strictly. Pure.

``request.json`` says what was submitted, ``cancel.json`` that somebody asks for its end,
``outcome.json`` how it ended. Whoever may write the work prefix may write them: they are bounded,
and count only for the run that their key names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from ..record.columns import MOST_SECONDS
from ..settings import parsers
from ..settings.parsers import SettingError
from ..storage.run_layout import is_run_id
from ..supervisor import strict_json, typed_json
from ..supervisor.taskspec import MOST_EXIT_CODE

#: Bytes of any of them. Linux limits a command line with its variables to 2 MiB (execve(2)); what
#: is that long belongs in a configuration file.
MOST_BYTES = 256 * 1024
_VERSION = 1
_SHA256_CHARACTERS = 64

T = TypeVar("T", "Request", "Cancel", "Outcome")


class DocumentError(ValueError):
    """The object is not what its key says; the message says why."""


@dataclass(frozen=True)
class Request:
    """What was submitted.

    ``created``: seconds since 1970, by the submitting machine's clock; ``host`` and ``folder``:
    where the user was. ``arguments``: Snakemake's, without the program's name. ``code``: SHA-256
    of the archive (``WorkLayout.sources``) with everything that Snakemake finds. Its files keep
    their times, since Snakemake reruns a rule whose script is newer than its outputs.
    ``directory``: in which Snakemake is started, in the archive; ``workdir``: in which it works, if
    that is another (``--directory``, ``workdir:``), and has its ``.snakemake``.
    ``storage_prefix``: where results go. ``variables``: of Snakemake's environment, beside those of
    the container. ``job_name`` and ``queue``: of the controller's job, which can be found by them.
    ``attempts``: how often AWS Batch starts it at most.
    """

    id: str
    user: str
    created: float
    host: str
    folder: str
    arguments: tuple[str, ...]
    code: str
    storage_prefix: str
    region: str
    job_name: str
    queue: str
    directory: str = "."
    workdir: str = ""
    attempts: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cancel:
    """Somebody asks for the end of a run. ``at``: seconds since 1970 by their clock."""

    id: str
    user: str
    host: str
    at: float


@dataclass(frozen=True)
class Outcome:
    """How a run ended. ``exit_code``: Snakemake's own; ``ended``: seconds since 1970 by the
    controller's clock; ``fence``: of the lease under which it ended (how many controllers it had);
    ``cancelled_by``: who asked for its end, if somebody did; ``sentence``: why, where Snakemake has
    no exit code of its own."""

    id: str
    exit_code: int
    ended: float
    fence: int
    cancelled_by: str = ""
    sentence: str = ""


def dumps(document: Request | Cancel | Outcome) -> bytes:
    """Raises ``DocumentError`` for what could not be read again: too large, or not Unicode (names
    of files may be neither; ``strict_json.clean`` writes them out)."""
    content = json.dumps({"version": _VERSION, **asdict(document)}, separators=(",", ":")).encode()
    _object(content)
    return content


def request(content: bytes, detached_id: str) -> Request:
    """What was submitted. Raises ``DocumentError``."""
    raw = _object(content)
    found = _made(Request, {**raw, "arguments": _texts(raw.get("arguments"))}, detached_id)
    folders = {found.directory, found.workdir or "."} - {"."}
    if any(part in ("", ".", "..") for folder in folders for part in folder.split("/")):
        raise DocumentError("a directory outside of the archive")
    if found.attempts < 1:
        raise DocumentError("no attempts")
    if len(found.code) != _SHA256_CHARACTERS or set(found.code) - set("0123456789abcdef"):
        raise DocumentError("code: not a digest")
    _user(found.user)
    return _timed(found, found.created)


def cancel(content: bytes, detached_id: str) -> Cancel:
    """Who asks for the end. Raises ``DocumentError``."""
    found = _made(Cancel, _object(content), detached_id)
    _user(found.user)
    return _timed(found, found.at)


def outcome(content: bytes, detached_id: str) -> Outcome:
    """How a run ended. Raises ``DocumentError``."""
    found = _made(Outcome, _object(content), detached_id)
    if not 0 <= found.exit_code <= MOST_EXIT_CODE or found.fence < 0:
        raise DocumentError("not an exit code, or not a fence")
    return _timed(found, found.ended)


def _object(content: bytes) -> dict[str, object]:
    if len(content) > MOST_BYTES:
        raise DocumentError(f"more than {MOST_BYTES:,} bytes")
    try:
        raw = strict_json.loads(content)
    except strict_json.StrictJsonError as error:
        raise DocumentError(str(error)) from error
    if not isinstance(raw, dict) or raw.pop("version", None) != _VERSION:
        raise DocumentError("not of this version")
    return raw


def _made(kind: type[T], raw: Mapping[str, object], detached_id: str) -> T:
    try:
        found = typed_json.make(kind, raw, kind.__name__.lower())
    except typed_json.TaskSpecError as error:
        raise DocumentError(str(error)) from error
    if found.id != detached_id or not is_run_id(found.id):
        raise DocumentError("another run's")
    return found


def _texts(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(text, str) for text in raw):
        raise DocumentError("arguments: not a list of strings")
    return tuple(raw)


def _user(name: str) -> None:
    try:
        parsers.parse_user(name)
    except SettingError as error:
        raise DocumentError(str(error)) from error


def _timed(document: T, seconds: float) -> T:
    if not 0 <= seconds <= MOST_SECONDS:
        raise DocumentError("not a time")
    return document
