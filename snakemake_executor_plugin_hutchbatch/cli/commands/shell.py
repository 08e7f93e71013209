"""``hutchbatch shell``: into the container of a running job."""

from __future__ import annotations

import argparse
import os
import shutil

from ...aws import batch_calls
from ...aws import clients as aws
from ...rerun import exec_session
from ...rerun.errors import RerunError
from ...text.terminal import note
from .. import wanted_job
from .common import CommandError, Help, Subcommands, asking, epilog


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "shell",
        help="open a shell in a running job's container",
        description=(
            "Opens a shell in the container of a job that is running, in the job's folder. It\n"
            "uses Amazon ECS Exec, which the job must have been started with\n"
            "(--hutchbatch-execute-command), and which its role and you must be allowed. If\n"
            "something is missing, it says what, and what to do. Be careful: the job goes on\n"
            "while you are there."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch shell align sample=A\n"
            "  hutchbatch shell 7a6280f6-164f-4200-bc88-a2d12bdaa224:3",
            "the job cannot be entered",
        ),
        formatter_class=Help,
    )
    wanted_job.add(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    with wanted_job.opened(options) as wanted:
        target = wanted.find()
        clients = wanted.clients
        try:
            with asking("asking about the job"):
                # AWS refuses a question about no job.
                last = target.batch_ids[-1:]
                described = batch_calls.describe(clients.batch, last) if last else {}
            if not described:
                raise CommandError(
                    f"AWS Batch does not know {target.label}: either it has not been sent yet, or "
                    "it ended some days ago."
                )
            job = next(iter(described.values()))
            place = exec_session.running(job, target.label)
            plugin = exec_session.needs_plugin(shutil.which)
            with asking("entering the job"):
                ecs = aws.session(clients.region).client("ecs")
                command = exec_session.session(ecs, place, plugin, clients.region)
        except RerunError as error:
            raise CommandError(str(error), more=error.more) from error
    note(f"A shell in the container of {target.label}; 'exit' leaves it.")
    os.execv(command[0], command)  # noqa: S606  it has the terminal from here on
