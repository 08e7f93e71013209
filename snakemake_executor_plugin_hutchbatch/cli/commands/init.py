"""``hutchbatch init``: writes a Snakemake profile for AWS Batch."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ... import files
from ...aws import clients
from ...nextflow.carried import Carried
from ...nextflow.syntax import MOST_CHARS, NextflowError, read
from ...nextflow.translation import translate
from ...planning import naming, run_settings
from ...settings import parsers
from ...settings.table import FALLBACK_REGION, SETTINGS
from ...settings.values import SettingError
from ...text import terminal
from ...text.terminal import note
from .. import profile_file
from .common import USAGE, CommandError, Help, Subcommands, epilog

DEFAULT_PROFILE = Path("profiles/hutch")
#: The Hutch's buckets delete what is in this folder after 30 days.
WORK_FOLDER = "scratch-delete-30/hutchbatch"


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "init",
        help="write a profile for AWS Batch, from your answers or a nextflow.config",
        description=(
            "Writes a Snakemake profile with your bucket, queue and job role, with a comment for\n"
            "each line. It asks for everything that is not given as an option. If it cannot ask\n"
            "(--yes, or no terminal), it uses defaults; bucket and job role must then be given.\n"
            "--from-nextflow carries over the settings of a nextflow.config, including those of\n"
            "single processes, and lists those that a profile cannot express."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch init\n"
            "  hutchbatch init --from-nextflow nextflow.config --profile profiles/tcr\n"
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
    for question in QUESTIONS:
        flag = "--" + question.name.replace("_", "-")
        parser.add_argument(flag, metavar=question.metavar, help=question.help)
    parser.set_defaults(run=_run)


@dataclass(frozen=True)
class Question:
    """Something the profile must say. ``parse`` raises ``SettingError`` for a wrong answer."""

    name: str
    metavar: str
    text: str
    help: str
    parse: Callable[[str], object]


def parse_bucket(text: str) -> str:
    """A bucket's name, also as ``s3://name``. Raises ``SettingError``."""
    bucket = text.strip().removeprefix("s3://").rstrip("/")
    if "/" in bucket:
        raise SettingError("enter only the bucket's name; the folder in it is the next question")
    try:
        parsers.parse_work_prefix(f"s3://{bucket}")
    except SettingError:
        raise SettingError("a bucket's name looks like fh-pi-lastname-f-eco") from None
    return bucket


def parse_prefix(text: str) -> str:
    """A folder in the bucket. Raises ``SettingError``."""
    folder = text.strip().strip("/")
    if not all(part and part.isprintable() and " " not in part for part in folder.split("/")):
        raise SettingError("a folder looks like myproject or tcr/run1, without spaces")
    if "://" in text or any(c in folder for c in "#?{}*"):
        raise SettingError("a folder looks like myproject or tcr/run1, without #, ?, * or braces")
    return folder


def _typed(name: str) -> str:
    """A setting's default as a user would type it."""
    return str(SETTINGS[name].default)


