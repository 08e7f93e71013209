"""The ``hutchbatch`` command: parsers, exit codes and errors. Each subcommand is a module of
``commands``."""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
from collections.abc import Callable, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import errors
from ..record.journal import JournalError
from ..text import terminal
from . import suggestions
from .commands.common import (
    INTERRUPTED,
    PIPE_CLOSED,
    USAGE,
    WRONG,
    CommandError,
    Help,
    Subcommands,
    installed_version,
    option_names,
)

#: Modules of ``commands``, in the order of the help.
COMMANDS = (
    "local",
    "init",
    "doctor",
    "plan",
    "submit",
    "attach",
    "upload",
    "download",
    "status",
    "logs",
    "rerun",
    "shell",
    "report",
    "runs",
    "cancel",
    "queues",
    "definitions",
    "envs",
    "cleanup",
    "completion",
)

Run = Callable[[argparse.Namespace], int]


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    return _parsers()[0]


def _parsers(names: Sequence[str] = COMMANDS) -> tuple[terminal.Parser, Subcommands]:
    """Of the command line with these subcommands."""
    whole = terminal.Parser(
        prog="hutchbatch",
        description="Tools for Snakemake runs on AWS Batch.",
        epilog="hutchbatch SUBCOMMAND --help shows more, with examples.",
        formatter_class=Help,
    )
    whole.add_argument(
        "-V",
        "--version",
        action="version",
        version=_versions(),
        help="show the version",
    )
    subcommands = whole.add_subparsers(required=True, metavar="SUBCOMMAND", dest="subcommand")
    for name in names:
        importlib.import_module(f"{__package__}.commands.{name}").add(subcommands)
    if "completion" in names:
        subcommands.choices["completion"].set_defaults(parser=parser)
    for each in (whole, *subcommands.choices.values()):
        each.add_argument(
            "--debug",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show where in the code an error comes from",
        )
    return whole, subcommands


def _versions() -> str:
    """As a report of a fault needs them."""
    own, snakemake = map(installed_version, ("snakemake-executor-plugin-hutchbatch", "snakemake"))
    return f"hutchbatch {own} (Snakemake {snakemake}, Python {platform.python_version()})"


def _parsed(given: Sequence[str]) -> argparse.Namespace:
    """The command line. Exits with a message where it is wrong."""
    # Most of the time goes into loading what the other subcommands need.
    whole, subcommands = _parsers(given[:1] if given and given[0] in COMMANDS else COMMANDS)
    if not given:
        whole.print_help()
        whole.exit(USAGE)
    if given[0] == "help":
        given = [*given[1:2], "--help"]
    word, known = given[0], list(subcommands.choices)
    if not word.startswith("-") and word not in known:
        meant = suggestions.subcommands(word, known)
        more = suggestions.question(meant) or "; hutchbatch --help lists them"
        whole.error(f"there is no subcommand {word!r}{more}")
    if word.startswith("-") and not any(n.startswith(word) for n in option_names(whole)):
        whole.error(suggestions.unexpected([word], option_names(whole)))
    options, rest = whole.parse_known_args(given)
    if rest:
        chosen = subcommands.choices[options.subcommand]
        chosen.error(suggestions.unexpected(rest, option_names(chosen)))
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """The console script; returns the exit code (``commands.common``)."""
    options = _parsed(sys.argv[1:] if argv is None else argv)
    run: Run = options.run
    try:
        code = run(options)
        terminal.flush()  # here, where a closed pipe is still handled quietly
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        terminal.forget_reader()
        return PIPE_CLOSED
    except Exception as error:
        if getattr(options, "debug", False):
            terminal.show_traceback()
        more = error.more if isinstance(error, CommandError) else ()
        terminal.note(_sentence(error, f"running hutchbatch {options.subcommand}"), *more)
        return error.exit_code if isinstance(error, CommandError) else WRONG


def _sentence(error: Exception, what: str) -> str:
    if isinstance(error, (CommandError, JournalError)):
        return str(error)
    if isinstance(error, (ClientError, BotoCoreError)) or errors.is_invalid_endpoint(error):
        return errors.explain(error, what)
    if isinstance(error, OSError):
        return f"{error} ({what})."
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return f"Something went wrong in hutchbatch ({what}): --debug shows where; please report it."


if __name__ == "__main__":
    sys.exit(main())
