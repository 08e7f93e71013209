"""What many jobs cost the controller: hutchbatch beside snakemake-executor-plugin-aws-batch.

By hand: ``python -m venv peer``, ``peer/bin/pip install snakemake-executor-plugin-aws-batch==0.2.1
snakemake snakemake-storage-plugin-s3``, then
``python tests/benchmarks/many_jobs.py --peer-python peer/bin/python``.

Both run the same workflow with the same Snakemake options, in turn: each job has one input and one
output in S3, and ``--shape`` says how they hang together (``shapes.py``). Each runs against an
embedded cloud of its own whose jobs only take time and leave their outputs (``playing.py``). A call
to Batch takes 40 ms, and an operation called more than 50 times a second is refused, as AWS does.
The queue holds 500 jobs at once, as the Hutch's ``cpu-spot-50`` does. S3 answers as fast as it can
unless ``--s3-ms`` says otherwise.

The seconds count from the start of the controller; ``handed over`` is when Snakemake announced its
first jobs. CPU and memory are the controller's own. S3 calls are the controller's: jobs make none.
Beside them is what Snakemake's dry run of the same workflow needs where all files are on this disk,
and with ``--floor`` what ``--touch`` needs: Snakemake alone, with jobs that do nothing. With
``--profile`` the table shows where the controller spends its time (``profiles.py``; needs py-spy).
The cloud runs on the same processors, and so does whatever else the machine does: only ratios of
figures of one run mean something.
"""

from __future__ import annotations

import argparse
import functools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import profiles
from playing import PlayingHost
from shapes import DOES, SHAPES, Shape, remember

from snakemake_executor_plugin_hutchbatch.local.batch import BatchConfig, BatchError, ThreadTimers
from snakemake_executor_plugin_hutchbatch.local.cloud import BUCKET, LocalCloud

ROLE = "arn:aws:iam::000000000000:role/local-batchtask"
#: vCPUs and MiB of all machines: the queues' own limits are lower.
CAPACITY = (1_000_000, 10_000_000)
CALLS_PER_SECOND = 50.0
#: The only job that is to be done where all others are.
FIRST = "out/0.txt"
OURS, PEER = "hutchbatch", "aws-batch 0.2.1"
PLUGIN = {
    OURS: ["--executor", "hutchbatch", "--hutchbatch-job-role", ROLE, "--hutchbatch-queue"],
    PEER: [
        *("--executor", "aws-batch", "--aws-batch-region", "us-west-2"),
        *("--aws-batch-task-timeout", "600", "--aws-batch-job-role", ROLE),
        "--aws-batch-job-queue",
    ],
}