QUESTIONS = (
    Question(
        "bucket",
        "NAME",
        "Your PI's bucket in S3, for the workflow's files",
        "your PI's bucket",
        parse_bucket,
    ),
    Question(
        "prefix",
        "FOLDER",
        "The folder in the bucket for this workflow",
        "the folder in the bucket for this workflow (default: the name of this folder)",
        parse_prefix,
    ),
    Question(
        "job_role",
        "ARN",
        "The IAM role for the jobs (ARN, from SciComp)",
        "the IAM role for the jobs; none if the role of the machines is enough",
        parsers.parse_job_role,
    ),
    Question(
        "queue",
        "QUEUE",
        "The queue for the jobs, several separated by commas, or auto for the spot queues",
        f"the queue, or several separated by commas (default: {_typed('queue')}, by the policy)",
        parsers.parse_queue,
    ),
    Question(
        "policy",
        "POLICY",
        "Which spot queue first: availability (always there), capacity (cheapest) or balanced",
        f"availability, balanced or capacity (default: {_typed('policy')})",
        parsers.parse_policy,
    ),
    Question(
        "user",
        "ID",
        "Your HutchNet ID, which job names start with",
        "your HutchNet ID (default: your login name)",
        parsers.parse_user,
    ),
    Question(
        "region",
        "REGION",
        "The AWS region",
        f"the AWS region (default: from your AWS configuration, else {FALLBACK_REGION})",
        parsers.parse_region,
    ),
    Question(
        "work_prefix",
        "S3_URL",
        "A location in S3 for control files, best in a folder that is emptied automatically",
        f"a location in S3 for control files (default: {WORK_FOLDER} in the bucket)",
        parsers.parse_work_prefix,
    ),
)


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
        answers = _answers(options, carried)
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
    if carried and carried.left:
        terminal.say(f"Not carried over from {options.from_nextflow}:")
        terminal.say(*(f"  {each}" for each in carried.left))
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
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_CHARS + 1)
        config = read(text, options.nextflow_profile)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not a text file"
        raise CommandError(f"{path} could not be read: {why}.") from None
    except NextflowError as error:
        raise CommandError(f"{path}: {error}.") from None
    return translate(config)


def _answers(options: argparse.Namespace, carried: Carried | None) -> profile_file.Answers:
    """The user's answers: options, the carried config, what is typed, defaults."""
    given = dict(carried.settings) if carried else {}
    asks = not options.yes and terminal.is_interactive()
    found: dict[str, str] = {}
    if asks:
        terminal.say(
            "Press Enter to accept the value in brackets, or Ctrl-C to stop without writing."
        )
    for question in QUESTIONS:
        typed = getattr(options, question.name)
        if typed is not None:
            found[question.name] = _checked(question, typed)
        elif question.name == "policy" and found["queue"] != "auto":
            found["policy"] = _typed("policy")
        elif question.name in given:
            found[question.name] = _checked(question, str(given[question.name]))
        else:
            default = _default(question.name, found, given)
            if asks:
                found[question.name] = _ask(question, default)
            elif default is None:
                flag = "--" + question.name.replace("_", "-")
                raise CommandError(
                    f"{question.text}? Give it with {flag} {question.metavar}.", USAGE
                )
            else:
                found[question.name] = _checked(question, default)
    return profile_file.Answers(**found)


def _default(name: str, found: dict[str, str], given: dict[str, object]) -> str | None:
    """What is taken if nothing is said; None where only the user knows."""
    if name == "bucket" and given.get("work_prefix"):
        return str(given["work_prefix"]).removeprefix("s3://").partition("/")[0]
    return {
        "prefix": lambda: naming.slug(Path.cwd().name, 60) or "workflow",
        "queue": lambda: _typed("queue"),
        "policy": lambda: _typed("policy"),
        "user": run_settings.default_user,
        "region": lambda: os.environ.get("AWS_REGION") or clients.session().region_name,
        "work_prefix": lambda: f"s3://{found['bucket']}/{WORK_FOLDER}",
    }.get(name, lambda: None)()


def _checked(question: Question, text: str) -> str:
    """The text as it is to be written. Raises ``CommandError`` for one that cannot be used."""
    flag = "--" + question.name.replace("_", "-")
    try:
        read_as = question.parse(text)
    except SettingError as error:
        raise CommandError(f"{flag} {text!r}: {error}.", USAGE) from None
    return read_as if isinstance(read_as, str) else text.strip()


def _ask(question: Question, default: str | None) -> str:
    """Asks until the answer can be used."""
    shown = f" [{default}]" if default else ""
    while True:
        text = terminal.ask(f"{question.text}{shown}:") or default or ""
        try:
            read_as = question.parse(text)
        except SettingError as error:
            terminal.say(f"  Invalid answer: {error}.")
            continue
        return read_as if isinstance(read_as, str) else text
