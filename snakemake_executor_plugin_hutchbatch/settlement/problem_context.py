"""What the sentence about a failed job is made of: its problem's facts and AWS Batch's words.
Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from ..supervisor.problems import Facts

#: Characters of AWS's or the system's own words in a sentence; their beginning says enough.
MOST_WORDS = 200
_NO_FACTS = Facts()


def meaning(exit_code: int) -> str:
    """``exit code 127 (command not found in the image)``: what shells mean by a number."""
    known = {
        126: "not permitted to run the program",
        127: "command not found in the image",
        137: "killed, often for lack of memory",
        143: "terminated",
    }
    words = known.get(exit_code)
    if words is None and 128 < exit_code < 128 + 65:
        try:
            words = signal.Signals(exit_code - 128).name
        except ValueError:
            words = f"signal {exit_code - 128}"
    return f"exit code {exit_code}" + (f" ({words})" if words else "")


def _cut(text: str) -> str:
    return text if len(text) <= MOST_WORDS else text[:MOST_WORDS].rstrip() + " …"


def shown_file(text: str) -> str:
    """A local copy (``.snakemake/storage/s3/bucket/key``) by the URL that users know."""
    return text.replace(".snakemake/storage/s3/", "s3://")


@dataclass(frozen=True)
class ProblemContext:
    """What is known about a problem. ``phase``: the supervisor's phase when it ended; ``words``:
    AWS Batch's reason; ``memory``: MiB requested; ``seconds``: the time limit; ``attempts``: how
    many ended like this; ``who`` (a role) may not do ``action``."""

    exit_code: int = 0
    step: str | None = None
    facts: Facts = _NO_FACTS
    phase: str = ""
    words: str = ""
    image: str = ""
    memory: str = "?"
    seconds: int | None = None
    attempts: int = 1
    who: str = ""
    action: str = ""
    log_group: str = ""

    @property
    def said(self) -> str:
        return _cut(self.words or "no reason given")

    @property
    def why(self) -> str:
        return _cut(self.facts.words or "no reason given")

    @property
    def file(self) -> str:
        return shown_file(self.facts.file or "?")

    @property
    def files(self) -> str:
        names, count = self.facts.files, self.facts.count
        more = f" and {count - len(names):,} more" if count > len(names) else ""
        return ", ".join(map(shown_file, names)) + more

    @property
    def command(self) -> str:
        return f"the command of rule {self.step}" if self.step else "the command"

    @property
    def its_image(self) -> str:
        return f"its image {self.image}" if self.image else "its image"

    @property
    def end(self) -> str:
        return meaning(self.exit_code)

    @property
    def times(self) -> str:
        return "once" if self.attempts == 1 else f"{self.attempts} times"
