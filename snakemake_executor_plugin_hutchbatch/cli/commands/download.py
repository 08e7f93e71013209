"""``hutchbatch download``: results from S3 to here."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ...aws import errors
from ...storage import downloads
from ...storage.downloads import Downloader, DownloadError, Remote, Verdict
from ...storage.transfer_progress import Progress
from ...text import terminal
from ...text.terminal import note
from ...text.units import amount, counted
from ..stored_files import Stored, add_place, opened
from .common import FINE, WRONG, CommandError, Help, Subcommands, asking, epilog

T = TypeVar("T")

#: Files that are compared or fetched side by side.
THREADS = 8


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "download",
        help="download results from S3 into this folder",
        description=(
            "Downloads files from below the storage prefix to the same names in this folder.\n"
            "PATTERN is a name, a folder, or has * and ? (anything but a slash) or ** (anything);\n"
            "without one, all but hidden files. What is here already is not fetched again, and\n"
            "a file that is newer here than in S3 is kept, with a line that says so."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch download --profile profiles/hutch results\n"
            "  hutchbatch download 'results/**/*.tsv' report.html\n"
            "  hutchbatch download --dry-run",
            "nothing matches, or something could not be downloaded",
        ),
        formatter_class=Help,
    )
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="which files")
    parser.add_argument("--dry-run", action="store_true", help="show what would be downloaded")
    parser.add_argument(
        "--force", action="store_true", help="replace files that are newer here, too"
    )
    add_place(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    stored = opened(options)
    wanted = downloads.matcher(options.patterns) if options.patterns else None
    with asking("listing your bucket"):
        found = [
            each
            for each in downloads.listed(
                stored.inventory.below(stored.prefix.rstrip("/")), stored.prefix
            )
            if downloads.is_result(each.name, wanted)
        ]
    if not found:
        what = f"that matches {' or '.join(options.patterns)}" if options.patterns else "yet"
        raise CommandError(f"There is nothing in {stored.prefix} {what}.")
    downloader = Downloader(stored.s3, stored.root, stored.comparer, stored.sent, stored.retrier)
    try:
        return _download(stored, downloader, found, options)
    finally:
        stored.sent.save()


def _download(
    stored: Stored, downloader: Downloader, found: Sequence[Remote], options: argparse.Namespace
) -> int:
    verdicts, wrong = _all(found, downloader.verdict)
    fetched = {Verdict.FETCH, Verdict.REPLACE} | ({Verdict.KEEP} if options.force else set())
    wanted = [each for each in found if verdicts.get(each.name) in fetched]
    kept = [each for each in found if verdicts.get(each.name) is Verdict.KEEP]
    if kept and not options.force:
        note(
            f"Kept, because newer here than in S3: {downloads.in_words(kept)} (--force replaces "
            "them)."
        )
    size = sum(each.there.size for each in wanted)
    if options.dry_run:
        for each in wanted:
            terminal.say(f"{each.name} ({amount(each.there.size)}): {verdicts[each.name].value}")
        terminal.say(f"{counted(len(wanted), 'file')} ({amount(size)}) would be downloaded.")
        return WRONG if wrong else FINE
    if not wanted:
        terminal.say(f"Nothing to download: {counted(len(found), 'file')} here already.")
        return WRONG if wrong else FINE
    terminal.say(
        f"Downloading {counted(len(wanted), 'file')} ({amount(size)}) from {stored.prefix}."
    )
    progress = Progress("Downloaded", len(wanted), size, time.monotonic())

    def fetch(remote: Remote) -> Verdict:
        done = downloader.fetch(remote)
        if done is Verdict.OTHERS:
            progress.more(-1, -remote.there.size)  # left out after all
        else:
            progress.moved(remote.there.size)
            progress.done()
        if line := progress.due(time.monotonic()):
            terminal.say(line)
            stored.sent.save()
        return done

    done, failed = _all(wanted, fetch)
    others = [each for each in wanted if done.get(each.name) is Verdict.OTHERS]
    if others:
        note(f"Left out, as inputs uploaded from elsewhere: {downloads.in_words(others)}.")
    terminal.say(progress.end(time.monotonic()))
    return WRONG if wrong or failed else FINE


def _all(
    remotes: Sequence[Remote], function: Callable[[Remote], T]
) -> tuple[dict[str, T], list[str]]:
    """The answers by name, and what went wrong, which is said."""
    answers: dict[str, T] = {}
    wrong: list[str] = []

    def one(remote: Remote) -> None:
        try:
            answers[remote.name] = function(remote)
        except (DownloadError, ClientError, BotoCoreError) as error:
            sentence = (
                f"{error}."
                if isinstance(error, DownloadError)
                else errors.explain(error, f"downloading {remote.name}")
            )
            wrong.append(sentence)
            note(sentence)

    with ThreadPoolExecutor(THREADS, thread_name_prefix="hutchbatch-downloading") as pool:
        try:
            list(pool.map(one, remotes))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return answers, wrong
