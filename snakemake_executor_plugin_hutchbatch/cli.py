"""The ``hutchbatch`` command. ``SUBCOMMANDS`` has what adds each subcommand (``commands``)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from . import aws, catalog, queues
from .commands import definitions
from .commands.common import Help, add_region, fail

LOCAL_DIRECTORY = ".hutchbatch-local"
LOCAL_EXTRA = 'pip install "snakemake-executor-plugin-hutchbatch[local]"'

Run = Callable[[argparse.Namespace], int]


def _add_local(subcommands: Any) -> None:
    parser = subcommands.add_parser(
        "local",
        help="try a workflow on this machine, with a small AWS of its own",
        description=(
            "Runs a command with a small AWS around it, on this machine only: an S3 bucket named\n"
            "hutchbatch, AWS Batch with the Hutch's queues, and CloudWatch Logs. Jobs really run,\n"
            "as processes of this machine, or in containers with --containers; nothing is sent to\n"
            "Amazon and no account is needed.\n"
            "Everything is stopped when the command ends. The bucket is a plain folder that\n"
            f"stays: look into {LOCAL_DIRECTORY}/s3/hutchbatch."
        ),
        epilog=(
            "examples:\n"
            "  hutchbatch local -- snakemake --executor hutchbatch --jobs 20 \\\n"
            "      --default-storage-provider s3 --default-storage-prefix s3://hutchbatch/results\n"
            "  hutchbatch local -- aws s3 ls s3://hutchbatch/\n"
            "  hutchbatch local            stays up and prints what to paste into another terminal"
        ),
        formatter_class=Help,
    )
    parser.add_argument(
        "--dir",
        type=Path,
        default=Path(LOCAL_DIRECTORY),
        help="folder that keeps the buckets, the jobs' output and their scratch space",
    )
    parser.add_argument(
        "--containers",
        choices=("none", "auto", "podman", "docker"),
        default="none",
        help=(
            "how jobs run: none, as processes of this machine with its programs; podman or docker,"
            " in containers of their images, which are pulled if need be; auto, in containers where"
            " the image is on this machine already, else as processes"
        ),
    )
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        default=None,
        metavar="-- COMMAND",
        help="what to run, with its options; without it, the small AWS stays up until Ctrl-C",
    )
    parser.set_defaults(run=_local)


def _local(options: argparse.Namespace) -> int:
    try:
        from .local import choice, cloud, run  # noqa: PLC0415 - only this needs the extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("nanio", "starlette", "uvicorn"):
            raise
        return fail(f"hutchbatch local needs {error.name}: {LOCAL_EXTRA}")
    command = options.command or []
    if command[:1] == ["--"]:
        command = command[1:]
    base = run.forget_other_clouds()
    try:
        if command:
            return run.run_command(options.dir, command, base, options.containers)
        return run.stay_up(options.dir, base, options.containers)
    except (cloud.DirectoryInUse, choice.NoContainers, OSError) as error:
        return fail(str(error))


def _add_queues(subcommands: Any) -> None:
    parser = subcommands.add_parser(
        "queues",
        help="show AWS Batch's queues and which one jobs would go to",
        description=(
            "Shows the queues of your account as AWS tells them now: spot or on demand, the bid,\n"
            "how many vCPUs may be in use at a time, and whether they take jobs."
        ),
        epilog="example:\n  hutchbatch queues --region us-west-2",
        formatter_class=Help,
    )
    add_region(parser)
    parser.add_argument(
        "--catalog", type=Path, help="your site's catalogue (default: the Hutch's queues)"
    )
    parser.set_defaults(run=_queues)


def _queues(options: argparse.Namespace) -> int:
    try:
        entries = catalog.read(options.catalog) if options.catalog else catalog.shipped()
        found, told = queues.describe(aws.clients(aws.session(options.region)).batch, entries)
    except catalog.CatalogError as error:
        return fail(str(error))
    except (BotoCoreError, ClientError) as error:
        return fail(aws.explain(error, "reading the Batch queues"))
    print("\n".join(queues.table(found)))
    if told:
        print(told, file=sys.stderr)
    for policy in queues.POLICIES:
        try:
            ladder = queues.automatic(
                found, policy, gpus=0, preemptible=True, where="--hutchbatch-queue"
            )
        except queues.QueueError as error:
            return fail(str(error))
        default = " (default)" if policy == queues.POLICIES[0] else ""
        print(f"policy {policy}{default}: {', then '.join(ladder.rungs)}")
    return 0


SUBCOMMANDS: tuple[Callable[[Any], None], ...] = (_add_local, _add_queues, definitions.add)


def main(argv: Sequence[str] | None = None) -> int:
    """The console script; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="hutchbatch", description="Snakemake workflows on AWS Batch: tools around the runs."
    )
    subcommands = parser.add_subparsers(required=True, metavar="SUBCOMMAND")
    for add in SUBCOMMANDS:
        add(subcommands)
    options = parser.parse_args(argv)
    run: Run = options.run
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
