"""The controllers of a detached run, which lead a hard life: killed, stopped, paused beyond their
lease, and started while another one lives. Each is a process with an empty folder of its own."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from snakemake_executor_plugin_hutchbatch.aws.lease_gate import EXIT_LOST
from snakemake_executor_plugin_hutchbatch.controller import documents
from snakemake_executor_plugin_hutchbatch.controller.documents import Request
from snakemake_executor_plugin_hutchbatch.controller.program import EXIT_AGAIN
from snakemake_executor_plugin_hutchbatch.planning import source_archive

ID = "20260101-000000-abc"
#: Its times are for days.
PROGRAM = """
import os, sys
from snakemake_executor_plugin_hutchbatch.controller import (
    __main__, keeping, lease, program, saving
)
lease.SECONDS, lease.MARGIN = {seconds}, {margin}
keeping.RENEW_SECONDS, keeping.AGAIN_SECONDS = 1.5, 0.5
saving.FIRST_SAVE, saving.SAVE_SECONDS, program.WAIT_SECONDS = 1.0, 2.0, 1.0
sys.exit(__main__.main(sys.argv[1:], os.environ))
"""
#: Seconds for which a lease keeps others away, and by which its holder stops earlier.
LEASE, MARGIN = 10.0, 5.0
#: What happens to controllers, and how often as against the others.
TROUBLES = {"kill": 3, "term": 2, "pause": 3, "race": 3}
#: Seconds between two of them.
BETWEEN = (1.0, 8.0)
#: Starts of one run; AWS Batch itself starts a job ten times.
MOST_STARTS = 25


@dataclass
class Controller:
    process: subprocess.Popen[bytes]
    wakes: float | None = None


@dataclass
class Led:
    """How it went. ``code``: the run's exit code, None if it has none; ``wrong``: controllers that
    ended with exit codes with which AWS Batch does not start them again."""

    code: int | None
    starts: int
    output: str
    troubles: Counter[str] = field(default_factory=Counter)
    wrong: list[int] = field(default_factory=list)


class Detached:
    """One run. ``bucket``: its folder; ``place``: of this run, empty; ``arguments``: Snakemake's.
    ``dice`` None: one controller, which nothing befalls; ``most``: troubles."""

    def __init__(
        self,
        bucket: Path,
        url: str,
        place: Path,
        snakefile: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        dice: random.Random | None,
        most: int,
    ) -> None:
        self._place, self._dice, self._bucket, self._most = place, dice, bucket, most
        self.work = f"{url}/.hutchbatch/"
        self._environment = environment
        self.stored = bucket / ".hutchbatch" / "detached" / ID
        code = source_archive.pack({"Snakefile": snakefile})
        digest = hashlib.sha256(code).hexdigest()
        self._put(f"sources/{digest}.tar.xz", code)
        request = Request(
            ID, "jdoe", 1.0, "laptop", "/x", tuple(arguments), digest, url, "us-west-2",
            "jdoe-controller", "default", attempts=MOST_STARTS,
        )  # fmt: skip
        content = documents.dumps(request)
        self._put(f"detached/{ID}/request.json", content)
        self._arguments = [self.work, ID, hashlib.sha256(content).hexdigest()]
        self._starts = 0
        self._live: list[Controller] = []

    def _put(self, name: str, content: bytes) -> None:
        path = self._bucket / ".hutchbatch" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def _start(self) -> None:
        self._starts += 1
        folder = self._place / f"start-{self._starts}"
        folder.mkdir()
        program = PROGRAM.format(seconds=LEASE, margin=MARGIN)
        with self._log(self._starts).open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", program, *self._arguments],
                cwd=folder,
                env={
                    **self._environment,
                    "AWS_BATCH_JOB_ID": f"controller-{self._starts}",
                    "AWS_BATCH_JOB_ATTEMPT": str(self._starts),
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._live.append(Controller(process))

    def _log(self, number: int) -> Path:
        return self._place / f"log-{number}.txt"

    def outcome(self) -> int | None:
        path = self.stored / "outcome.json"
        return int(json.loads(path.read_text())["exit_code"]) if path.exists() else None

    def lead(self, longest: float) -> Led:
        """Until the run has ended, at most ``longest`` seconds."""
        troubles: Counter[str] = Counter()
        wrong: list[int] = []
        end = time.monotonic() + longest
        left = self._dice.randint(2, self._most) if self._dice else 0
        due = time.monotonic() + self._dice.uniform(*BETWEEN) if self._dice else end
        try:
            while time.monotonic() < end and self._starts < MOST_STARTS:
                if not self._live:
                    if self.outcome() is not None or wrong:
                        break
                    self._start()
                if left and time.monotonic() > due and self._dice:
                    left, due = left - 1, time.monotonic() + self._dice.uniform(*BETWEEN)
                    troubles[self._trouble(self._dice)] += 1
                time.sleep(0.1)
                wrong += self._ended()
            return Led(self.outcome(), self._starts, self._said(), troubles, wrong)
        finally:
            for each in self._live:
                _signal(each, signal.SIGKILL)
                each.process.wait()

    def _trouble(self, dice: random.Random) -> str:
        kind = dice.choices(list(TROUBLES), list(TROUBLES.values()))[0]
        awake = [each for each in self._live if each.wakes is None]
        if kind == "race" or not awake:
            self._start()
            return "race"
        victim = dice.choice(awake)
        if kind == "pause":
            victim.wakes = time.monotonic() + dice.uniform(1, 2 * LEASE)
            _signal(victim, signal.SIGSTOP)
            if dice.random() < 0.5:
                self._start()
        elif kind == "kill":
            _signal(victim, signal.SIGKILL)
        else:
            victim.process.send_signal(signal.SIGTERM)
        return kind

    def _ended(self) -> list[int]:
        """Wakes those whose pause is over, and looks at those that have ended. Returns exit codes
        with which AWS Batch would not start them again though the run has no end."""
        wrong = []
        for each in list(self._live):
            if each.wakes is not None and time.monotonic() > each.wakes:
                each.wakes = None
                _signal(each, signal.SIGCONT)
            if (code := each.process.poll()) is None:
                continue
            self._live.remove(each)
            # The supervisor ends with 143 after SIGTERM, whatever its command makes of it.
            again = (EXIT_AGAIN, EXIT_LOST, -signal.SIGKILL, -signal.SIGTERM)
            if code not in again and self.outcome() is None:
                wrong.append(code)
        return wrong

    def _said(self) -> str:
        return "".join(
            f"\n=== start {number} ===\n{self._log(number).read_text(errors='replace')}"
            for number in range(1, self._starts + 1)
        )


def _signal(controller: Controller, number: int) -> None:
    """To all processes of its machine."""
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(controller.process.pid)
        for process in (*top.children(recursive=True), top):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
