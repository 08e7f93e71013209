"""A small job that is really submitted and followed to its end: it tries role, image, mounts and
S3."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable

from ..aws.clients import Clients
from ..aws.retry import Retrier
from ..planning import default_image, naming, own_job
from ..planning.plan import Budgets, JobPlan
from ..planning.requirements import Request
from ..planning.work import TaskLocation
from ..settings.values import Mount
from ..settlement import scratch_report
from ..supervisor import taskspec
from ..supervisor.scratch_disk import ScratchDisk
from ..supervisor.taskspec import Input, Output, Status, Step, TaskSpec
from . import channel_probe, trial_job
from .findings import Finding
from .trial_job import Content, Trial

#: That of jobs whose rule names none.
IMAGE = default_image.image()
NEEDS = Request(vcpus=1, memory=256, gpus=0, timeout=600)
_COMMAND = """\
test "$(cat in.txt)" = {word} || exit 1
exec > out.txt
echo read
[ ! -x {prefix}/bin/python ] || echo cli
[ ! -w {scratch} ] || echo scratch
{channels}"""


def plan(trial: Trial, name: str) -> JobPlan:
    """The job as a plan, so that its definition is one of those that rules get."""
    return own_job.plan(
        trial.settings,
        trial.region,
        "doctor",
        "doctor",
        name,
        trial.image,
        NEEDS,
        trial.ladder,
        Budgets(),
    )


def run(
    clients: Clients, trial: Trial, retrier: Retrier, seconds: float, say: Callable[[str], None]
) -> list[Finding]:
    """Submits the job, waits at most ``seconds`` for its end, and returns what it found."""
    key = uuid.uuid4().hex[:10]
    wanted = plan(trial, naming.job_name(trial.user, "hutchbatch-doctor", {}, key))
    content = Content(
        key,
        lambda fitted, folder: store(clients, trial, fitted, folder, key),
        lambda fitted, folder, status: _read(clients, trial, fitted, folder, status),
    )
    return trial_job.run(clients, trial, wanted, content, retrier, seconds, say)


def store(clients: Clients, trial: Trial, wanted: JobPlan, folder: str, word: str) -> TaskLocation:
    """Stores the job's input, its task and the supervisor. Returns where the task is."""
    command = _COMMAND.format(
        word=word,
        prefix=wanted.aws_cli_path or "/none",
        scratch=wanted.scratch.path,
        channels=channel_probe.command(trial.channels),
    )
    output = Output(path="out.txt", url=f"{folder}out.txt")
    task = TaskSpec(
        name="doctor",
        status=f"{folder}status/",
        steps=(Step(name="doctor", command=command, outputs=(output,)),),
        inputs=(Input(url=f"{folder}in.txt", path="in.txt"),),
        scratch=wanted.scratch.path,
        probes=trial.places,
    )
    text = taskspec.dumps(task).encode()
    trial_job.put(clients, folder, [("in.txt", f"{word}\n".encode()), ("task.json", text)])
    return TaskLocation(f"{folder}task.json", hashlib.sha256(text).hexdigest())


def _read(
    clients: Clients, trial: Trial, wanted: JobPlan, folder: str, status: Status | None
) -> list[Finding]:
    """What a job that has ended well shows."""
    found = trial_job.fetch(clients, f"{folder}out.txt").splitlines()
    machine = f" on machine type {status.instance_type}" if status and status.instance_type else ""
    findings = [
        Finding(
            "ok",
            "job",
            f"A job ran{machine} in {wanted.image}: it read its input from S3 and stored its "
            f"output. {'The job role' if wanted.job_role else 'The role of its machine'} can use "
            "the places above.",
        )
    ]
    if wanted.aws_cli_path and "cli" not in found:
        sentence = f"The machine has no Python in {wanted.aws_cli_path}/bin"
        remedy = (
            "correct hutchbatch-aws-cli-path, or use images that bring a python3, 3.8 or newer."
        )
        findings.append(Finding("warning", "machine", sentence, remedy))
    elif wanted.aws_cli_path:
        sentence = f"The machine's AWS command line is in {wanted.aws_cli_path}."
        findings.append(Finding("ok", "machine", sentence))
    if "scratch" not in found:
        sentence = f"Jobs cannot write to their scratch disk at {wanted.scratch.path}"
        findings.append(Finding("problem", "machine", sentence, "correct hutchbatch-scratch."))
    if status and status.scratch:
        findings.append(_scratch(status.scratch, wanted.scratch))
    return [*findings, *channel_probe.findings(trial.channels, found)]


def _scratch(disk: ScratchDisk, scratch: Mount) -> Finding:
    if found := scratch_report.warning(disk, scratch):
        return Finding("warning", "machine", *found)
    own = scratch_report.verdict(disk, scratch.source) == "own disk"
    what = "a disk of its own" if own else "a disk"
    size = scratch_report.of_size(disk)
    return Finding("ok", "machine", f"The scratch {scratch.source} is on {what} ({size}).")
