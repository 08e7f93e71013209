"""The runs of a folder, each in a few numbers."""

from __future__ import annotations

from collections.abc import Sequence

from ..record import run_record
from ..record.controllers import is_gone
from ..record.reader import Reader
from ..record.run_record import Record
from ..record.schema import Run
from . import batch_news, status_now
from .status_text import RunLine


def of_runs(reader: Reader, runs: Sequence[Run], now: float) -> tuple[list[RunLine], str]:
    """A line for each run, and a sentence where the record may be old. AWS Batch is asked about the
    jobs of runs whose Snakemake has ended, of all at once. Raises ``JournalError``."""
    records = [run_record.brief(reader, run) for run in runs]
    gone = {run.run_id: is_gone(run, now) for run in runs}
    over = [each for each in records if _is_over(each.run, gone)]
    heard = batch_news.heard(over, now)
    now_known = {each.run.run_id: each for each in heard.records}
    lines = [
        _line(now_known.get(each.run.run_id, each), gone[each.run.run_id], now) for each in records
    ]
    return lines, heard.old


def _is_over(run: Run, gone: dict[str, bool]) -> bool:
    return run.ended is not None or gone[run.run_id]


def _line(record: Record, gone: bool, now: float) -> RunLine:
    seen, run = status_now.of_record(record, gone, now), record.run
    total = seen.total
    return RunLine(
        run,
        seen.outcome,
        max(run.beat, run.started) if gone else run.ended,
        total.done,
        total.failed,
        total.ended,
        seen.live,
    )
