"""``hutchbatch upload``: inputs to S3, by hand."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from ...storage.compare import ComparedInput, sum_of
from ...storage.local_inputs import LocalInput, Unusable, look
from ...storage.sent_files import State
from ...storage.uploads import UploadError, Uploads
from ...supervisor.file_names import reaches_out
from ...text import terminal
from ...text.terminal import note
from ...text.units import amount, counted
from ..stored_files import Stored, add_place, opened
from . import plan
from .common import FINE, WRONG, CommandError, Help, Subcommands, asking, epilog

_SHOWN = {
    State.NEW: "new",
    State.CHANGED: "changed here",
    State.SAME: "there already",
    State.OLDER: "older than the one in S3, not uploaded",
}


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "upload",
        help="upload inputs from this folder, as a run would by itself",
        description=(
            "Uploads files and folders to where a run looks for them, below the storage prefix.\n"
            "Without PATHS, all inputs that the workflow in this folder would upload. What is in\n"
            "S3 already is not sent again; what is newer there stays. A killed upload goes on\n"
            "where it was when you start it again."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch upload --profile profiles/hutch\n"
            "  hutchbatch upload --profile profiles/hutch reads /fh/fast/lab/genome.fa\n"
            "  hutchbatch upload --dry-run reads",
            "something could not be uploaded",
        ),
        formatter_class=Help,
    )
    parser.add_argument("paths", nargs="*", metavar="PATHS", help="files and folders")
    parser.add_argument("--dry-run", action="store_true", help="show what would be uploaded")
    add_place(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    stored = opened(options)
    names = [_name(path, stored.root) for path in options.paths] or _planned(options)
    local: list[LocalInput] = []
    wrong: list[str] = []
    for name in dict.fromkeys(names):
        try:
            found = look(name, stored.root)
        except Unusable as error:
            wrong.append(f"{error}.")
            continue
        if found is None:
            wrong.append(f"There is no {name} here.")
        else:
            local.append(found)
    with asking("comparing files with S3"):
        compared = stored.comparer.compare_all([(each, stored.url(each.name)) for each in local])
    wrong += [f"{each}." for each in compared if isinstance(each, Unusable)]
    good = [each for each in compared if isinstance(each, ComparedInput)]
    for sentence in wrong:
        note(sentence)
    if options.dry_run:
        _show(good)
    else:
        wrong += _send(stored, good)
    return WRONG if wrong else FINE


def _name(path: str, root: Path) -> str:
    """The name that a rule would have for a path: relative, where it is in the folder."""
    if not Path(path).is_absolute():
        return os.path.normpath(path)
    inside = os.path.relpath(path, root)
    return os.path.normpath(path) if reaches_out(inside) else inside


def _planned(options: argparse.Namespace) -> list[str]:
    """What the workflow in the folder would upload."""
    given = ["--profile", options.profile] if options.profile else []
    if options.prefix:
        given += ["--default-storage-provider", "s3", "--default-storage-prefix", options.prefix]
    if options.directory != Path():
        given += ["--directory", str(options.directory)]
    found, code = plan.planned(plan.snakemake_arguments(given))
    if found is None:
        if code == FINE:
            return []
        raise CommandError("Snakemake could not plan this workflow; its message is above.")
    return [each.name for each in found.uploads]


def _show(inputs: Sequence[ComparedInput]) -> None:
    for each in inputs:
        for item in each.files:
            name = f"{each.local.name}/{item.file.below}" if item.file.below else each.local.name
            terminal.say(f"{name} ({amount(item.file.size)}): {_SHOWN[item.state]}")
    wanted = [item for each in inputs for item in each.wanted]
    terminal.say(f"{counted(len(wanted), 'file')} ({amount(sum_of(wanted))}) would be uploaded.")


def _send(stored: Stored, inputs: Sequence[ComparedInput]) -> list[str]:
    """What went wrong, as sentences that were said."""
    wanted = [item for each in inputs for item in each.wanted]
    older = [item for each in inputs for item in each.older]
    if older:
        some = ", ".join(str(item.file.path) for item in older[:3])
        note(
            f"{counted(len(older), 'file')} here (such as {some}) differ from those in S3 and are "
            "older: they are not uploaded. To upload one all the same, touch it."
        )
    if not wanted:
        terminal.say("Nothing to upload: S3 has all of it.")
        return []
    place = stored.prefix
    terminal.say(f"Uploading {counted(len(wanted), 'file')} ({amount(sum_of(wanted))}) to {place}.")
    uploads = Uploads(stored.comparer, stored.retrier, terminal.say)
    wrong = []
    try:
        uploads.begin(inputs)
        for each in inputs:
            try:
                uploads.wait(each.url)
            except UploadError as error:
                wrong.append(str(error))
                note(f"{str(error).rstrip('.')}.")
    finally:
        uploads.stop()
    return wrong
