"""One run of the chaos workflow, quiet or not, attached or detached, and what became of it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import traces
from controllers import ID, Detached
from mix import Mix

from snakemake_executor_plugin_hutchbatch.aws.job_states import LIVE
from snakemake_executor_plugin_hutchbatch.controller import saved_files, state_restore
from snakemake_executor_plugin_hutchbatch.local.cloud import BUCKET, LocalCloud
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout

SNAKEFILE = Path(__file__).parent / "Snakefile"
#: More than this machine has: chaos jobs mostly sleep.
CAPACITY = (24, 64000)
#: Rules whose outputs stay, and how many jobs each has with N samples: what is to be known of a
#: detached run in the end.
KEPT = {"right": 0, "folder": 0, "shaky": 0, "split": 1, "part": 3, "all_of_them": 1}
#: Seconds after which somebody starts again whose run did not begin.
AGAIN = 5.0
#: Seconds after which a run hangs.
LONGEST = 900.0


@dataclass(frozen=True)
class Outcome:
    """How a run went. ``files``: what is in the bucket in the end; ``twice``: tasks that two jobs
    ran at the same time; ``needless``: starts beyond those that a lost machine or a failed first
    attempt asked for; ``struck``: faults that struck, by kind; ``starts``: of the controller;
    ``left``: what else a detached run has left as it should not; ``accounts``: of each task in
    ``twice`` and ``needless``, what became of its starts."""

    code: int
    seconds: float
    output: str
    files: Mapping[str, bytes]
    starts: int = 1
    twice: list[str] = field(default_factory=list)
    needless: list[str] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)

    def lost(self, right: Mapping[str, bytes]) -> list[str]:
        return sorted(set(right) - set(self.files))

    def wrong(self, right: Mapping[str, bytes]) -> list[str]:
        changed = [name for name in right if self.files.get(name, right[name]) != right[name]]
        return sorted(changed) + sorted(set(self.files) - set(right))


def samples(jobs: int) -> int:
    """Samples for a workflow of so many jobs: five jobs each, and five around them."""
    return max(2, (jobs - 5) // 5)


def run(
    jobs: int,
    seed: int | None = None,
    longest: float = 3.0,
    lasts: float = 25.0,
    kill: bool = False,
    detached: bool = False,
    troubles: int = 9,
    keep: Path | None = None,
) -> Outcome:
    """A run on a cloud of its own; quiet without a seed. Faults are thrown for ``lasts`` seconds,
    so that every run comes to its end; ``longest``: seconds of an outage at most; ``kill``: its
    controller is killed now and then; ``detached``: it has the controllers of a detached run, which
    have at most so many ``troubles``; ``keep``: folder for what is in the bucket in the end."""
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        cloud = ends.enter_context(
            LocalCloud(folder / "cloud", say=lambda _: None, capacity=CAPACITY)
        )
        place = folder / "work"
        place.mkdir()
        credentials = folder / "credentials"
        mix = (
            None
            if seed is None
            else Mix(
                cloud, seed, longest, lasts, None if kill or detached else credentials, detached
            )
        )
        began = time.monotonic()
        dice = random.Random(seed) if kill or (detached and mix) else None
        befell: Counter[str] = Counter()
        left: list[str] = []
        with ExitStack() as chaos:
            if mix:
                chaos.enter_context(mix)
            if detached:
                run = _detached(cloud, folder, jobs, dice, troubles)
                led = run.lead(LONGEST)
                code = -1 if led.code is None else led.code
                starts, output, befell = led.starts, led.output, led.troubles
                left = [f"a controller ended with {wrong}" for wrong in led.wrong]
            else:
                code, starts, output = _controller(cloud, place, credentials, jobs, dice)
            # Before the clouds clears: what follows are the test's own calls.
            struck = cloud.struck()
        seconds = time.monotonic() - began
        found = _traces(cloud)
        known = _described(cloud, found.jobs)
        needless = traces.needless(found, known)
        if mix and mix.thrown["skew"]:
            struck["skew"] = 1
        if detached:
            left += _left(cloud, run, folder / "state", samples(jobs))
        if keep:
            shutil.copytree(cloud.bucket_dir / "chaos", keep, dirs_exist_ok=True)
        return Outcome(
            code,
            seconds,
            output,
            _files(cloud),
            starts,
            list(found.twice),
            needless,
            struck + befell,
            left,
            [traces.account(name, found, known) for name in sorted({*found.twice, *needless})],
        )


def _arguments(jobs: int) -> list[str]:
    """Snakemake's, but for its Snakefile."""
    return [
        *("--executor", "hutchbatch", "--jobs", str(jobs)),
        *("--config", f"samples={samples(jobs)}"),
        *("--default-storage-provider", "s3", "--default-storage-prefix", f"s3://{BUCKET}/chaos"),
        *("--seconds-between-status-checks", "1", "--latency-wait", "2", "--nocolor"),
        *("--hutchbatch-policy", "capacity", "--hutchbatch-starve-minutes", "0.05"),
        *("--hutchbatch-spot-attempts", "10", "--hutchbatch-volumes", "/tokens:/tokens"),
        *("--default-resources", "mem_mb=100"),
    ]


