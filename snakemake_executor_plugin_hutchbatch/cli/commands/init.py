"""``hutchbatch init``: writes a Snakemake profile for AWS Batch."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from ... import files
from ...nextflow.carried import Carried
from ...nextflow.config import read
from ...nextflow.syntax import MOST_CHARS, NextflowError
from ...nextflow.translation import translate
from ...text import terminal
from ...text.terminal import note
from .. import known_account, profile_file
from ..interview import Interview
from ..questions import QUESTIONS
from .common import USAGE, CommandError, Help, Subcommands, epilog

DEFAULT_PROFILE = Path("profiles/hutch")


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "init",
        help="write a profile for AWS Batch, from your answers or a nextflow.config",
        description=(
            "Writes a Snakemake profile with your site, bucket, queue and so on, with a comment\n"
            "for each line. It asks for everything that is not given as an option, and AWS for\n"
            "what your account has. If it cannot ask you (--yes, or no terminal), it uses\n"
            "defaults; the bucket must then be given.\n"
            "--from-nextflow carries over the settings of a nextflow.config, including those of\n"
            "single processes, and lists those that a profile cannot express."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch init\n"
            "  hutchbatch init --from-nextflow nextflow.config --profile profiles/tcr\n"
            "  hutchbatch init --yes --site hutch-lab --bucket fh-pi-lastname-f-eco\n"
            "  hutchbatch init --yes --bucket fh-pi-lastname-f-eco --job-role \\\n"
            "      arn:aws:iam::123456789012:role/fh-pi-lastname-f-batchtask",
            wrong="nothing was written",
        ),
        formatter_class=Help,
    )
    parser.add_argument(
        "--profile", type=Path, default=DEFAULT_PROFILE, metavar="FOLDER", help="where to write it"
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing profile")
    parser.add_argument("--yes", action="store_true", help="ask nothing, use the defaults")
    parser.add_argument(
        "--from-nextflow", type=Path, metavar="FILE", help="a nextflow.config to carry over"
    )
    parser.add_argument(
        "--nextflow-profile",
        metavar="NAME",
        help="which of its profiles to use (default: the only one that runs on AWS Batch)",
    )
    parser.add_argument("--offline", action="store_true", help="do not ask AWS about your account")
    for question in QUESTIONS.values():
        parser.add_argument(question.flag, metavar=question.metavar, help=question.help)
    parser.set_defaults(run=_run)


_UNANSWERED = "nothing was written: the questions were not answered."


def _run(options: argparse.Namespace) -> int:
    target: Path = options.profile / profile_file.FILE
    if target.exists() and not options.force:
        raise CommandError(
            f"{target} exists already: choose another folder with --profile, or overwrite it "
            "with --force."
        )
    carried = _carried(options)
    try:
        asks = not options.yes and terminal.is_interactive()
        look = known_account.unasked if options.offline else known_account.look
        interview = Interview(options, carried, asks, look)
        answers = interview.answers()
    except (EOFError, KeyboardInterrupt) as error:
        terminal.say("")
        if isinstance(error, KeyboardInterrupt):
            note(_UNANSWERED)
            raise
        raise CommandError(_UNANSWERED) from None
    try:
        files.write(target, profile_file.render(answers, options.profile, carried))
    except OSError as error:
        raise CommandError(f"{target} could not be written: {error.strerror}.") from error
    terminal.say(f"Wrote {target}")
    for each in interview.notes:
        note(each)
    if carried:
        for head, those in profile_file.not_carried(carried, str(options.from_nextflow)):
            terminal.say(head, *(f"  {each}" for each in those))
    terminal.say(
        f"Check it:  hutchbatch doctor --profile {options.profile}",
        f"Use it:    snakemake --profile {options.profile}",
    )
    return 0


def _carried(options: argparse.Namespace) -> Carried | None:
    """What a nextflow.config says, if one is given."""
    path: Path | None = options.from_nextflow
    if path is None:
        if options.nextflow_profile:
            raise CommandError("--nextflow-profile needs --from-nextflow FILE.", USAGE)
        return None
    try:
        config = read(_text(path), options.nextflow_profile, _beside(path.parent))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not a text file"
        raise CommandError(f"{path} could not be read: {why}.") from None
    except NextflowError as error:
        raise CommandError(f"{path}: {error}.") from None
    return translate(config)


def _text(path: Path) -> str:
    """No more than a config has. Raises ``OSError``, ``UnicodeDecodeError``."""
    with path.open(encoding="utf-8") as file:
        return file.read(MOST_CHARS + 1)


def _beside(folder: Path) -> Callable[[str], str | None]:
    """Reads included files."""

    def include(name: str) -> str | None:
        try:
            return _text(folder / name) if (folder / name).is_file() else None
        except (OSError, UnicodeDecodeError):
            return None

    return include
