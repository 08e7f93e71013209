"""What the subcommands share: help, errors in one sentence, the region, the folder."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from ...aws import errors
from ...record.journal import PLACE
from ...text import terminal

#: Exit codes. 1: the command could not do its work, or what it shows has failed; 2: the command
#: line is wrong (argparse's own); the others are those of shells for signals.
FINE, WRONG, USAGE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141

EXIT_CODES = "exit codes: 0 success, 1 {wrong}, 2 wrong usage, 130 Ctrl-C"


#: What ``add_subparsers`` of the whole command line gives.
Subcommands: TypeAlias = "argparse._SubParsersAction[terminal.Parser]"


class Help(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the layout of texts, and shows defaults that are of interest."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, Path()):
            return action.help
        if isinstance(action.default, float):
            return f"{action.help} (default: {action.default:g})"
        return super()._get_help_string(action)

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if action.nargs == argparse.REMAINDER:  # argparse itself only shows "..."
            return f"[{action.metavar} ...]"
        return super()._format_args(action, default_metavar)


def option_names(parser: argparse.ArgumentParser) -> list[str]:
    """``-d``, ``--directory`` and so on."""
    return [name for action in parser._actions for name in action.option_strings]


def installed_version(package: str) -> str:
    """A package's version, or that it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


class CommandError(Exception):
    """A command could not do its work: one sentence for the user (``more``: lines below it), and
    the exit code."""

    def __init__(self, sentence: str, exit_code: int = WRONG, more: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
        self.more = tuple(more)


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turns AWS's errors within into a sentence; ``what`` as ``errors.explain`` wants it
    (``reading the Batch queues``)."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise CommandError(errors.explain(error, what)) from error


def epilog(examples: str, wrong: str = "it could not do its work") -> str:
    """The end of a help text; ``wrong``: what exit code 1 means."""
    return f"{examples}\n\n{EXIT_CODES.format(wrong=wrong)}"


#: With these, Snakemake starts no executor.
DRY = frozenset(("-n", "--dry-run", "--dryrun"))


def add_snakemake_arguments(parser: argparse.ArgumentParser, text: str) -> None:
    """What follows after ``--``: ``own_arguments`` reads it."""
    parser.add_argument(
        "arguments",
        nargs=argparse.REMAINDER,
        default=None,
        metavar="-- SNAKEMAKE ARGUMENTS",
        help=text,
    )


def own_arguments(given: Sequence[str]) -> list[str]:
    """The user's own, without ``--`` and ``snakemake`` itself."""
    own = list(given[1:] if given[:1] == ["--"] else given)
    return own[1:] if own[:1] == ["snakemake"] else own


def add_region(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--region", help="AWS region (default: from your AWS configuration)")


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run_id",
        nargs="?",
        metavar="RUN",
        help="a run from 'hutchbatch runs', or the start of its id (default: the last run)",
    )


def number(least: float, most: float, kind: str) -> Callable[[str], float]:
    """Parses an option's number from ``least`` to ``most``; ``kind``: what it is, for the error."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not {kind}")
        return value

    return parse


def whole_number(least: int, kind: str) -> Callable[[str], int]:
    """Parses an option's whole number of at least ``least``; ``kind``: what it is, for the
    error."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 10) or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not {kind}")
        return int(text)

    return parse


def add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-d",
        "--directory",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="folder where Snakemake was started, or its own --directory",
    )


def journal_path(options: argparse.Namespace) -> Path:
    """Where the record of the runs is, for a parser with ``add_directory``."""
    directory: Path = options.directory
    return directory / PLACE
