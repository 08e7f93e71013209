"""What ``hutchbatch upload`` and ``download`` share: the folder here, and its place in S3."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..aws import clients as aws
from ..aws.retry import Retrier
from ..doctor import snakemake_settings
from ..doctor.snakemake_settings import RunSettings, SettingsError
from ..record import run_record
from ..record.journal import JournalError
from ..record.reader import Reader
from ..settings.parsers import SettingError, parse_work_prefix
from ..storage import buckets
from ..storage.compare import Comparer
from ..storage.inventory import Inventory
from ..storage.sent_files import SentFiles
from ..storage.urls import split_url
from ..supervisor.file_names import key_of
from ..text.terminal import note
from .commands.common import USAGE, WRONG, CommandError, add_directory, asking, journal_path

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Stored:
    """A launch folder, and where its files lie. ``prefix``: with a slash at its end."""

    root: Path
    prefix: str
    s3: S3Client
    retrier: Retrier
    inventory: Inventory
    sent: SentFiles
    comparer: Comparer

    def url(self, name: str) -> str:
        """Where the file of a name lies."""
        bucket, key = split_url(self.prefix)
        return f"s3://{bucket}/{key_of(name, key)}"


def add_place(parser: argparse.ArgumentParser) -> None:
    """The options that say where in S3."""
    parser.add_argument("--profile", metavar="FOLDER", help="profile with your settings")
    parser.add_argument(
        "--prefix",
        metavar="S3_URL",
        help="storage prefix, in place of the profile's or of the last run here",
    )
    add_directory(parser)


def opened(options: argparse.Namespace) -> Stored:
    """For a parser with ``add_place``. Raises ``CommandError``."""
    root: Path = options.directory.resolve()
    if not root.is_dir():
        raise CommandError(f"There is no folder {options.directory}.", USAGE)
    try:
        settings = snakemake_settings.read(options.profile, ())
    except SettingsError as error:
        raise CommandError(str(error), USAGE if error.usage else WRONG) from error
    session = aws.session(settings.settings.value("region"))
    s3 = aws.clients(session, settings.access).s3
    prefix = _prefix(options, settings)
    with asking("reaching your bucket"):
        try:
            buckets.check_bucket(s3, split_url(prefix)[0])
        except buckets.StorageError as error:
            raise CommandError(str(error)) from error
    retrier = Retrier(note)
    inventory, sent = Inventory(s3, retrier), SentFiles(root)
    return Stored(root, prefix, s3, retrier, inventory, sent, Comparer(s3, inventory, sent))


def _prefix(options: argparse.Namespace, settings: RunSettings) -> str:
    if options.prefix:
        try:
            return parse_work_prefix(options.prefix)
        except SettingError as error:
            raise CommandError(f"--prefix {options.prefix!r}: {error}.", USAGE) from None
    if settings.places:
        return settings.places[0].url
    try:
        with Reader(journal_path(options)) as reader:
            recorded = run_record.choose(reader, None).storage_prefix
        return parse_work_prefix(recorded)
    except (JournalError, SettingError):
        raise CommandError(
            "Where your files lie in S3 is not known: name it with --profile profiles/hutch or "
            "--prefix s3://fh-pi-lastname-f-eco/myproject."
        ) from None
