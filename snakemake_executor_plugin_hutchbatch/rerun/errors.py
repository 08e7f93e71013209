"""What stops a command about one job."""

from __future__ import annotations


class RerunError(Exception):
    """The job cannot be run again, or entered; one sentence for the user. ``more``: lines below
    it."""

    def __init__(self, sentence: str, *more: str) -> None:
        super().__init__(sentence)
        self.more = more
