"""Records of runs that never were, as the executor writes them: made from a seed, in any size."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from snakemake_executor_plugin_hutchbatch.record.journal import Journal
from snakemake_executor_plugin_hutchbatch.record.schema import (
    SINGLE,
    Attempt,
    Job,
    KnownQueue,
    Note,
    Placement,
    Run,
    SpotPrice,
    Submission,
)

#: 2026-03-02 08:00 UTC.
BEGAN = 1772438400.0
RUN = "20260302-080000-jdoe"
GIB = 1 << 30
QUEUES = ("cpu-spot-40", "cpu-spot-50")
TYPES = ("c5.4xlarge", "m5.8xlarge", "r5.4xlarge", "c6i.8xlarge")


@dataclass(frozen=True)
class Kind:
    """A rule: what it asks for and what its jobs take on average."""

    name: str
    vcpus: int
    memory: int  # MiB
    seconds: float
    cores: float
    peak: float  # GiB
    bytes_in: float = 1e9
    bytes_out: float = 2e8


KINDS = (
    Kind("trim", 2, 4096, 240, 1.8, 0.7),
    Kind("align", 8, 32768, 1500, 7.4, 18.5, 6e9, 3e9),
    Kind("sort", 4, 16384, 420, 1.3, 13.2, 3e9, 3e9),
    Kind("call_variants", 8, 32768, 900, 2.1, 6.1, 3e9, 5e7),
    Kind("annotate", 1, 8000, 150, 0.9, 2.4, 5e7, 5e7),
)
LOG_END = "\n".join(
    [
        "[M::mem_process_seqs] Processed 198020 reads in 54.204 CPU sec, 6.901 real sec",
        "[E::bgzf_read_block] Failed to read BGZF block data at offset 1841 expected 21 bytes",
        'samtools sort: truncated file. Aborting while reading "mapped/sample_0017.bam"',
    ]
)


def records(jobs: int, *, seed: int = 1, running: bool = False) -> Iterator[Any]:
    """A run of about so many jobs: samples that go through ``KINDS``, then one summary.

    ``running``: seen in the middle, before its end.
    """
    rng = random.Random(seed)
    samples = max(1, (jobs - 1) // len(KINDS))
    slots = max(3, min(400, samples // 2))
    free = [BEGAN + 150 + i * 240.0 / slots for i in range(slots)]
    heapq.heapify(free)
    ready = [(BEGAN + 5 + i * 0.02, 0, i) for i in range(samples)]
    heapq.heapify(ready)
    number, last = 0, BEGAN
    made: list[Any] = []
    while ready:
        at, stage, sample = heapq.heappop(ready)
        kind = KINDS[stage]
        start = max(at + 20, heapq.heappop(free))
        wildcards = {"sample": f"sample_{sample:04}"}
        label = f"{kind.name} sample={wildcards['sample']}"
        fails = rng.random() < 0.004
        number += 1
        one = _job(rng, number, kind, label, wildcards, at, start, fails)
        made += one
        end = next(r.ended for r in one if isinstance(r, Job))
        heapq.heappush(free, end + 2)
        last = max(last, end)
        if not fails and stage + 1 < len(KINDS):
            heapq.heappush(ready, (end + 1, stage + 1, sample))
    number += 1
    kind = Kind("summarise", 1, 2048, 60, 0.8, 0.4)
    made += _job(rng, number, kind, "summarise", {}, last + 1, last + 30, False)
    last = next(r.ended for r in reversed(made) if isinstance(r, Job))
    failed = any(isinstance(r, Job) and r.state == "failed" for r in made)
    now = BEGAN + (last - BEGAN) * 0.6
    yield _run(number, now if running else last, running, failed)
    for name, bid in zip(QUEUES, (40, 50), strict=True):
        yield KnownQueue(RUN, name, 1, bid, "c5\nm5\nr5\nc6i")
    for name in TYPES:
        vcpus = 32 if "8x" in name else 16
        yield SpotPrice(RUN, name, 0.017 * vcpus, 0.021 * vcpus)
    yield Note(RUN, BEGAN + 400, "waiting", "AWS has no spare machines for queue cpu-spot-40.")
    yield from _until(made, now) if running else made


def write(journal: Journal, jobs: int, **options: Any) -> None:
    journal.put(*records(jobs, **options))
    assert journal.flush(120)


def _run(jobs: int, until: float, running: bool, failed: bool) -> Run:
    return Run(
        RUN,
        BEGAN,
        user="jdoe",
        region="us-west-2",
        host="rhino01",
        beat=until,
        ended=None if running else until + 4,
        outcome=None if running else ("failed" if failed else "done"),
        command="snakemake --profile profiles/hutch --keep-going",
        folder="/home/jdoe/variants",
        snakefile="workflow/Snakefile",
        git_commit="3f2a9c1d5b7e8f60412233445566778899aabbcc-dirty",
        storage_prefix="s3://fh-pi-doe-j-eco/variants",
        work_prefix="s3://fh-pi-doe-j-eco/scratch-delete-30/hutchbatch",
        log_group="/aws/batch/job",
        wanted=jobs,
        settings={"queue": "cpu-spot-40,cpu-spot-50", "spot_attempts": "3", "user": "jdoe"},
        versions={"hutchbatch": "0.1.0", "snakemake": "9.27.1"},
    )


def _job(
    rng: random.Random,
    number: int,
    kind: Kind,
    label: str,
    wildcards: dict[str, str],
    at: float,
    start: float,
    fails: bool,
) -> list[Any]:
    run_id = RUN
    queue = QUEUES[0] if rng.random() < 0.75 else QUEUES[1]
    batch_id = f"{rng.getrandbits(128):032x}"
    name = f"jdoe-{kind.name}-{number}"
    made: list[Any] = []
    begin, attempt = start, 1
    while rng.random() < 0.05 and attempt < 3:  # the spot machine is taken back
        stop = begin + rng.uniform(0.1, 0.9) * kind.seconds
        made.append(
            Attempt(
                batch_id,
                attempt,
                run_id,
                begin,
                stop,
                reason=f"Host EC2 (instance i-{rng.getrandbits(64):016x}) terminated.",
                cause="SPOT",
                log_stream=f"{name}/default/{attempt}",
                instance_type=rng.choice(TYPES),
                capacity="spot",
            )
        )
        begin, attempt = stop + rng.uniform(60, 400), attempt + 1
    seconds = kind.seconds * rng.lognormvariate(0, 0.35)
    peak = min(kind.memory / 1024 * 0.99, kind.peak * rng.lognormvariate(0, 0.12))
    cause = rng.choice(("COMMAND", "OUT_OF_MEMORY", "STAGE_IN", "TIMEOUT")) if fails else None
    stage_in, stage_out = kind.bytes_in / 1.2e8, kind.bytes_out / 0.9e8
    stop = begin + 3 + stage_in + seconds + stage_out
    code = {None: 0, "OUT_OF_MEMORY": 137, "STAGE_IN": 211}.get(cause, 1)
    made.append(
        Attempt(
            batch_id,
            attempt,
            run_id,
            begin,
            stop,
            exit_code=code,
            cause=cause,
            log_stream=f"{name}/default/{attempt}",
            instance_type=rng.choice(TYPES),
            capacity="spot",
            seconds={"start": 0.1, "stage_in": stage_in, "run": seconds, "stage_out": stage_out},
            bytes_in=int(kind.bytes_in * rng.uniform(0.8, 1.2)),
            files_in=2,
            bytes_out=int(kind.bytes_out),
            files_out=1,
            peak_memory=int((kind.memory / 1024 if code == 137 else peak) * GIB),
            cpu_seconds=seconds * min(kind.vcpus, kind.cores * rng.lognormvariate(0, 0.08)),
        )
    )
    job = Job(
        run_id,
        number,
        kind.name,
        label,
        1,
        at,
        wildcards=wildcards,
        mode="direct",
        image=f"quay.io/biocontainers/{kind.name}:1.2",
        vcpus=kind.vcpus,
        memory=kind.memory,
        outputs=f"s3://fh-pi-doe-j-eco/variants/{kind.name}/{wildcards.get('sample', 'all')}.out",
        logs=f"s3://fh-pi-doe-j-eco/variants/logs/{kind.name}/{wildcards.get('sample', 'all')}.log",
        command=_command(kind, wildcards),
        environment="envs/annotate.yaml" if kind.name == "annotate" else "",
        state="failed" if fails else "done",
        ended=stop + 3,
        cause=cause,
        sentence=_sentence(kind, cause),
        exit_code=code if fails else 0,
        log_end=LOG_END if fails else None,
    )
    task = f"s3://fh-pi-doe-j-eco/scratch-delete-30/hutchbatch/runs/{RUN}/tasks/{name}.json"
    submission = Submission(
        name, run_id, queue, 1, at + 1, "", task, submitted=at + 2, batch_id=batch_id
    )
    placement = Placement(
        name,
        SINGLE,
        run_id,
        number,
        kind.memory,
        "FAILED" if fails else "SUCCEEDED",
        batch_id,
        at + 4,
        max(at + 6, start - 45),
        start,
        stop,
    )
    return [job, submission, placement, *made]


def _command(kind: Kind, wildcards: dict[str, str]) -> str:
    sample = wildcards.get("sample", "all")
    return (
        f"{kind.name} --threads {kind.vcpus} --reference resources/GRCh38.fa \\\n"
        f"  --in {kind.name}/{sample}.in.bam | samtools view -b - > {kind.name}/{sample}.out"
    )


def _sentence(kind: Kind, cause: str | None) -> str | None:
    return {
        None: None,
        "COMMAND": f"the command of rule {kind.name} ended with exit code 1",
        "OUT_OF_MEMORY": f"it needed more than its {kind.memory} MiB: ask for more with mem_mb",
        "STAGE_IN": "an input could not be fetched: s3://fh-pi-doe-j-eco/reads/x.fastq.gz is gone",
        "TIMEOUT": "it ran longer than its runtime of 60 minutes: ask for more with runtime",
    }[cause]


def _until(made: list[Any], now: float) -> Iterator[Any]:
    """What had been written by then."""
    prepared = {r.number: r.prepared for r in made if isinstance(r, Job)}
    ended = {r.number: r.ended for r in made if isinstance(r, Job)}
    names = {r.submission: r.number for r in made if isinstance(r, Placement)}
    ids = {r.batch_id: r.number for r in made if isinstance(r, Placement)}
    for record in made:
        if isinstance(record, Attempt):
            number = ids[record.batch_id]
        else:
            number = names[record.name] if isinstance(record, Submission) else record.number
        if prepared[number] <= now:
            over = ended[number] <= now
            if over or isinstance(record, Submission):
                yield record
            elif isinstance(record, Job):
                yield replace(
                    record,
                    state="sent",
                    ended=None,
                    cause=None,
                    sentence=None,
                    exit_code=None,
                    log_end=None,
                )
            elif isinstance(record, Placement):
                begun = record.running <= now
                yield replace(
                    record,
                    state="RUNNING" if begun else "RUNNABLE",
                    running=record.running if begun else None,
                    starting=record.starting if begun else None,
                    ended=None,
                )
