"""Snakemake's ``benchmark:`` files from /proc (snakemake/benchmark.py does it with psutil)."""

from __future__ import annotations

import datetime
import json
import os
import threading
import time
from typing import Dict, List, Optional, Tuple

from . import processes
from .errors import LocalError
from .taskspec import Step

#: Seconds between samples: at first, and after as many samples as the longer one has seconds
#: (BENCHMARK_INTERVAL_SHORT and BENCHMARK_INTERVAL of snakemake/benchmark.py).
SHORT = 0.5
LONG = 30
COLUMNS = (
    "s",
    "h:m:s",
    "max_rss",
    "max_vms",
    "max_uss",
    "max_pss",
    "io_in",
    "io_out",
    "mean_load",
    "cpu_time",
)
MEBI = 1024.0 * 1024.0


class Record:
    """One run of a command: sampled by its own thread until ``finish``."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._start = time.time()
        self._done = threading.Event()
        self._ticks = float(os.sysconf("SC_CLK_TCK"))
        self.running_time = 0.0
        self.memory: Optional[List[float]] = None  # maxima of rss, vms, uss, pss in MiB
        self.io = (0.0, 0.0)
        self._cpu: Dict[int, float] = {}
        self._load = 0.0
        self._previous = 0.0
        self.sample()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        self._done.set()
        self.running_time = time.time() - self._start

    def _work(self) -> None:
        calls = 1
        while not self._done.wait(LONG if calls > LONG else SHORT):
            self.sample()
            calls += 1

    def sample(self) -> None:
        """One look at the command's process and its descendants."""
        now = time.time()
        memory = [0.0, 0.0, 0.0, 0.0]
        io = [0.0, 0.0]
        seen = False
        used = 0.0
        for pid in _tree(self._pid):
            try:
                cpu = self._cpu_of(pid)
                figures = _memory_of(pid)
            except (OSError, ValueError, IndexError):
                continue  # it has ended
            memory = [a + b for a, b in zip(memory, figures)]
            io = [a + b for a, b in zip(io, _io_of(pid))]
            used += max(0.0, cpu - self._cpu.get(pid, cpu))
            self._cpu[pid] = cpu
            seen = True
        if not seen:
            return
        if self._previous:
            self._load += 100.0 * used  # Snakemake's cpu_percent times seconds
        self._previous = now
        self.memory = [max(a, b) for a, b in zip(self.memory or memory, memory)]
        self.io = (io[0], io[1])

    def _cpu_of(self, pid: int) -> float:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / self._ticks

    def values(self) -> List[object]:
        length = datetime.timedelta(seconds=self.running_time)
        minutes, seconds = divmod(length.seconds, 60)
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}:{minutes:02d}:{seconds:02d}"
        if length.days:
            text = f"{length.days} day{'s' if length.days != 1 else ''}, {text}"
        first: List[object] = [round(self.running_time, 4), text]
        if self.memory is None:
            return first + ["NA"] * 8
        load = self._load / self.running_time if self.running_time else 0.0
        return [*first, *self.memory, *self.io, load, sum(self._cpu.values())]


class Benchmarks:
    """The records of all steps of a task."""

    def __init__(self, work: str) -> None:
        self._work = work
        self._running: Dict[int, Tuple[int, Record]] = {}
        self._records: Dict[int, List[Record]] = {}

    def begin(self, pid: int, step: Step) -> None:
        record = Record(pid)
        self._running[pid] = (id(step), record)
        self._records.setdefault(id(step), []).append(record)

    def end(self, pid: int) -> None:
        self._running.pop(pid)[1].finish()

    def write(self, step: Step) -> None:
        """Writes the step's file, one line for each run."""
        if step.benchmark is None:
            return
        path = os.path.join(self._work, step.benchmark.path)
        rows = [record.values() for record in self._records.get(id(step), [])]
        if path.endswith(".jsonl"):
            lines = [json.dumps(dict(zip(COLUMNS, row)), sort_keys=True) for row in rows]
        else:
            lines = ["\t".join(COLUMNS)] + ["\t".join(map(_tsv, row)) for row in rows]
        try:
            with open(path, "w") as file:
                file.write("".join(line + "\n" for line in lines))
        except OSError as error:
            raise LocalError(error, path) from error


def _tsv(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _tree(root: int) -> List[int]:
    """A process and its descendants."""
    return [root, *processes.descendants(processes.table(), (root,))]


def _memory_of(pid: int) -> List[float]:
    """Resident, virtual, unique and proportional size in MiB."""
    with open(f"/proc/{pid}/statm") as file:
        virtual, resident = (int(n) for n in file.read().split()[:2])
    page = os.sysconf("SC_PAGE_SIZE")
    unique = proportional = 0
    try:
        name = "smaps_rollup" if os.path.exists(f"/proc/{pid}/smaps_rollup") else "smaps"
        with open(f"/proc/{pid}/{name}", "rb") as maps:
            for line in maps:
                if line.startswith(b"Private_"):
                    unique += int(line.split()[1]) * 1024
                elif line.startswith(b"Pss:"):
                    proportional += int(line.split()[1]) * 1024
    except OSError:
        pass  # another user's process: use what is public
    sizes = (resident * page, virtual * page, unique, proportional)
    return [size / MEBI for size in sizes]


def _io_of(pid: int) -> List[float]:
    """MiB read and written."""
    figures = {}
    try:
        with open(f"/proc/{pid}/io") as file:
            for line in file:
                name, _, number = line.partition(":")
                figures[name] = int(number) / MEBI
    except OSError:
        pass
    return [figures.get("read_bytes", 0.0), figures.get("write_bytes", 0.0)]