def _detached(
    cloud: LocalCloud, folder: Path, jobs: int, dice: random.Random | None, most: int
) -> Detached:
    place = folder / "controllers"
    place.mkdir()
    return Detached(
        cloud.bucket_dir / "chaos",
        f"s3://{BUCKET}/chaos",
        place,
        SNAKEFILE,
        _arguments(jobs),
        cloud.environment_for({**os.environ, "HOME": str(place)}),
        dice,
        most,
    )


def _left(cloud: LocalCloud, run: Detached, folder: Path, samples: int) -> list[str]:
    """What a detached run has forgotten, and what it has not ended."""
    folder.mkdir()
    s3 = _client(cloud, "s3")
    state_restore.fetch(s3, WorkLayout(run.work).detached(ID), ID, folder)
    found = Counter(
        json.loads(path.read_text())["rule"]
        for path in (folder / saved_files.METADATA).rglob("*")
        if path.is_file()
    )
    known = {rule: found[rule] for rule in KEPT}
    wanted = {rule: count or samples for rule, count in KEPT.items()}
    left = [f"known of {rule}: {known[rule]}" for rule in KEPT if known[rule] != wanted[rule]]
    marks = [path for path in (folder / saved_files.INCOMPLETE).rglob("*") if path.is_file()]
    left += [f"incomplete: {path.name}" for path in marks]
    batch = _client(cloud, "batch")
    for queue in batch.describe_job_queues()["jobQueues"]:
        for state in LIVE:
            jobs = batch.list_jobs(jobQueue=queue["jobQueueName"], jobStatus=state)
            left += [f"{each['jobName']} is {state}" for each in jobs["jobSummaryList"]]
    return left


def _controller(
    cloud: LocalCloud, place: Path, credentials: Path, jobs: int, dice: random.Random | None
) -> tuple[int, int, str]:
    """Runs Snakemake to its end; with ``dice``, kills it now and then and starts it again."""
    base = {**os.environ, "HOME": str(place)}
    environment = cloud.environment_for(base) | {"AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(SNAKEFILE), *_arguments(jobs)]
    end = time.monotonic() + LONGEST
    starts = 0
    kills = dice.randint(1, 4) if dice else 0
    with (place / "said.txt").open("w+") as said, ExitStack() as ends:
        while True:
            starts += 1
            process = subprocess.Popen(
                command, cwd=place, env=environment, stdout=said, stderr=subprocess.STDOUT
            )
            ends.callback(_end, process)
            more = dice is not None and starts <= kills
            try:
                process.wait(dice.uniform(3, 12) if more and dice else end - time.monotonic())
            except subprocess.TimeoutExpired:
                _end(process)
                if more:
                    said.write(f"\n=== killed, start {starts} ===\n")
                    said.flush()
                    continue
            if process.returncode and dice and starts <= kills + 3:
                said.write(f"\n=== ended with {process.returncode}, start {starts} ===\n")
                said.flush()
                time.sleep(AGAIN)  # as a person would who is told that AWS cannot be reached
                continue
            said.seek(0)
            return process.returncode, starts, said.read()


def _end(process: subprocess.Popen[bytes]) -> None:
    """No controller outlives its cloud."""
    process.kill()
    process.wait()


def _files(cloud: LocalCloud) -> dict[str, bytes]:
    """The workflow's files in the bucket, without those of the executor."""
    root = cloud.bucket_dir / "chaos"
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    }


def _traces(cloud: LocalCloud) -> traces.Traces:
    log = cloud.host.volumes.directory / "tokens" / "log"
    return traces.read(log.read_text().splitlines() if log.exists() else ())


def _described(cloud: LocalCloud, ids: Sequence[str]) -> dict[str, Any]:
    """Jobs as AWS Batch describes them, by id."""
    batch = _client(cloud, "batch")
    return {
        job["jobId"]: job
        for first in range(0, len(ids), 100)
        for job in batch.describe_jobs(jobs=ids[first : first + 100])["jobs"]
    }


def _client(cloud: LocalCloud, service: str) -> Any:
    given = cloud.environment
    return boto3.client(
        service,
        endpoint_url=given[f"AWS_ENDPOINT_URL_{service.upper()}"],
        region_name=given["AWS_REGION"],
        aws_access_key_id=cloud.user.access_key,
        aws_secret_access_key=cloud.user.secret_key,
    )
