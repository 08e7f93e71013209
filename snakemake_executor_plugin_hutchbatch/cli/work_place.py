"""Where control files and environments lie in S3, for commands that look at them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..aws.retry import Retrier
from ..storage.run_layout import WorkLayout
from ..text.terminal import note
from . import s3_place

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_OPTION = "--work-prefix"
_UNKNOWN = (
    "Where your environments lie in S3 is not known: name it with --profile profiles/hutch "
    "or --work-prefix s3://fh-pi-lastname-f-eco/delete10."
)


@dataclass(frozen=True)
class WorkPlace:
    """A work prefix, and how it is reached."""

    layout: WorkLayout
    s3: S3Client
    retrier: Retrier


def add_place(parser: argparse.ArgumentParser) -> None:
    """The options that say where in S3."""
    s3_place.add_place(parser, _OPTION, "work prefix")


def opened(options: argparse.Namespace) -> WorkPlace:
    """For a parser with ``add_place``. Raises ``CommandError``."""
    s3, settings = s3_place.reached(options)
    profiles = settings.places[-1].url if settings.places else None  # that of control files
    prefix = s3_place.prefix(options, _OPTION, profiles, lambda run: run.work_prefix, _UNKNOWN)
    return WorkPlace(WorkLayout(prefix), s3, Retrier(note))
