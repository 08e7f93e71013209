"""``hutchbatch rerun``: one job once more, to look into it."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from ...rerun import description, engine, folder, inputs, look_up, on_batch
from ...rerun.errors import RerunError
from ...rerun.on_batch import Wanted
from ...rerun.sent_job import SentJob
from ...storage.run_layout import WorkLayout
from ...supervisor import pinned
from ...supervisor.taskspec import TaskSpec
from ...text.terminal import note
from .. import rerun_here, rerun_on_batch, wanted_job
from ..wanted_job import WantedJob
from .common import USAGE, CommandError, Help, Subcommands, asking, epilog


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "rerun",
        help="run one job again, to look into it",
        description=(
            "Makes a folder with a job's inputs, command, variables and software, and runs it\n"
            "there: in its image where Podman, Docker or Apptainer works, else with the programs\n"
            "of this machine. Or runs it again on AWS Batch. Either way the results of the\n"
            "workflow, its logs and Snakemake's records stay as they are. JOB is as for\n"
            "'hutchbatch logs'; of several, the one that failed last."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch rerun align sample=A\n"
            "  hutchbatch rerun results/A.bam --shell\n"
            "  hutchbatch rerun align sample=A --on-batch --memory 64GB",
            "the job cannot be run again (else the job's own)",
        ),
        formatter_class=Help,
    )
    wanted_job.add(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--shell", action="store_true", help="open a shell in the folder, in place of its command"
    )
    where.add_argument(
        "--no-run", action="store_true", help="only make the folder, and fetch the inputs"
    )
    where.add_argument("--on-batch", action="store_true", help="run it on AWS Batch, not here")
    parser.add_argument(
        "--folder", type=Path, help=f"the folder to make (default: {folder.PARENT}/JOB)"
    )
    parser.add_argument(
        "--engine",
        choices=engine.CHOICES,
        default="auto",
        help="what runs the image; none: the programs of this machine",
    )
    parser.add_argument(
        "--configfile",
        type=Path,
        action="append",
        metavar="FILE",
        help="configuration of the command line, for a job under Snakemake whose run has ended",
    )
    parser.add_argument(
        "--memory",
        type=_memory,
        metavar="SIZE",
        help="with --on-batch: memory in MB, as mem_mb, or such as 64GB (default: as it was)",
    )
    parser.add_argument(
        "--queue", metavar="QUEUE", help="with --on-batch: another queue (default: as it was)"
    )
    parser.set_defaults(run=_run)


def _memory(text: str) -> int:
    try:
        return on_batch.more_memory(text)
    except (ValueError, LookupError):
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 64000 or 64GB") from None


def _run(options: argparse.Namespace) -> int:
    if (options.memory or options.queue) and not options.on_batch:
        raise CommandError("--memory and --queue go with --on-batch.", USAGE)
    with wanted_job.opened(options) as wanted:
        target = wanted.find()
        if target.said:
            note(target.said)
        try:
            if target.run is None:
                note("No run that is recorded here has this job: make sure that you trust it.")
            with asking("reading what the job ran"):
                job = look_up.sent(wanted.clients.batch, wanted.reader, target)
                task = description.read(wanted.clients.s3, job)
            if options.on_batch:
                _check_inputs(wanted, job, task)
                changes = Wanted(options.memory, options.queue)
                return rerun_on_batch.run(wanted.clients, job, task, changes)
            return _here(options, wanted, job, task)
        except RerunError as error:
            raise CommandError(str(error), more=error.more) from error


def _here(options: argparse.Namespace, wanted: WantedJob, job: SentJob, task: TaskSpec) -> int:
    path = folder.place(options.folder, task, Path(), Path(tempfile.gettempdir()))
    if folder.existing(path, job):
        note(f"{path} is there already, and used as it is: remove it to start over.")
        return rerun_here.run(path.absolute(), task.name, job.image, options)
    config: dict[str, bytes] = {}
    if options.configfile:
        task, config = _with_config(task, job, options.configfile)
    _check_inputs(wanted, job, task)
    chosen = engine.choose(options.engine)
    engine.fetch_image(chosen, job.image, note)
    for name, source in job.secrets.items():
        if name not in os.environ:
            note(f"The job had the secret {name} of {source}. It is not stored: export it first.")
    for mounted in job.volumes:
        note(f"The job had the folder {mounted} of its machine, which is not here.")
    made = folder.make(path, task.name, job, task, chosen, config)
    how = f"in {job.image} with {chosen.name}" if chosen.name else "with this machine's programs"
    note(f"{made.path} has the job; it runs {how}{f' ({chosen.why})' if chosen.why else ''}.")
    return rerun_here.run(made.path, task.name, job.image, options)


def _with_config(
    task: TaskSpec, job: SentJob, given: list[Path]
) -> tuple[TaskSpec, dict[str, bytes]]:
    """The task with the user's configuration, which S3 does not have any more."""
    work = WorkLayout(pinned.home(job.variables.get("HUTCHBATCH_SUPERVISOR", "")))
    url = work.run(job.tags.get("hutchbatch-run", "")).config
    changed, config = description.with_config(task, url)
    if config is None:
        raise CommandError("This job uses no configuration of the command line: leave it out.")
    try:
        text = description.merged([each.read_text() for each in given])
    except (OSError, ValueError) as error:
        raise CommandError(f"The configuration cannot be read: {error}.") from error
    return changed, {config.path: text.encode()}


def _check_inputs(wanted: WantedJob, job: SentJob, task: TaskSpec) -> None:
    with asking("looking at the job's inputs"):
        found = inputs.look(wanted.clients.s3, task.inputs)
    run = wanted.find().run
    warning = inputs.check(found, task, job.started, inputs.maker_in(wanted.reader, run))
    if warning:
        note(warning)
