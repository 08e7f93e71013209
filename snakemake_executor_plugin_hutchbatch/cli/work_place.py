"""Where control files and environments lie in S3, for commands that look at them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..aws import clients as aws
from ..aws.retry import Retrier
from ..doctor import snakemake_settings
from ..doctor.snakemake_settings import RunSettings, SettingsError
from ..record import run_record
from ..record.journal import JournalError
from ..record.reader import Reader
from ..settings.parsers import SettingError, parse_work_prefix
from ..storage.run_layout import WorkLayout
from ..text.terminal import note
from .commands.common import USAGE, WRONG, CommandError, add_directory, journal_path

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class WorkPlace:
    """A work prefix, and how it is reached."""

    layout: WorkLayout
    s3: S3Client
    retrier: Retrier


def add_place(parser: argparse.ArgumentParser) -> None:
    """The options that say where in S3."""
    parser.add_argument("--profile", metavar="FOLDER", help="profile with your settings")
    parser.add_argument(
        "--work-prefix",
        metavar="S3_URL",
        help="work prefix, in place of the profile's or of the last run here",
    )
    add_directory(parser)


def opened(options: argparse.Namespace) -> WorkPlace:
    """For a parser with ``add_place``. Raises ``CommandError``."""
    try:
        settings = snakemake_settings.read(options.profile, ())
    except SettingsError as error:
        raise CommandError(str(error), USAGE if error.usage else WRONG) from error
    session = aws.session(settings.settings.value("region"))
    layout = WorkLayout(_prefix(options, settings))
    return WorkPlace(layout, aws.clients(session, settings.access).s3, Retrier(note))


def _prefix(options: argparse.Namespace, settings: RunSettings) -> str:
    if options.work_prefix:
        try:
            return parse_work_prefix(options.work_prefix)
        except SettingError as error:
            raise CommandError(f"--work-prefix {options.work_prefix!r}: {error}.", USAGE) from None
    if settings.places:
        return settings.places[-1].url  # that of control files
    try:
        with Reader(journal_path(options)) as reader:
            return parse_work_prefix(run_record.choose(reader, None).work_prefix)
    except (JournalError, SettingError):
        raise CommandError(
            "Where your environments lie in S3 is not known: name it with --profile profiles/hutch "
            "or --work-prefix s3://fh-pi-lastname-f-eco/delete10."
        ) from None
