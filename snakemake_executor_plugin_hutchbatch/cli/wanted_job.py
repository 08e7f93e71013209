"""Which job a command is about: an AWS Batch id, a job's name, a rule, or a file that it makes."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace

from ..aws import clients as aws
from ..aws.clients import Clients
from ..record import run_record
from ..record.journal import JournalError
from ..record.reader import Reader
from ..record.schema import Run
from ..reporting import find_job, find_on_batch
from ..reporting.find_job import LookupFailed, Target
from . import detached
from .commands.common import (
    USAGE,
    CommandError,
    add_directory,
    add_region,
    asking,
    journal_path,
)

#: The account of the local cloud's job role; no account of AWS has that number.
_LOCAL_ACCOUNT = "arn:aws:iam::000000000000:"
#: Which runs are looked at where the last one does not have a job, the latest first.
EARLIER = "started < ? ORDER BY started DESC LIMIT 20"
#: Names of Batch jobs begin "user-"; rules are Python's names, without dashes.
_NAME = re.compile(r"[A-Za-z0-9_]+-[A-Za-z0-9_-]*(:[0-9]+)?")


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which."""
    parser.add_argument(
        "job",
        nargs="*",
        metavar="JOB",
        help="Batch id, job name, RULE [wildcard=value …], or a file that it makes",
    )
    parser.add_argument("--run", metavar="RUN", dest="run_id", help="a run from 'hutchbatch runs'")
    add_directory(parser)
    add_region(parser)
    detached.add_place(parser)


@dataclass
class WantedJob:
    """One job, as a user names it. ``reader`` None: there is no record here; ``environ``: of this
    process."""

    words: tuple[str, ...]
    run_id: str | None
    region: str | None
    reader: Reader | None
    command: str
    environ: Mapping[str, str]
    _clients: Clients | None = None
    _found: Target | None = None
    _recorded: bool = field(default=False)

    @property
    def clients(self) -> Clients:
        """AWS's clients where the job is, once it has been found."""
        if self._clients is None:
            target = self._found
            region = self.region or (target.run.region if target and target.run else None)
            self._clients = aws.clients(aws.session(region))
        return self._clients

    def find(self) -> Target:
        """Raises ``CommandError``."""
        target = self._found = self._in_record()
        self._recorded = target is not None
        if target is None:
            target = self._found = _ask_batch(self.clients, self.words[0])
        elif _is_of_ended_local_cloud(target, self.environ):
            raise CommandError(
                "This run was on the local cloud, which has ended; it keeps what jobs wrote: "
                f"hutchbatch local -- hutchbatch {self.command} {shlex.join(self.words)}"
            )
        return target

    def again(self) -> Target:
        """What is known of it now."""
        if self._found is None:
            return self.find()
        return (self._in_record() if self._recorded else None) or self._found

    def _in_record(self) -> Target | None:
        """As the record has it, None if it does not."""
        if self.reader is None:
            return None
        try:
            if find_job.is_batch_id(self.words[0]):
                return find_job.by_id(self.reader, self.words[0])
            if _may_be_known_to_batch(self.words):
                return find_job.by_name(self.reader, self.words[0]) or self._by_file()
            return self._of_run(self.reader)
        except LookupFailed as error:
            raise CommandError(str(error)) from error

    def _of_run(self, reader: Reader) -> Target:
        """A rule's job: of the run that is named, or of the last one that has it."""
        run = run_record.choose(reader, self.run_id)
        try:
            return find_job.by_rule(reader, run, self.words)
        except LookupFailed:
            for earlier in reader.rows(Run, EARLIER, run.started) if self.run_id is None else ():
                with suppress(LookupFailed):
                    found = find_job.by_rule(reader, earlier, self.words)
                    said = f"{found.label} is of the earlier run {earlier.run_id}. {found.said}"
                    return replace(found, said=said.strip())
            raise

    def _by_file(self) -> Target | None:
        """A file may be called as a Batch job."""
        if self.reader is None:
            return None
        try:
            run = run_record.choose(self.reader, self.run_id)
            return find_job.by_rule(self.reader, run, self.words)
        except (JournalError, LookupFailed):
            return None


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[WantedJob]:
    """The job that a command's options name, with the record that knows it. Raises
    ``CommandError``."""
    words = tuple(options.job)
    if not words:
        raise CommandError("Which job? Give an id, a name, or a rule with its wildcards.", USAGE)
    if len(words) > 1 and find_job.is_batch_id(words[0]):
        raise CommandError("Give one id at a time.", USAGE)
    run_id = options.run_id
    reader: Reader | None
    with ExitStack() as stack:
        reached = detached.meant(options, run_id)
        if reached is not None:
            with asking("reading the run's record"):
                saved = stack.enter_context(detached.record_of(reached))
            if saved is None:
                raise CommandError(f"The Snakemake of run {reached.id} has started no job yet.")
            reader, run_id = saved.reader, saved.run.run_id
        elif (reader := _reader(options, words)) is not None:
            stack.callback(reader.close)
        yield WantedJob(words, run_id, options.region, reader, options.subcommand, dict(os.environ))


def _reader(options: argparse.Namespace, words: tuple[str, ...]) -> Reader | None:
    """The record if it can be read; an id can be looked up without it."""
    try:
        return Reader(journal_path(options))
    except JournalError:
        if not _may_be_known_to_batch(words):
            raise
        return None


def _may_be_known_to_batch(words: tuple[str, ...]) -> bool:
    return len(words) == 1 and (
        find_job.is_batch_id(words[0]) or _NAME.fullmatch(words[0]) is not None
    )


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
