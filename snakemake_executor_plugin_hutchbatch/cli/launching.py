"""A real Snakemake in this process that checks its run and hands it over to be run elsewhere."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import yaml

from ..controller.submission import Handover
from ..planning import detached_tree, git_commit, launch, launch_arguments, launch_tree
from ..planning.launch import Launch
from ..planning.launch_arguments import Word
from ..planning.launch_tree import Tree
from ..planning.layout import canonical
from ..planning.run_context import RunContext
from ..record import redact
from ..settings.parsers import is_webhook
from ..software.conda import elsewhere, pip_settings, spec
from ..software.conda.config import Config
from ..supervisor import controller_folders, launch_folder
from ..text import terminal
from ..text.secrets import is_secret_name, redacted
from .commands.common import DRY, USAGE, CommandError

#: Snakemake's variable that names a profile.
_PROFILE = "SNAKEMAKE_PROFILE"
_WORKFLOW_PROFILE = Path("profiles", "default")
_LOOPBACK = ("//127.0.0.1", "//localhost", "//[::1]")
_KEYS = ("ACCESS_KEY", "SECRET_KEY", "TOKEN", "PASSWORD")
#: What a local run would be asked for.
_JOBS = ("--jobs", "100")
_CONFIGURATION = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class _Given:
    """What the user has typed. ``parsed``: as Snakemake reads it, profiles included; ``more``: what
    has to be added."""

    started: str
    words: Sequence[Word]
    parsed: argparse.Namespace
    more: tuple[str, ...]


def handed_over(own: Sequence[str]) -> Handover | None:
    """A run with these arguments, checked and its inputs sent; None if there is nothing to do.
    Raises ``CommandError``."""
    from snakemake import cli  # noqa: PLC0415  half a second that other commands need not

    profile = os.environ.get(_PROFILE)
    arguments = ["--profile", profile, *own] if profile else [*own]
    if DRY.intersection(arguments):
        raise CommandError("hutchbatch plan shows what would be run; -n submits nothing.", USAGE)
    given = _read(arguments, cli)
    received: list[Handover | CommandError] = []

    def receive(launched: Launch) -> None:
        try:
            received.append(_handover(launched, given))
        except CommandError as error:
            received.append(error)  # Snakemake would show it as its own

    code: object = 0
    quiet = ("--quiet", "host", "progress", "rules")
    with launch.receiving(receive), terminal.output_as_notes():
        try:
            cli.main([*given.more, *quiet, "--nolock", *arguments])
        except SystemExit as ended:
            code = ended.code
    if received and isinstance(received[0], CommandError):
        raise received[0]
    if received:
        return cast(Handover, received[0])
    if code in (None, 0):
        return None
    raise CommandError("Snakemake cannot run this workflow; its message is above.")


def _read(arguments: Sequence[str], cli: Any) -> _Given:  # noqa: ANN401  Snakemake has no types
    """Raises ``CommandError`` for what must not travel."""
    words = launch_arguments.read(arguments, cli.get_argument_parser())
    _, parsed = cli.parse_args(list(arguments))
    if keys := launch_arguments.keys(parsed, os.environ):
        option = "--" + keys[0].replace("_", "-")
        raise CommandError(
            f"{option} is a credential of yours, and those stay here. Leave it out of arguments "
            "and profile: Snakemake uses its job's role there.",
            USAGE,
        )
    if redact.discreet(arguments) != list(arguments):
        raise CommandError(
            "The arguments hold what looks like a secret, and would be stored in S3. Give it to "
            "jobs with --hutchbatch-secrets, or in a variable that envvars: names; the address of "
            "--hutchbatch-notify as env:NAME, with --envvars NAME.",
            USAGE,
        )
    if getattr(parsed, "persistence_backend_db_url", None):
        raise CommandError(
            "--persistence-backend-db-url names a database that Snakemake's job cannot have: leave "
            "it out, then its own database travels with the run.",
            USAGE,
        )
    if parsed.executor not in (None, "hutchbatch"):
        raise CommandError("hutchbatch submit runs workflows with --executor hutchbatch.", USAGE)
    more = [] if parsed.executor else ["--executor", "hutchbatch"]
    if parsed.jobs is None and parsed.cores is None:
        more += _JOBS
    return _Given(str(Path.cwd()), words, parsed, tuple(more))


def _handover(launched: Launch, given: _Given) -> Handover:
    if launched.refusals:
        raise CommandError(launched.refusals[0], more=launched.refusals[1:])
    named = list(_named(given))
    _refuse_secrets(launched, given, named)
    known = {str(file) for job in launched.workflow.dag.jobs for file in (*job.input, *job.output)}
    tree = launch_tree.look(launched.workflow, given.started, named, known)
    if tree.directory.startswith(".."):
        raise CommandError("Start this in the folder of the workflow, or in one beside it.")
    arguments = (*given.more, *_moved(given, tree))
    specs, variables = cast(RunContext, launched.context).site.conda, _variables(launched, tree)
    if specs is not None:
        tree = _with_conda(tree, specs.config)
        pip = pip_settings.of_this_machine()
        variables = {**elsewhere.variables(os.environ, pip, launched.named), **variables}
    conda, works = specs is not None, str(Path.cwd())
    return Handover(launched, tree, arguments, variables, conda, works, given.started)


def _with_conda(tree: Tree, config: Config) -> Tree:
    """With conda's configuration of this machine. Raises ``CommandError``."""
    try:
        authorities = spec.authorities(config)
    except spec.SpecError as error:
        raise CommandError(f"{error}.") from None
    own = elsewhere.files(config, authorities, controller_folders.TREE)
    return replace(tree, files={**tree.files, **own})


