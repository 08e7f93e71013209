"""Where a controller's time goes, by origin: samples of py-spy (https://github.com/benfred/py-spy).

A sample is a line of calls, outermost first. Snakemake's own records and log lines count as such,
whoever asks for them; otherwise the innermost package of hutchbatch does, with all that it calls of
others, such as botocore; the rest is Snakemake's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: Samples a second.
RATE = 100
#: Frames of py-spy: ``name (file:line)``.
_FRAME = re.compile(r"^(?P<name>.*) \((?P<file>.*?)(:\d+)?\)$")
_OURS = "snakemake_executor_plugin_hutchbatch/"
#: What hutchbatch's packages do, in the words of docs/design. Those that are not here only pass on.
PACKAGES = {
    "planning": "planning",
    "submission": "submission",
    "environments": "submission",
    "tracking": "tracking",
    "settlement": "how jobs ended",
    "storage": "S3",
    "aws": "S3",
    "record": "hutchbatch's record",
    "reporting": "costs and reports",
    "costs": "costs and reports",
    "recovery": "earlier runs",
    "run": "the rest of hutchbatch",
}
#: What takes the place of code of Snakemake, without packages of its own.
_PATCHES = "snakemake_patches"
_RECORDS = "Snakemake: its records"
_LOGS = "Snakemake: log lines"
_SCHEDULER = "Snakemake: scheduler"
_GRAPH = "Snakemake: graph and jobs"
_IN_PLACE = "hutchbatch in Snakemake's place"
_START = "start: imports"


def origin(frames: Iterable[str]) -> str:
    """Where a sample belongs. ``frames``: outermost first."""
    calls = [found for frame in frames if (found := _FRAME.match(frame.strip()))]
    files = [call["file"] for call in calls]
    if any("snakemake/persistence/" in file for file in files):
        return _RECORDS
    if any(call["name"].endswith("log_info") for call in calls) or any(
        file.endswith("snakemake/logging.py") for file in files
    ):
        return _LOGS
    packages = [_package(file) for file in files if _OURS in file]
    if ours := next((PACKAGES[each] for each in reversed(packages) if each in PACKAGES), None):
        return ours
    if any("importlib" in file for file in files):
        return _START
    for file in reversed(files):
        if _package(file) == _PATCHES:
            return _SCHEDULER if file.endswith("job_selection.py") else _IN_PLACE
        if "snakemake/" in file:
            return _SCHEDULER if "snakemake/scheduling/" in file else _GRAPH
    return "other"


def _package(file: str) -> str:
    return file.partition(_OURS)[2].partition("/")[0]


def shares(raw: str) -> dict[str, float]:
    """The share of each origin, the largest first. ``raw``: py-spy's format of that name."""
    found: Counter[str] = Counter()
    for line in raw.splitlines():
        frames, _, count = line.rpartition(" ")
        if frames:  # a thread between two calls has none
            found[origin(frames.split(";"))] += int(count)
    whole = sum(found.values())
    return {name: count / whole for name, count in found.most_common()}


def lines(raw: str) -> list[str]:
    """The shares as the table of the benchmark shows them."""
    return [f"    {name:32}{share:>17.1%}" for name, share in shares(raw).items()]


@contextmanager
def sampled(pid: int, wanted: bool) -> Iterator[list[str]]:
    """Samples a process while the block runs, which must wait for its end; then the list has
    py-spy's output. Exits where py-spy is not installed."""
    found: list[str] = []
    if not wanted:
        yield found
        return
    program = shutil.which("py-spy")
    if program is None:
        raise SystemExit("--profile needs py-spy on the PATH: pip install py-spy")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "samples"
        spy = subprocess.Popen(
            [
                *(program, "record", "--nonblocking", "--function", "--rate", str(RATE)),
                *("--format", "raw", "--output", str(output), "--pid", str(pid)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield found
        finally:
            spy.wait()
        found.append(output.read_text())
