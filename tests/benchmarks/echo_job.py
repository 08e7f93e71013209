"""What one ``echo`` job costs inside its container: direct mode, Snakemake mode, and the peer.

By hand: ``pip install snakemake-executor-plugin-aws-batch==0.2.1``, then
``python tests/benchmarks/echo_job.py [REPEATS]``. All run against one embedded cloud, in turn, and
the ratios to the peer are of medians of the same run. CPU is that of all processes of the container
(user and system: what this process's children used, less Snakemake's own share); wall is
``startedAt`` to ``stoppedAt`` of DescribeJobs.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import boto3

from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud

ROLE = "arn:aws:iam::000000000000:role/local-batchtask"
SNAKEFILE = 'rule a:\n    output: "a.txt"\n    shell: "echo hello > {output}"\n'
HUTCHBATCH = [
    *("--executor", "hutchbatch", "--hutchbatch-job-role", ROLE),
    *("--hutchbatch-queue", "mixed", "--hutchbatch-mode"),
]
PEER = "aws-batch 0.2.1"
CASES = {
    "hutchbatch direct": [*HUTCHBATCH, "direct"],
    "hutchbatch snakemake": [*HUTCHBATCH, "snakemake"],
    PEER: [
        *("--executor", "aws-batch", "--aws-batch-region", "us-west-2"),
        *("--aws-batch-job-queue", "mixed", "--aws-batch-job-role", ROLE),
        *("--aws-batch-task-timeout", "600"),
    ],
}


def _seconds(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime


def run(cloud: LocalCloud, folder: Path, case: str) -> tuple[float, float]:
    """Wall and CPU seconds of the container of one run."""
    batch = boto3.client(
        "batch",
        region_name="us-west-2",
        endpoint_url=cloud.environment["AWS_ENDPOINT_URL_BATCH"],
        aws_access_key_id=cloud.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cloud.environment["AWS_SECRET_ACCESS_KEY"],
    )
    ended = {"jobQueue": "mixed", "jobStatus": "SUCCEEDED"}
    before = {j["jobId"] for j in batch.list_jobs(**ended)["jobSummaryList"]}
    command = [
        *(sys.executable, "-m", "snakemake", "--jobs", "1", "--forceall"),
        *("--default-storage-provider", "s3"),
        *("--default-storage-prefix", "s3://hutchbatch/echo", *CASES[case]),
    ]
    cpu = _seconds(resource.getrusage(resource.RUSAGE_CHILDREN))
    with (folder / "output.txt").open("w") as output:
        controller = subprocess.Popen(
            command,
            cwd=folder,
            env=cloud.environment_for(os.environ),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, own = os.wait4(controller.pid, 0)
    if status:
        raise SystemExit(f"{case} failed:\n{(folder / 'output.txt').read_text()}")
    cpu = _seconds(resource.getrusage(resource.RUSAGE_CHILDREN)) - cpu - _seconds(own)
    (job,) = (j for j in batch.list_jobs(**ended)["jobSummaryList"] if j["jobId"] not in before)
    return (job["stoppedAt"] - job["startedAt"]) / 1000, cpu


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder, LocalCloud(Path(folder) / "cloud") as cloud:
        (Path(folder) / "Snakefile").write_text(SNAKEFILE)
        figures: dict[str, list[tuple[float, float]]] = {case: [] for case in CASES}
        for _ in range(repeats):
            for case, list_ in figures.items():
                list_.append(run(cloud, Path(folder), case))
    wall = {c: statistics.median(w for w, _ in f) for c, f in figures.items()}
    cpu = {c: statistics.median(s for _, s in f) for c, f in figures.items()}
    print(f"one echo job inside its container, medians of {repeats}")
    print(f"{'':24}{'wall s':>10}{'CPU s':>10}{'wall/peer':>12}{'CPU/peer':>12}")
    for case in CASES:
        print(
            f"{case:24}{wall[case]:10.2f}{cpu[case]:10.2f}"
            f"{wall[case] / wall[PEER]:12.3f}{cpu[case] / cpu[PEER]:12.3f}"
        )


if __name__ == "__main__":
    main()
