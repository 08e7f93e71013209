"""``hutchbatch cleanup``: what runs left in S3, what it costs, and what of it may go."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence

from botocore.exceptions import ClientError

from ...aws import errors
from ...record import run_record
from ...record.controllers import is_gone
from ...record.journal import JournalError
from ...record.reader import Reader
from ...record.schema import Run
from ...storage import cleaning, work_files
from ...storage.cleaning import Decision, Goes, UploadLeft, Wanted
from ...storage.emptying import Emptying
from ...storage.work_files import WorkFiles, size
from ...text import terminal
from ...text.units import amount, counted
from .. import cleaning_text, s3_place
from ..cleaning_text import Results
from .common import (
    FINE,
    WRONG,
    CommandError,
    Help,
    Subcommands,
    asking,
    epilog,
    journal_path,
    number,
)

_OPTION = "--work-prefix"
_UNKNOWN = (
    "Where runs keep their control files in S3 is not known: name it with --profile profiles/hutch "
    "or --work-prefix s3://fh-pi-lastname-f-eco/myproject/.hutchbatch."
)
#: Days that files of runs are kept, unless ``--older-than`` says another number.
KEEP_DAYS = 30.0
#: Objects of results that are counted: a thousand take a call.
MOST_RESULTS = 200_000


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "cleanup",
        help="show what runs left in S3 and what it costs, and remove what may go",
        description=(
            "Shows what lies below your work prefix in S3, what keeping it costs, and what of it\n"
            "may go. Nothing is removed without --delete. What may go: the control files of runs\n"
            "and of detached runs that have ended, what a killed 'hutchbatch doctor' left, and\n"
            "uploads that were never completed, each once it is old enough. What stays: results,\n"
            "conda environments ('hutchbatch envs --prune' removes those), and all that a run\n"
            "needs which is under way or was killed."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch cleanup --profile profiles/hutch\n"
            "  hutchbatch cleanup --older-than 90 --delete\n"
            "  hutchbatch cleanup 20261130-015434-86bd9b --delete\n"
            "  hutchbatch cleanup --shared --versions --delete",
            "something could not be removed",
        ),
        formatter_class=Help,
    )
    parser.add_argument(
        "run_id", nargs="?", metavar="RUN", help="only this run, whatever its age, by its whole id"
    )
    parser.add_argument(
        "--older-than",
        type=number(0, 36500, "a number of days"),
        default=KEEP_DAYS,
        metavar="DAYS",
        help="what was stored within these days stays",
    )
    parser.add_argument(
        "--delete", "--yes", action="store_true", help="remove what may go, without asking"
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="also code and software that runs share: the next run that needs it stores it again",
    )
    parser.add_argument(
        "--versions",
        action="store_true",
        help="in a bucket that keeps versions: remove older versions too, for good",
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    s3_place.add_place(parser, _OPTION, "work prefix")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    s3, settings = s3_place.reached(options)
    of_profile = settings.places[-1].url if settings.places else None
    prefix = s3_place.prefix(options, _OPTION, of_profile, lambda run: run.work_prefix, _UNKNOWN)
    place, now = Emptying(s3, prefix), time.time()
    with asking("looking at what runs left"):
        keeps = place.keeps_versions()
        work = _look(place, options.versions and keeps)
        decision = _decide(options, work, now)
        results_prefix = settings.places[0].url if settings.places else _recorded(options)
        results = Emptying(s3, results_prefix) if results_prefix else None
        # An upload may be the user's own: only where hutchbatch's jobs store.
        places = [place, *([results] if results else [])]
        left = [] if options.run_id else _uploads(places, options.older_than, now)
        region = s3.meta.region_name
        counted_results = _results(results, place, region) if results and results_prefix else None
    if options.run_id and not (decision.goes or decision.stays):
        raise CommandError(f"There is nothing of a run {options.run_id} in {prefix}.")
    faults: list[str] = []
    if options.delete:
        with asking("removing what runs left"):
            # Again: a run may have begun in the meantime.
            again = _look(place, options.versions and keeps)
            decision = _decide(options, again, now)
            for each in decision.goes:
                first, last = each.in_turn
                faults += place.remove(first) or place.remove(last)
            for there, uploads in zip(places, left, strict=False):
                faults += there.abort(uploads)
    shown = _Shown(prefix, work, decision, [u for each in left for u in each], counted_results)
    if options.json:
        terminal.say_json(_plain(shown, options.delete, faults))
    else:
        terminal.say(*_lines(shown, options.delete, region, keeps and not options.versions))
        for fault in faults:
            terminal.note(fault)
    return WRONG if faults else FINE


class _Shown:
    """What was found, and decided."""

    def __init__(
        self,
        prefix: str,
        work: WorkFiles,
        decision: Decision,
        uploads: Sequence[UploadLeft],
        results: Results | None,
    ) -> None:
        self.prefix = prefix
        self.work = work
        self.decision = decision
        self.uploads = uploads
        self.results = results


def _look(place: Emptying, versions: bool) -> WorkFiles:
    return work_files.sort(place.versions() if versions else place.files(), place.key)


def _decide(options: argparse.Namespace, work: WorkFiles, now: float) -> Decision:
    wanted = Wanted(options.older_than, options.run_id, options.shared)
    return cleaning.decide(work, _alive(options, now), wanted, now)


def _alive(options: argparse.Namespace, now: float) -> Mapping[str, str]:
    """Runs of this folder that are under way, for marks may not be written."""
    try:
        with Reader(journal_path(options)) as reader:
            runs = reader.rows(Run, "ended IS NULL")
    except JournalError:
        return {}
    return {run.run_id: "is under way" for run in runs if not is_gone(run, now)}


def _recorded(options: argparse.Namespace) -> str | None:
    """Where the last run here keeps its results."""
    if getattr(options, "work_prefix", None):
        return None
    try:
        with Reader(journal_path(options)) as reader:
            prefix = run_record.choose(reader, None).storage_prefix
    except JournalError:
        return None
    return f"{prefix.rstrip('/')}/" if prefix.startswith("s3://") else None


def _uploads(places: Sequence[Emptying], days: float, now: float) -> list[list[UploadLeft]]:
    """Unfinished ones of each place, which may lie in another; none where they may not be
    listed."""
    found: list[list[UploadLeft]] = []
    seen: set[str] = set()
    for place in places:
        mine: list[UploadLeft] = []
        try:
            mine += (u for u in place.uploads() if u.id not in seen)
        except ClientError as error:
            if not errors.is_denied(error):
                raise
        seen.update(each.id for each in mine)
        found.append([each for each in mine if cleaning.is_left(each, days, now)])
    return found


def _results(results: Emptying, work: Emptying, region: str) -> Results:
    """Without the work prefix, which usually lies within."""
    files, all_size, usd, listed = 0, 0, 0.0, 0
    known = True
    for each in results.files(MOST_RESULTS):
        listed += 1
        if results.bucket == work.bucket and each.key.startswith(work.key):
            continue
        files, all_size = files + 1, all_size + each.size
        month = cleaning_text.month([each], region)
        known, usd = known and month is not None, usd + (month or 0.0)
    prefix = f"s3://{results.bucket}/{results.key}"
    whole = listed < MOST_RESULTS
    return Results(prefix, files, all_size, usd if known else None, whole)


def _lines(shown: _Shown, done: bool, region: str, versions_stay: bool) -> list[str]:
    decision = shown.decision
    goes = [f for each in decision.goes for f in each.files]
    lines = [
        f"In {shown.prefix}:",
        *cleaning_text.table(shown.work, decision.goes, region),
        "",
        *cleaning_text.going(decision.goes, "Removed:" if done else "May go:"),
        *cleaning_text.kept(decision),
    ]
    if shown.uploads:
        verb = "were ended" if done else "may be ended"
        lines.append(
            f"{counted(len(shown.uploads), 'upload')} in parts that nobody completed {verb} (their "
            "parts cost as much as other files)."
        )
    if shown.results:
        lines.append(cleaning_text.results(shown.results))
    if goes and versions_stay:
        lines.append(
            "This bucket keeps versions: what is removed stays as an older version until its rules "
            "remove that; --versions removes those too."
        )
    what = f"{counted(len(goes), 'object')}, {amount(size(goes))}"
    if done:
        lines.append(f"Removed: {what}.")
    elif goes or shown.uploads:
        lines.append(f"Nothing has been removed; --delete removes {what}.")
    else:
        lines.append("There is nothing that may go.")
    return lines


def _plain(shown: _Shown, done: bool, faults: Sequence[str]) -> dict[str, object]:
    def plain(each: Goes) -> dict[str, object]:
        return {
            "kind": each.kind,
            "name": each.name,
            "objects": len(each.files),
            "bytes": size(each.files),
            "last_written": each.at,
        }

    kinds = cleaning_text.kinds(shown.work).items()
    return {
        "prefix": shown.prefix,
        "found": {kind: {"objects": len(files), "bytes": size(files)} for kind, files in kinds},
        "goes": [plain(each) for each in shown.decision.goes],
        "stays": [{"name": each.name, "why": each.why} for each in shown.decision.stays],
        "uploads": [each.key for each in shown.uploads],
        "removed": done,
        "faults": list(faults),
    }
