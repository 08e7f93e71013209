"""How a run, or its end by hand, closes on the terminal. Pure."""

from __future__ import annotations

from ..text.units import counted


def sentence(run_id: str, ended: int, live: int, why: str = "") -> str:
    """The last line of a run that did not do all that it was to do. Pure."""
    if not live:
        if not ended:
            return "Nothing of this run is left on AWS Batch."
        return f"{counted(ended, 'job')} ended; nothing of this run is left on AWS Batch."
    jobs = f"{counted(ended, 'job')} ended; " if ended else ""
    are, them = ("job is", "it") if live == 1 else ("jobs are", "them")
    return (
        f"{jobs}{live:,} {are} still on AWS Batch: 'hutchbatch status {run_id}' shows {them}, "
        f"'hutchbatch cancel {run_id}' ends {them}. {why}"
    ).rstrip()
