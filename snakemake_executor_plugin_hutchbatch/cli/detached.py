"""Which detached run a command means, and how it is reached."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import clients as aws
from ..aws import errors
from ..aws.clients import Clients, S3Access
from ..controller import detached_runs, state_restore
from ..controller.detached_runs import DetachedRun, NoSuchRun
from ..controller.documents import DocumentError
from ..controller.saved_files import RECORD
from ..controller.state_restore import StateError
from ..record import run_record
from ..record.journal import JournalError
from ..record.reader import Reader
from ..record.schema import Run
from ..settings.parsers import SettingError, parse_work_prefix
from ..storage.run_layout import DetachedLayout, WorkLayout
from . import s3_place
from .commands.common import USAGE, CommandError, journal_path

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_OPTION = "--work-prefix"
_VARIABLE = "SNAKEMAKE_HUTCHBATCH_WORK_PREFIX"
_UNKNOWN = (
    "Where detached runs are kept in S3 is not known here: name it with --profile profiles/hutch "
    "or --work-prefix s3://fh-pi-lastname-f-eco/me/.hutchbatch."
)


@dataclass(frozen=True)
class Reached:
    """A run, and its place. ``ready``: clients of the place where it is, if there are any."""

    id: str
    work: WorkLayout
    s3: S3Client
    access: S3Access
    ready: Clients | None = None

    @property
    def layout(self) -> DetachedLayout:
        return self.work.detached(self.id)

    def look(self) -> DetachedRun:
        """Raises ``CommandError``, and botocore's errors."""
        try:
            return detached_runs.look(self.s3, self.work, self.id)
        except (NoSuchRun, DocumentError) as error:
            raise CommandError(str(error)) from error

    def clients(self, region: str) -> Clients:
        """AWS's clients where the run is."""
        return self.ready or aws.clients(aws.session(region or None), self.access)


def add_place(parser: argparse.ArgumentParser) -> None:
    """The options that say where in S3, for a parser with ``add_directory``."""
    parser.add_argument(
        "--profile", metavar="FOLDER", help="profile with your settings, for detached runs"
    )
    parser.add_argument(
        _OPTION,
        metavar="S3_URL",
        help="where detached runs are kept, in place of the profile's",
    )


def is_named(options: argparse.Namespace) -> bool:
    """Whether the options name a place, which is that of detached runs."""
    return bool(options.work_prefix or options.profile)


def meant(options: argparse.Namespace, name: str | None) -> Reached | None:
    """The detached run that a command means by a name; None if it means one that was started in
    this folder, or says nothing else. Raises ``CommandError``, and botocore's errors."""
    if is_named(options):
        return reached(options, name)
    if name is None:
        return _last(options)
    try:
        with Reader(journal_path(options)) as reader:
            run_record.choose(reader, name)
            return None
    except JournalError:
        try:
            return reached(options, name)
        except CommandError:
            if not journal_path(options).exists():
                raise
            return None  # the record's own sentence says which runs there are


def _last(options: argparse.Namespace) -> Reached | None:
    """The last run of this folder, if it was submitted."""
    last = next(detached_runs.known(options.directory), None)
    if last is None:
        return None
    try:
        with Reader(journal_path(options)) as reader:
            if run_record.choose(reader, None).run_id > last.id:
                return None
    except JournalError:
        pass
    return reached(options, last.id)


def reached(options: argparse.Namespace, name: str | None) -> Reached:
    """The run of this name; without one, the last that was submitted in this folder, or else the
    newest. Raises ``CommandError``, and botocore's errors."""
    found = None if is_named(options) else _known(options, name)
    if found is not None:
        s3 = aws.clients(aws.session(found.region or None)).s3
        return Reached(found.id, WorkLayout(found.work_prefix), s3, S3Access())
    s3, work, access = place(options)
    try:
        return Reached(detached_runs.find(s3, work, name), work, s3, access)
    except NoSuchRun as error:
        raise CommandError(str(error)) from error
    except (ClientError, BotoCoreError) as error:
        raise CommandError(errors.explain(error, "looking for detached runs")) from error


def _known(options: argparse.Namespace, name: str | None) -> detached_runs.Known | None:
    for each in detached_runs.known(options.directory):
        if name is None or each.id.startswith(name):
            return each
    return None


def place(options: argparse.Namespace) -> tuple[S3Client, WorkLayout, S3Access]:
    """Where detached runs are kept. Raises ``CommandError``."""
    if options.profile:
        s3, settings = s3_place.reached(options)
        given = options.work_prefix or (settings.places[-1].url if settings.places else None)
        access = settings.access
    else:
        s3, access = aws.clients(aws.session()).s3, S3Access()
        given = options.work_prefix or os.environ.get(_VARIABLE) or _recorded(options)
    if not given:
        raise CommandError(_UNKNOWN)
    try:
        return s3, WorkLayout(parse_work_prefix(given)), access
    except SettingError as error:
        raise CommandError(f"{_OPTION} {given!r}: {error}.", USAGE) from None


def _recorded(options: argparse.Namespace) -> str | None:
    for known in detached_runs.known(options.directory):
        return known.work_prefix
    try:
        with Reader(journal_path(options)) as reader:
            return run_record.choose(reader, None).work_prefix
    except JournalError:
        return None


@dataclass(frozen=True)
class Saved:
    """A record of a detached run, and in it the last Snakemake that made it. ``folder``: where the
    run was submitted."""

    reader: Reader
    run: Run
    folder: str


@contextmanager
def record_of(run: Reached) -> Iterator[Saved | None]:
    """The run's record as it was saved last; None if its Snakemake has left none yet. Raises
    ``CommandError``, and botocore's errors."""
    request = run.look().request
    with tempfile.TemporaryDirectory(prefix="hutchbatch-") as folder:
        try:
            state_restore.fetch(run.s3, run.layout, run.id, Path(folder), record_only=True)
        except StateError as error:
            raise CommandError(str(error)) from error
        path = Path(folder, RECORD)
        if not path.exists():
            yield None
            return
        with Reader(path) as reader:
            last = next(
                (
                    each
                    for each in reader.rows(Run, "1 ORDER BY started DESC")
                    # Not those that were started where it was submitted: their record came along.
                    if (each.host, each.folder) != (request.host, request.folder)
                ),
                None,
            )
            yield Saved(reader, last, request.folder) if last else None
