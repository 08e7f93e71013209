"""Many jobs of one machine that read one reference: fetched by each of them, and shared.

By hand: ``python tests/benchmarks/shared_reference.py [JOBS [MB]]`` (40 jobs, 500 MB). Both run
against one embedded cloud, one after the other, on one machine that takes all jobs at once; the
reference is read through by each. Its scratch is an XFS with reflinks where root can mount one
(``mkfs.xfs`` and a loop device), else this disk, which gives links. Downloads are the bytes that
jobs say they fetched and the GetObject calls that the local S3 counted; disk is the most that the
scratch held; CPU is that of all jobs' processes, and of the S3 server.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import staging

from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud

ROLE = "arn:aws:iam::000000000000:role/local-batchtask"
MB = 1_000_000
SNAKEFILE = """
rule all:
    input: expand("out/{{x}}.txt", x=range({jobs}))
rule read:
    input: genome="ref/genome.fa"
    output: "out/{{x}}.txt"
    resources: mem_mb=128
    shell: "wc -c < {{input.genome}} > {{output}}"
"""


@dataclass(frozen=True)
class Figures:
    """Of one run: seconds but for ``fetched`` and ``disk`` (bytes) and ``gets`` (calls). ``wall``:
    from the start of the first job to the end of the last."""

    fetched: int
    gets: int
    disk: int
    wall: float
    cpu: float
    server: float


@contextmanager
def scratch_disk(top: Path, place: Path, size: int) -> Iterator[str]:
    """A disk with reflinks at ``place``, where that can be had; what it is."""
    place.mkdir(parents=True)
    image = top / "disk"
    with image.open("wb") as file:
        file.truncate(size)
    made = (
        shutil.which("mkfs.xfs")
        and not subprocess.run(
            ["mkfs.xfs", "-q", "-m", "reflink=1", str(image)], check=False
        ).returncode
    )
    if made and not subprocess.run(["mount", "-o", "loop", image, place], check=False).returncode:
        try:
            yield "XFS with reflinks"
        finally:
            subprocess.run(["umount", "-l", str(place)], check=True)
    else:
        yield "this disk (links)"


class Peak(threading.Thread):
    """Watches how much of a folder's disk is used."""

    def __init__(self, place: Path) -> None:
        super().__init__(daemon=True)
        self._place, self._before = place, shutil.disk_usage(place).used
        self.most, self.ended = 0, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.1):
            self.most = max(self.most, shutil.disk_usage(self._place).used - self._before)


def span(cloud: LocalCloud, output: str) -> float:
    """Seconds that a run's jobs took, from the start of the first to the end of the last."""
    batch = boto3.client(
        "batch",
        region_name="us-west-2",
        endpoint_url=cloud.environment["AWS_ENDPOINT_URL_BATCH"],
        aws_access_key_id=cloud.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cloud.environment["AWS_SECRET_ACCESS_KEY"],
    )
    jobs: list[tuple[int, int]] = []
    for parent in re.findall(r"as AWS Batch array job (\S+) on queue", output):
        children = batch.list_jobs(arrayJobId=parent, jobStatus="SUCCEEDED")["jobSummaryList"]
        jobs += [(each["startedAt"], each["stoppedAt"]) for each in children]
    alone = re.findall(r"AWS Batch job (\S+) on queue", output)
    if alone:
        found = batch.describe_jobs(jobs=alone)["jobs"]
        jobs += [(each["startedAt"], each["stoppedAt"]) for each in found]
    return (max(end for _, end in jobs) - min(begin for begin, _ in jobs)) / 1000


def run(cloud: LocalCloud, folder: Path, scratch: Path, name: str, shared: bool) -> Figures:
    prefix = f"s3://hutchbatch/{name}"
    command = [
        *(sys.executable, "-m", "snakemake", "--executor", "hutchbatch", "--jobs", "1000"),
        *("--hutchbatch-job-role", ROLE, "--hutchbatch-queue", "mixed"),
        *("--default-storage-provider", "s3", "--default-storage-prefix", prefix),
        *(["--hutchbatch-shared", prefix + "/ref/"] if shared else []),
    ]
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    server = staging.server_cpu(cloud.s3._process.pid)
    gets = cloud.s3_calls().get("GetObject", 0)
    peak = Peak(scratch)
    peak.start()
    with (folder / "output.txt").open("w") as output:
        controller = subprocess.Popen(
            command,
            cwd=folder,
            env=cloud.environment_for(os.environ),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, own = os.wait4(controller.pid, 0)
    peak.ended.set()
    peak.join()
    if status:
        raise SystemExit(f"{name} failed:\n{(folder / 'output.txt').read_text()}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    statuses = (Path(cloud.bucket_dir) / name / ".hutchbatch" / "runs").rglob("status/**/*.json")
    return Figures(
        sum(json.loads(path.read_text()).get("bytes_in", 0) for path in statuses),
        cloud.s3_calls().get("GetObject", 0) - gets,
        peak.most,
        span(cloud, (folder / "output.txt").read_text()),
        sum(
            getattr(used, each) - getattr(children, each) - getattr(own, each)
            for each in ("ru_utime", "ru_stime")
        ),
        staging.server_cpu(cloud.s3._process.pid) - server,
    )


def main() -> None:
    given = [int(text) for text in sys.argv[1:]]
    jobs, megabytes = given + [40, 500][len(given) :]
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        place = top / "cloud" / "hosts" / "host" / "docker_scratch"
        with (
            scratch_disk(top, place, 2 * (jobs + 2) * megabytes * MB) as disk,
            LocalCloud(top / "cloud", capacity=(jobs, 1024 * jobs)) as cloud,
        ):
            found = {}
            for case in ("each its own", "shared"):
                folder = top / case
                (folder / "ref").mkdir(parents=True)
                (folder / "Snakefile").write_text(SNAKEFILE.format(jobs=jobs))
                with (folder / "ref" / "genome.fa").open("wb") as file:
                    for _ in range(megabytes):
                        file.write(os.urandom(MB))
                found[case] = run(cloud, folder, place, case.replace(" ", "-"), case == "shared")
                shutil.rmtree(folder)
    print(f"{jobs} jobs at once read one reference of {megabytes} MB; scratch: {disk}; ", end="")
    print(f"{os.cpu_count()} processors for jobs, S3 and Snakemake")
    print(
        f"{'':14}{'fetched MB':>12}{'GETs':>8}{'disk MB':>10}{'wall s':>9}{'jobs CPU s':>12}"
        f"{'S3 CPU s':>10}"
    )
    for case, each in found.items():
        print(
            f"{case:14}{each.fetched / MB:12,.0f}{each.gets:8,}{each.disk / MB:10,.0f}"
            f"{each.wall:9.1f}{each.cpu:12.1f}{each.server:10.1f}"
        )
    own, one = found["each its own"], found["shared"]
    print(
        f"{'ratio':14}{own.fetched / one.fetched:12.1f}{own.gets / one.gets:8.1f}"
        f"{own.disk / one.disk:10.1f}{own.wall / one.wall:9.1f}{own.cpu / one.cpu:12.1f}"
        f"{own.server / one.server:10.1f}"
    )


if __name__ == "__main__":
    main()