@dataclass
class Calls:
    """What a cloud's Batch was asked, and when."""

    begin: float = 0.0
    submissions: list[float] = field(default_factory=list)
    throttled: Counter[str] = field(default_factory=Counter)
    in_a_row: Counter[str] = field(default_factory=Counter)
    longest: Counter[str] = field(default_factory=Counter)

    def watching(self, call: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        """``BatchService.call``, with a note of each call that passes. It runs in one thread."""

        @functools.wraps(call)
        def noted(operation: str, *arguments: Any, **more: Any) -> dict[str, Any]:
            try:
                answer = call(operation, *arguments, **more)
            except BatchError as error:
                if error.status == 429:
                    self.throttled[operation] += 1
                    self.in_a_row[operation] += 1
                    most = max(self.longest[operation], self.in_a_row[operation])
                    self.longest[operation] = most
                raise
            self.in_a_row[operation] = 0
            if operation == "SubmitJob":
                self.submissions.append(time.monotonic() - self.begin)
            return answer

        return noted


@dataclass(frozen=True)
class Figures:
    """One run. Times in seconds from its start, ``memory`` in bytes at its peak.

    ``cpu_before``: CPU seconds until the first jobs were handed over; ``dry`` and ``touch``: those
    of Snakemake's dry run and ``--touch`` with local files; ``samples``: py-spy's.
    """

    jobs: int
    handed_over: float
    first: float
    last: float
    whole: float
    batch: Mapping[str, int]
    s3: Mapping[str, int]
    cpu_before: float
    dry: float
    touch: float | None
    samples: str
    submissions: int
    throttled: Mapping[str, int]
    in_a_row: int
    cpu: float
    memory: int

    @property
    def batch_calls(self) -> int:
        return sum(self.batch.values())

    @property
    def s3_calls(self) -> int:
        return sum(self.s3.values())


def run(folder: Path, plugin: str, size: int, options: argparse.Namespace) -> Figures:
    """One run of ``size`` jobs on a cloud of its own in ``folder``, which is to be empty."""
    shape = SHAPES[options.shape]
    prefix = f"s3://{BUCKET}/many"
    stored = folder / "cloud" / "s3" / BUCKET / "many"
    dry = dry_run(folder / "dry", shape, size, options.does)
    touch = snakemakes_cpu(folder / "dry", "--touch", size) if options.floor else None
    write_workflow(folder, shape, size, options.does)
    write_files(stored, shape.inputs(size))
    host = PlayingHost(
        folder / "cloud" / "s3",
        ThreadTimers(time.time),
        options.seconds,
        lambda target: [f"{prefix}/{shape.output(*made_by(target))}"],
    )
    config = BatchConfig(calls_per_second=CALLS_PER_SECOND)
    with LocalCloud(folder / "cloud", config=config, capacity=CAPACITY, host=host) as cloud:
        ours = plugin == OURS
        environment = cloud.environment_for({**os.environ, "HOME": str(folder)})
        if not ours:
            environment.pop("PYTHONPATH", None)
        command = [
            *(options.python if ours else options.peer_python, "-m", "snakemake"),
            *("--jobs", str(size), "--default-storage-provider", "s3"),
            *("--default-storage-prefix", prefix, "--default-resources", "mem_mb=2048"),
            *(*PLUGIN[plugin], "mixed", *options.snakemake),
        ]
        if shape.is_done:
            first = [sys.executable, *command[1:], FIRST]
            subprocess.run(first, cwd=folder, env=environment, check=True, capture_output=True)
            (stored / FIRST).unlink()
            remember(folder, f"{prefix}/", size)
        write_files(stored, shape.stored(size))
        cloud.reset()
        cloud.fault(kind="delay", ms=options.batch_ms)
        if options.s3_ms:
            cloud.fault(kind="latency", service="s3", ms=options.s3_ms)
        calls = Calls()
        # Called anew for each request, so that this stands in its way.
        cloud.batch.call = calls.watching(cloud.batch.call)  # type: ignore[method-assign]
        calls.begin = time.monotonic()
        controller = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        announced: list[tuple[float, float]] = []
        reader = threading.Thread(
            target=read_output,
            args=(controller, folder / "output.txt", calls.begin, announced, options.only_start),
        )
        reader.start()
        with profiles.sampled(controller.pid, options.profile and ours) as samples:
            _, status, used = os.wait4(controller.pid, 0)
            whole = time.monotonic() - calls.begin
        controller.returncode = os.waitstatus_to_exitcode(status)
        reader.join()
        missing = [name for name in shape.results(size) if not (stored / name).exists()]
        if (status or missing) and not options.only_start:
            tail = (folder / "output.txt").read_text()[-4000:]
            lacking = f"without {len(missing)} results"
            raise SystemExit(f"{plugin} failed with {size} jobs ({lacking}):\n{tail}")
        return Figures(
            jobs=shape.jobs(size),
            handed_over=announced[0][0],
            first=calls.submissions[0] if calls.submissions else 0.0,
            last=calls.submissions[-1] if calls.submissions else 0.0,
            whole=whole,
            batch=cloud.calls()["calls"],
            s3=cloud.s3_calls(),
            cpu_before=announced[0][1],
            dry=dry,
            touch=touch,
            samples="".join(samples),
            submissions=len(calls.submissions),
            throttled=calls.throttled,
            in_a_row=max(calls.longest.values(), default=0),
            cpu=used.ru_utime + used.ru_stime,
            memory=used.ru_maxrss * 1024,
        )


def read_output(
    controller: subprocess.Popen[str],
    copy: Path,
    begin: float,
    announced: list[tuple[float, float]],
    then: signal.Signals | None,
) -> None:
    """Copies the controller's output. Once it announces its first jobs, ``announced`` gets the
    seconds since ``begin`` and the CPU seconds until then, and the controller the signal."""
    assert controller.stdout is not None
    with copy.open("w") as output:
        for line in controller.stdout:
            output.write(line)
            if line.startswith("Execute ") and not announced:
                announced.append((time.monotonic() - begin, cpu_so_far(controller.pid)))
                if then:
                    controller.send_signal(then)


def write_workflow(folder: Path, shape: Shape, size: int, does: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Snakefile").write_text(shape.snakefile(size, does))
    (folder / "scripted.py").write_text("open(snakemake.output[0], 'w')\n")


def write_files(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")


def dry_run(folder: Path, shape: Shape, size: int, does: str) -> float:
    """CPU seconds of Snakemake's dry run where all files are in ``folder``, which is to be new."""
    write_workflow(folder, shape, size, does)
    write_files(folder, shape.inputs(size))
    if shape.is_done:
        snakemakes_cpu(folder, FIRST, 1)
        (folder / FIRST).unlink()
        remember(folder, "", size)
        write_files(folder, shape.stored(size))
    return snakemakes_cpu(folder, "--dry-run", 1)


def snakemakes_cpu(folder: Path, option: str, cores: int) -> float:
    """CPU seconds of Snakemake alone in a folder."""
    command = [sys.executable, "-m", "snakemake", "--quiet", "all", "--cores", str(cores), option]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=folder, **quiet) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(f"Snakemake alone failed: {' '.join(command)}")
    return used.ru_utime + used.ru_stime


def cpu_so_far(pid: int) -> float:
    """CPU seconds of a process that runs."""
    # After the name, which may have spaces: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def made_by(target: str) -> tuple[str, str]:
    """``rule:n=value`` as rule and value."""
    rule, _, wildcard = target.partition(":")
    return rule, wildcard.rpartition("=")[2]


def row(name: str, figure: Callable[[Figures], str], runs: Mapping[str, Figures]) -> str:
    return f"  {name:34}" + "".join(f"{figure(each):>18}" for each in runs.values())


def table(runs: Mapping[str, Figures]) -> list[str]:
    """The figures of the runs of one size side by side; ratios where there are two."""
    size = next(iter(runs.values())).jobs
    lines = [
        f"{size:,} jobs" + " " * (36 - len(f"{size:,} jobs")) + "".join(f"{n:>18}" for n in runs)
    ]
    rows: list[tuple[str, Callable[[Figures], str]]] = [
        ("handed over, s", lambda f: f"{f.handed_over:.1f}"),
        ("first submission, s", lambda f: f"{f.first:.1f}"),
        ("last submission, s", lambda f: f"{f.last:.1f}"),
        ("  after they were handed over", lambda f: f"{f.last - f.handed_over:.1f}"),
        ("in all, s", lambda f: f"{f.whole:.1f}"),
        ("controller's CPU, s", lambda f: f"{f.cpu:.1f}"),
        ("  for each job, ms", lambda f: f"{f.cpu / f.jobs * 1000:.2f}"),
        ("  until they were handed over", lambda f: f"{f.cpu_before:.1f}"),
        ("  Snakemake's dry run, local files", lambda f: f"{f.dry:.1f}"),
        ("  Snakemake alone, --touch", lambda f: "" if f.touch is None else f"{f.touch:.1f}"),
        ("controller's peak memory, MB", lambda f: f"{f.memory / 1e6:.0f}"),
        ("calls to Batch", lambda f: f"{f.batch_calls:,}"),
        ("  for each job", lambda f: f"{f.batch_calls / f.jobs:.3f}"),
        ("  jobs for each SubmitJob", lambda f: f"{f.jobs / max(f.submissions, 1):.1f}"),
        ("calls to S3", lambda f: f"{f.s3_calls:,}"),
        ("  for each job", lambda f: f"{f.s3_calls / f.jobs:.3f}"),
        ("throttled calls", lambda f: f"{sum(f.throttled.values()):,}"),
        ("  at most in a row", lambda f: f"{f.in_a_row}"),
    ]
    lines += [row(name, figure, runs) for name, figure in rows]
    for title, counts in (("Batch", lambda f: f.batch), ("S3", lambda f: f.s3)):
        for operation in sorted({o for each in runs.values() for o in counts(each)}):
            lines.append(
                row(
                    f"{title} {operation}",
                    lambda f, o=operation, c=counts: f"{c(f).get(o, 0):,}",
                    runs,
                )
            )
    if samples := runs[OURS].samples:
        lines += ["  where the controller's time goes", *profiles.lines(samples)]
    if len(runs) == 2:
        lines += ratios(runs[OURS], runs[PEER])
    return lines


def ratios(ours: Figures, peer: Figures) -> list[str]:
    def times(more: float, less: float) -> str:
        return f"{more / max(less, 1e-9):.1f} times"

    after = (peer.last - peer.handed_over, ours.last - ours.handed_over)
    return [
        f"  last submission sooner            {times(peer.last, ours.last):>18}",
        f"    after they were handed over     {times(*after):>18}",
        f"  whole run shorter                 {times(peer.whole, ours.whole):>18}",
        f"  fewer calls to Batch              {times(peer.batch_calls, ours.batch_calls):>18}",
        f"  fewer calls to S3                 {times(peer.s3_calls, ours.s3_calls):>18}",
        f"  less CPU                          {times(peer.cpu, ours.cpu):>18}",
        f"  less memory                       {times(peer.memory, ours.memory):>18}",
    ]


def growth(few: Figures, many: Figures) -> str:
    more = (many.memory - few.memory) / (many.jobs - few.jobs) / 1000
    return f"{OURS}: {more:.1f} kB of memory a job from {few.jobs:,} to {many.jobs:,} jobs"


def numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",") if each]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=numbers, default=[100, 1000, 10_000])
    parser.add_argument(
        "--peer-sizes", type=numbers, default=[100, 1000], help="sizes that the peer runs too"
    )
    parser.add_argument("--python", default=sys.executable, help="another, for example a profiler")
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has the peer")
    parser.add_argument("--shape", choices=SHAPES, default="fan", help="how jobs hang together")
    parser.add_argument("--does", choices=DOES, default="shell", help="what a job does")
    parser.add_argument("--seconds", type=float, default=5.0, help="what a job takes")
    parser.add_argument("--batch-ms", type=float, default=40.0, help="what a call to Batch takes")
    parser.add_argument("--s3-ms", type=float, default=0.0, help="what a call to S3 takes longer")
    parser.add_argument("--floor", action="store_true", help="also measure Snakemake's --touch")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    parser.add_argument(
        "--only-start",
        type=lambda name: signal.Signals[name],
        help="a signal (SIGKILL) that the controller gets once the jobs were handed over",
    )
    parser.add_argument("--keep", type=Path, help="folder for the runs' files, which stay")
    parser.add_argument(
        "snakemake", nargs="*", help="after --: more options for Snakemake, in all runs"
    )
    options = parser.parse_args()
    measured: list[Figures] = []
    with tempfile.TemporaryDirectory() as scratch:
        for size in options.sizes:
            runs: dict[str, Figures] = {}
            for plugin in (OURS, PEER):
                if plugin == PEER and size not in options.peer_sizes:
                    print(f"{PEER} is left out for {size:,} jobs: see --peer-sizes.")
                    continue
                folder = (options.keep or Path(scratch)) / f"{plugin.split()[0]}-{size}"
                folder.mkdir(parents=True)
                runs[plugin] = run(folder, plugin, size, options)
            print("\n".join(table(runs)), flush=True)
            measured.append(runs[OURS])
    if len(measured) > 1:
        print(growth(measured[-2], measured[-1]))


if __name__ == "__main__":
    main()
