"""What a Python script and a wrapper cost inside their container: in direct mode and, as before it
had scripts, under Snakemake.

By hand: ``python tests/benchmarks/script_jobs.py [REPEATS]``. All run against one embedded cloud,
in turn, as in ``echo_job.py``, whose ways to measure are used. The start of a bare Python and an
``echo`` job are measured in the same run: what a script job costs above both is the price of its
``snakemake`` object. The wrapper is one of our own that starts one command with ``shell()``.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import echo_job

from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud

RULES = {
    "echo": 'shell: "echo hello > {output}"',
    "script": 'script: "script.py"',
    "wrapper": 'wrapper: "file:tool"',
}
SCRIPT = 'open(snakemake.output[0], "w").write("hello")\n'
WRAPPER = """\
from snakemake.shell import shell

log = snakemake.log_fmt_shell(stdout=False)
shell("echo hello > {snakemake.output} {log}")
"""


def bare_python() -> float:
    """CPU seconds of a Python that does nothing."""
    before = echo_job._seconds(resource.getrusage(resource.RUSAGE_CHILDREN))
    subprocess.run([sys.executable, "-c", ""], check=True)
    return echo_job._seconds(resource.getrusage(resource.RUSAGE_CHILDREN)) - before


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    cases = [(rule, mode) for rule in RULES for mode in ("direct", "snakemake")]
    figures: dict[tuple[str, str], list[tuple[float, float]]] = {case: [] for case in cases}
    starts = []
    with tempfile.TemporaryDirectory() as top, LocalCloud(Path(top) / "cloud") as cloud:
        for rule, does in RULES.items():
            folder = Path(top) / rule
            (folder / "tool").mkdir(parents=True)
            (folder / "Snakefile").write_text(f'rule a:\n    output: "a.txt"\n    {does}\n')
            (folder / "script.py").write_text(SCRIPT)
            (folder / "tool" / "wrapper.py").write_text(WRAPPER)
            (folder / "tool" / "environment.yaml").write_text("dependencies: []\n")
        for _ in range(repeats):
            starts.append(bare_python())
            for rule, mode in cases:
                os.chdir(Path(top) / rule)
                figures[rule, mode].append(
                    echo_job.run(cloud, Path(top) / rule, f"hutchbatch {mode}")
                )
        os.chdir("/")
    start = statistics.median(starts)
    print(f"one job inside its container, medians of {repeats}; a bare Python: {start:.2f} s CPU")
    print(f"{'':24}{'wall s':>10}{'CPU s':>10}{'above echo and Python':>26}")
    echo = statistics.median(cpu for _, cpu in figures["echo", "direct"])
    for (rule, mode), found in figures.items():
        wall = statistics.median(w for w, _ in found)
        cpu = statistics.median(c for _, c in found)
        above = f"{cpu - echo - start:.2f}" if rule != "echo" else ""
        print(f"{rule + ' ' + mode:24}{wall:10.2f}{cpu:10.2f}{above:>26}")


if __name__ == "__main__":
    main()
