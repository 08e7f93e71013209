"""``hutchbatch runs``: the runs of a folder."""

from __future__ import annotations

import argparse
import time

from ...controller import detached_runs
from ...record.reader import Reader
from ...record.schema import Run
from ...reporting import run_list, status_text
from ...reporting.status_text import RunLine
from ...text import terminal
from .. import detached, detached_status
from .common import Help, Subcommands, add_directory, asking, epilog, journal_path, whole_number


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "runs",
        help="list the runs of this folder",
        description=(
            "Lists the runs that were started in this folder, the latest first; with --profile or\n"
            "--work-prefix, those of 'hutchbatch submit' that are kept there."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch runs\n"
            "  hutchbatch runs -n 3 --json\n"
            "  hutchbatch runs --profile profiles/hutch"
        ),
        formatter_class=Help,
    )
    parser.add_argument(
        "-n",
        "--number",
        type=whole_number(0, "a number of runs"),
        default=20,
        help="how many runs, 0 for all",
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    add_directory(parser)
    detached.add_place(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    now = time.time()
    limit = options.number if options.number > 0 else -1
    if detached.is_named(options):
        return _detached(options, limit)
    if not journal_path(options).exists() and any(detached_runs.known(options.directory)):
        return _detached(options, limit)
    with Reader(journal_path(options)) as reader:
        runs = reader.rows(Run, "1 ORDER BY started DESC LIMIT ?", limit)
        lines, old = run_list.of_runs(reader, runs, now)
    if options.json:
        terminal.say_json([_plain(line) for line in lines])
        return 0
    if not lines:
        terminal.say("No run has been started in this folder yet.")
        return 0
    terminal.say(*status_text.runs_table(terminal.shown(lines), now), *([old] if old else []))
    if any(detached_runs.known(options.directory)):
        terminal.say("", "Runs of 'hutchbatch submit':")
        return _detached(options, limit)
    return 0


def _plain(line: RunLine) -> dict[str, object]:
    names = ("run_id", "started", "ended", "wanted", "user", "host", "pid")
    return {
        **{name: getattr(line.run, name) for name in names},
        "outcome": line.outcome,
        "jobs_done": line.done,
        "jobs_failed": line.failed,
        "jobs_ended": line.stopped,
        "jobs_on_batch": line.on_batch,
    }


def _detached(options: argparse.Namespace, limit: int) -> int:
    """Lists detached runs."""
    with asking("looking for detached runs"):
        s3, work, _ = detached.place(options)
        names = detached_runs.ids(s3, work)
        found = detached_status.listed(s3, work, names if limit < 0 else names[:limit])
    if options.json:
        terminal.say_json([detached_status.plain_run(run) for run in found])
    elif not found:
        terminal.say(f"There is no detached run in {work.prefix}.")
    else:
        terminal.say(*detached_status.table(found))
    return 0
