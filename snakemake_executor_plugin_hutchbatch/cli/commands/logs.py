"""``hutchbatch logs``: the output of a job."""

from __future__ import annotations

import argparse
import datetime
import os
import re
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ...aws import clients as aws
from ...aws.clients import Clients
from ...record import run_record
from ...record.journal import JournalError
from ...record.reader import Reader
from ...reporting import find_job, find_on_batch
from ...reporting.find_job import Target
from ...text.terminal import note
from .. import detached
from ..following import Follower
from .common import (
    USAGE,
    CommandError,
    Help,
    Subcommands,
    add_directory,
    add_region,
    asking,
    epilog,
    journal_path,
)
from .output import LogPrinter, follow

_SINCE = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
#: The account of the local cloud's job role; no account of AWS has that number.
_LOCAL_ACCOUNT = "arn:aws:iam::000000000000:"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "logs",
        help="show the output of a job",
        description=(
            "Shows the output of a job, as AWS CloudWatch keeps it. JOB is an AWS Batch id (for\n"
            "an array's child: ID:INDEX), the name of a Batch job, or a rule with wildcards of\n"
            "the last run in this folder. If several jobs match, the one that failed last is\n"
            "shown. The rule's log: files follow, from S3, unless the output has their text.\n"
            "On a terminal, control characters are shown as ?. A pipe or file gets exactly what\n"
            "the job wrote; notes go to standard error."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch logs 7a6280f6-164f-4200-bc88-a2d12bdaa224\n"
            "  hutchbatch logs align sample=A\n"
            "  hutchbatch logs align sample=A --attempt 1 | less\n"
            "  hutchbatch logs align sample=A --follow --since 10m\n"
            "  hutchbatch logs --controller --follow",
            "there is no such job or no output",
        ),
        formatter_class=Help,
    )
    parser.add_argument(
        "job", nargs="*", metavar="JOB", help="Batch id, job name, or RULE [wildcard=value …]"
    )
    parser.add_argument(
        "--controller",
        nargs="?",
        const="",
        metavar="RUN",
        help="the output of the Snakemake of a run of 'hutchbatch submit' (default: the last)",
    )
    parser.add_argument(
        "--attempt",
        type=_positive,
        metavar="N",
        help="output of its N-th start (default: the last); for a rule's job, every start in the "
        "run counts",
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="keep printing until the job has ended"
    )
    parser.add_argument(
        "--since",
        type=_since_type,
        metavar="WHEN",
        help="only what is newer: 30s, 10m, 2h, 1d, or a time such as 2026-11-27T14:30",
    )
    parser.add_argument("--run", metavar="RUN", dest="run_id", help="a run from 'hutchbatch runs'")
    add_directory(parser)
    add_region(parser)
    detached.add_place(parser)
    parser.set_defaults(run=_run)


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _since_type(text: str) -> int:
    try:
        return since(text, time.time())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} does not look like 30s, 10m, 2h, 1d or 2026-11-27T14:30"
        ) from None


def since(text: str, now: float) -> int:
    """``10m`` before ``now`` (seconds since 1970), or an ISO time (this machine's time zone unless
    it names one), in milliseconds since 1970. Raises ``ValueError``."""
    ago = _SINCE.fullmatch(text)
    if ago:
        return round((now - float(ago[1]) * _UNITS[ago[2]]) * 1000)
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)


# Which job


@dataclass(frozen=True)
class _Request:
    words: tuple[str, ...]
    run_id: str | None
    region: str | None


def _open(options: argparse.Namespace) -> Reader | None:
    """The record if it can be read; an id can be looked up without it."""
    try:
        return Reader(journal_path(options))
    except JournalError:
        if not _may_be_known_to_batch(options.job):
            raise
        return None


def _may_be_known_to_batch(words: list[str]) -> bool:
    # Rules are Python's names, without dashes; names of jobs begin "user-".
    return len(words) == 1 and "-" in words[0] and "=" not in words[0]


def _find(reader: Reader | None, request: _Request) -> Target | None:
    """The job as the record has it, None if it does not. Raises ``LookupFailed``."""
    if reader is None:
        return None
    words = request.words
    if find_job.is_batch_id(words[0]):
        return find_job.by_id(reader, words[0])
    if _may_be_known_to_batch(list(words)):
        return find_job.by_name(reader, words[0])
    return find_job.by_rule(reader, run_record.choose(reader, request.run_id), words)


def _is_of_ended_local_cloud(target: Target, environ: Mapping[str, str]) -> bool:
    """Whether a job ran on a local cloud, and none is here to be asked."""
    role = target.run.settings.get("job_role", "") if target.run else ""
    return role.startswith(_LOCAL_ACCOUNT) and "AWS_ENDPOINT_URL_BATCH" not in environ


def _ask_batch(clients: Clients, name: str) -> Target:
    """A job that is in no record, by its id or name."""
    with asking("looking for the job"):
        if found := find_on_batch.find(clients.batch, name):
            return found
    raise CommandError(
        f"AWS Batch has no job named {name} in {clients.region} (it forgets jobs some days after "
        "their end); check the name, or give the job's id."
    )


# What it wrote


def _of_controller(options: argparse.Namespace) -> int:
    """The output of a detached run's Snakemake."""
    if options.job:
        raise CommandError("Name a job, or --controller RUN, not both.", USAGE)
    with asking("looking for the run"):
        follower = Follower(detached.reached(options, options.controller or None), show=False)
        target = follower.target()
    if target is None:
        raise CommandError(
            "AWS Batch no longer knows Snakemake's job: it forgets jobs some days after their end."
        )
    printer = LogPrinter(follower.clients, options.since)
    if options.follow:
        return follow(printer, lambda: target, options.attempt)
    return printer.show(target, options.attempt)


def _run(options: argparse.Namespace) -> int:
    if options.controller is not None:
        return _of_controller(options)
    if not options.job:
        raise CommandError("Which job? Give an id, a name, or a rule with its wildcards.", USAGE)
    if (reached := detached.meant(options, options.run_id)) is not None:
        with asking("reading the run's record"), detached.record_of(reached) as saved:
            if saved is None:
                raise CommandError(f"The Snakemake of run {reached.id} has started no job yet.")
            return _of_jobs(options, saved.reader, saved.run.run_id)
    return _of_jobs(options, _open(options), options.run_id)


def _of_jobs(options: argparse.Namespace, reader: Reader | None, run_id: str | None) -> int:
    if len(options.job) > 1 and find_job.is_batch_id(options.job[0]):
        raise CommandError("Give one id at a time.", USAGE)
    request = _Request(tuple(options.job), run_id, options.region)
    try:
        target = _find(reader, request)
        if target and _is_of_ended_local_cloud(target, os.environ):
            raise CommandError(
                "This run was on the local cloud, which has ended; it keeps what jobs wrote: "
                f"hutchbatch local -- hutchbatch logs {shlex.join(options.job)}"
            )
        region = options.region or (target.run.region if target and target.run else None)
        clients = aws.clients(aws.session(region))
        found = target or _ask_batch(clients, options.job[0])
        if found.said:
            note(found.said)

        def refreshed() -> Target:
            return _find(reader, request) or found if target else found

        printer = LogPrinter(clients, options.since)
        if options.follow:
            return follow(printer, refreshed, options.attempt)
        return printer.show(found, options.attempt)
    except find_job.LookupFailed as error:
        raise CommandError(str(error)) from error
    finally:
        if reader:
            reader.close()
