"""``hutchbatch local``: a small AWS on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import USAGE, CommandError, Help, Subcommands

LOCAL_DIRECTORY = ".hutchbatch-local"
LOCAL_EXTRA = 'pip install "snakemake-executor-plugin-hutchbatch[local]"'


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "local",
        help="try a workflow on this machine, with its own small AWS",
        description=(
            "Runs a command with a small AWS around it, on this machine only: an S3 bucket named\n"
            "hutchbatch, AWS Batch with the Hutch's queues, and CloudWatch Logs. Jobs really run,\n"
            "as processes of this machine, or in containers with --containers; nothing is sent to\n"
            "Amazon and no account is needed.\n"
            "Everything is stopped when the command ends. The bucket is a plain folder that\n"
            f"stays: look into {LOCAL_DIRECTORY}/s3/hutchbatch. Ports and keys stay, too: what\n"
            f". {LOCAL_DIRECTORY}/env.sh has set in a terminal counts after the next start."
        ),
        epilog=(
            "examples:\n"
            "  hutchbatch local -- snakemake --executor hutchbatch --jobs 20 \\\n"
            "      --default-storage-provider s3 --default-storage-prefix s3://hutchbatch/results\n"
            "  hutchbatch local -- aws s3 ls s3://hutchbatch/\n"
            "  hutchbatch local --shell   opens a shell with it\n"
            "  hutchbatch local           stays up, for other terminals\n"
            "\n"
            "The exit code is the command's; 1 if the small AWS could not be started."
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
            "how jobs run: none, as processes on this machine, with its programs; podman or "
            "docker, in containers of their images, which are pulled if necessary; auto, in "
            "containers if the image is already on this machine, otherwise as processes"
        ),
    )
    parser.add_argument(
        "--account",
        choices=("hutch", "hutch-lab", "all-kinds"),
        default="hutch",
        help=(
            "which queues there are: hutch, those of the Hutch's shared account; hutch-lab, the "
            "queue default of a lab's own; all-kinds, also queues with Fargate, Kubernetes, Arm, "
            "fair shares or time limits, and a disabled one"
        ),
    )
    parser.add_argument(
        "--strict-aws",
        action="store_true",
        help=(
            "take at its worst what AWS documents neither way: the job definition's command counts "
            "towards the 8,192 characters of container overrides"
        ),
    )
    parser.add_argument(
        "--shell", action="store_true", help="open a shell in place of a command; exit ends it"
    )
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        default=None,
        metavar="-- COMMAND",
        help="what to run, with its options; without it, the small AWS stays up until Ctrl-C",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        from ...local import cloud, run  # noqa: PLC0415 - only this needs the extra
        from ...local.hosts import choice  # noqa: PLC0415 - only this needs the extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("nanio", "starlette", "uvicorn"):
            raise
        raise CommandError(f"hutchbatch local needs {error.name}: {LOCAL_EXTRA}") from error
    command = options.command or []
    if command[:1] == ["--"]:
        command = command[1:]
    if command and options.shell:
        raise CommandError("--shell and a command are two things: give one of them.", USAGE)
    base = run.forget_other_clouds()
    config = run.configured(options.account, options.strict_aws)
    try:
        if command:
            return run.run_command(options.dir, command, base, options.containers, config)
        if options.shell:
            return run.run_shell(options.dir, base, options.containers, config)
        return run.stay_up(options.dir, options.containers, config)
    except (cloud.DirectoryInUse, choice.NoContainers, OSError) as error:
        raise CommandError(str(error)) from error
