"""Which place in S3 a command means: by its options, the profile, or the last run here."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..aws import clients as aws
from ..doctor import snakemake_settings
from ..doctor.snakemake_settings import RunSettings, SettingsError
from ..record import run_record
from ..record.journal import JournalError
from ..record.reader import Reader
from ..record.schema import Run
from ..settings.parsers import SettingError, parse_work_prefix
from .commands.common import USAGE, WRONG, CommandError, add_directory, journal_path

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def add_place(parser: argparse.ArgumentParser, option: str, what: str) -> None:
    """The options that say where. ``option``: ``--work-prefix``; ``what`` it is called in help."""
    parser.add_argument("--profile", metavar="FOLDER", help="profile with your settings")
    parser.add_argument(
        option, metavar="S3_URL", help=f"{what}, in place of the profile's or of the last run here"
    )
    add_directory(parser)


def reached(options: argparse.Namespace) -> tuple[S3Client, RunSettings]:
    """S3 as the profile says. Raises ``CommandError``."""
    try:
        settings = snakemake_settings.read(options.profile, ())
    except SettingsError as error:
        raise CommandError(str(error), USAGE if error.usage else WRONG) from error
    session = aws.session(settings.settings.value("region"))
    return aws.clients(session, settings.access).s3, settings


def prefix(
    options: argparse.Namespace,
    option: str,
    profiles: str | None,
    recorded: Callable[[Run], str],
    unknown: str,
) -> str:
    """A prefix, with a slash at its end. ``profiles``: that of the profile; ``recorded``: that of a
    run; ``unknown``: what to say where there is none. Raises ``CommandError``."""
    given = getattr(options, option.strip("-").replace("-", "_"))
    if given:
        try:
            return parse_work_prefix(given)
        except SettingError as error:
            raise CommandError(f"{option} {given!r}: {error}.", USAGE) from None
    if profiles:
        return profiles
    try:
        with Reader(journal_path(options)) as reader:
            return parse_work_prefix(recorded(run_record.choose(reader, None)))
    except (JournalError, SettingError):
        raise CommandError(unknown) from None