def _refuse_secrets(launched: Launch, given: _Given, named: Sequence[str]) -> None:
    """Configuration and profiles are stored with the code, which others may read. Raises
    ``CommandError``."""
    wanted = launched.workflow.config_settings.overwrite_config
    notify = str(given.parsed.hutchbatch_notify or "")
    webhook = {"webhook": notify} if is_webhook(notify) else {}
    hide = redact.of_run([wanted, webhook], (), {}, ())
    for path in map(Path, named):
        for file in sorted(path.glob("*.y*ml")) if path.is_dir() else [path]:
            text = file.read_text(errors="replace") if file.suffix in _CONFIGURATION else ""
            if hide.holds(text) or any(redacted(each) != each for each in _texts(text)):
                raise CommandError(
                    f"{file} holds what looks like a secret, and would be stored in S3 with the "
                    "code. Give it to jobs with --hutchbatch-secrets, or in a variable that "
                    "envvars: names; the address of hutchbatch-notify as env:NAME, with "
                    "--envvars NAME."
                )


def _texts(text: str) -> Iterator[str]:
    """The values of a YAML or JSON file, apart from their names and comments; none of another."""
    try:
        waiting = [yaml.load(text, Loader=yaml.BaseLoader)]  # noqa: S506  makes texts
    except yaml.YAMLError:
        return
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif id(each) not in seen:  # YAML's aliases: the same in many places, or in itself
            seen.add(id(each))
            waiting += each.values() if isinstance(each, dict) else each


def _named(given: _Given) -> Iterator[str]:
    """What Snakemake needs to start, as absolute paths."""
    parsed = given.parsed
    files = [parsed.snakefile, *(parsed.configfile or ())]
    files += [parsed.hutchbatch_queue_catalog, parsed.hutchbatch_site, _WORKFLOW_PROFILE]
    files += launch_arguments.given(given.words, "workflow_profile")
    for file in files:
        path = Path(given.started, str(file)) if file else None
        if path is not None and path.exists():
            yield str(path)
    for name in launch_arguments.given(given.words, "profile"):
        if folder := _profile(name, given.started):
            yield folder


def _profile(name: str, started: str) -> str | None:
    """The folder of a profile, or its file, as an absolute path."""
    from snakemake.cli import get_profile_dir  # noqa: PLC0415

    # Beside the folder in which it was started: Snakemake may work in another one by now.
    found = None if name == "none" else _from(started, lambda: get_profile_dir(name))
    if not found:
        return None
    given = Path(started, name)
    return str(given if given.is_file() else Path(started, found[0]))


def _from(folder: str, call: Any) -> Any:  # noqa: ANN401
    """Calls something in another working folder."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        return call()
    finally:
        os.chdir(here)


def _place(name: str, given: _Given, tree: Tree) -> str:
    """What a file of this machine is called there."""
    path = Path(given.started, name)
    return tree.path(canonical(str(path), str(Path.cwd()))) if path.exists() else name


def _moved(given: _Given, tree: Tree) -> list[str]:
    def profile(name: str) -> str:
        found = _profile(name, given.started)
        return _place(found, given, tree) if found else name

    def in_text(text: str) -> str:
        text = launch_folder.inside(text, tree.layout.launch)
        places = [(name, ".") for name in tree.layout.launch]
        places += [(name, tree.relative(place)) for name, place in tree.layout.others]
        for name, place in sorted(places, key=lambda each: -len(each[0])):
            text = launch_folder.replaced(text, (name,), place)
        return text

    return launch_arguments.moved(
        given.words, lambda name: _place(name, given, tree), profile, in_text
    )


def _refuse_secret(name: str, value: str) -> None:
    if redacted(value) != value:
        raise CommandError(
            f"The variable {name} holds what looks like a secret, and would be stored in S3. Give "
            "it to jobs with --hutchbatch-secrets, or in a variable that envvars: names."
        )


def _variables(launched: Launch, tree: Tree) -> Mapping[str, str]:
    """What of this environment Snakemake must have there, without any secret. Raises
    ``CommandError``."""
    context = cast(RunContext, launched.context)
    found = {}
    for name, value in os.environ.items():
        if name.startswith("SNAKEMAKE_") and name != _PROFILE:
            if not name.endswith(_KEYS) and not is_secret_name(name):
                _refuse_secret(name, value)
                found[name] = value
        elif name.startswith("AWS_ENDPOINT_URL") and not any(each in value for each in _LOOPBACK):
            _refuse_secret(name, value)
            found[name] = value
    found[detached_tree.VARIABLE] = detached_tree.dumps(tree)
    # The repository stays here.
    snakefile = Path(str(launched.workflow.main_snakefile))
    if commit := git_commit.of_workflow(snakefile, os.environ):
        found[git_commit.VARIABLE] = commit
    found["SNAKEMAKE_HUTCHBATCH_USER"] = context.site.user
    found["SNAKEMAKE_HUTCHBATCH_REGION"] = context.site.region
    return found
