"""What ``hutchbatch upload`` and ``download`` share: the folder here, and its place in S3."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..aws.retry import Retrier
from ..storage import buckets
from ..storage.compare import Comparer
from ..storage.inventory import Inventory
from ..storage.sent_files import SentFiles
from ..storage.urls import split_url
from ..supervisor.file_names import key_of
from ..text.terminal import note
from . import s3_place
from .commands.common import USAGE, CommandError, asking

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_OPTION = "--prefix"
_UNKNOWN = (
    "Where your files lie in S3 is not known: name it with --profile profiles/hutch or "
    "--prefix s3://fh-pi-lastname-f-eco/myproject."
)


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
        """Where the file of a name is."""
        bucket, key = split_url(self.prefix)
        return f"s3://{bucket}/{key_of(name, key)}"


def add_place(parser: argparse.ArgumentParser) -> None:
    """The options that say where in S3."""
    s3_place.add_place(parser, _OPTION, "storage prefix")


def opened(options: argparse.Namespace) -> Stored:
    """For a parser with ``add_place``. Raises ``CommandError``."""
    root: Path = options.directory.resolve()
    if not root.is_dir():
        raise CommandError(f"There is no folder {options.directory}.", USAGE)
    s3, settings = s3_place.reached(options)
    profiles = settings.places[0].url if settings.places else None
    prefix = s3_place.prefix(options, _OPTION, profiles, lambda run: run.storage_prefix, _UNKNOWN)
    with asking("reaching your bucket"):
        try:
            buckets.check_bucket(s3, split_url(prefix)[0])
        except buckets.StorageError as error:
            raise CommandError(str(error)) from error
    retrier = Retrier(note)
    inventory, sent = Inventory(s3, retrier), SentFiles(root)
    return Stored(root, prefix, s3, retrier, inventory, sent, Comparer(s3, inventory, sent))
