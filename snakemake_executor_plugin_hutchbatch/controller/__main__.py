"""``python -m snakemake_executor_plugin_hutchbatch.controller WORK_PREFIX ID SHA256``"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..aws import client_hooks, clients, credentials, errors
from ..aws.clients import S3Access
from ..snakemake_patches import apply as patches
from ..storage import small_objects
from ..storage.run_layout import WorkLayout, is_run_id
from ..supervisor import s3_terms
from ..supervisor.errors import Failure, LocalError
from ..text import terminal
from .documents import DocumentError
from .program import EXIT_AGAIN, EXIT_WRONG, Program
from .saving import FAILS, explained
from .state_restore import StateError


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """``arguments``: the work prefix, the run's id, and the digest of its request. Works in the
    current folder."""
    parser = terminal.Parser(description="Runs the Snakemake of a detached run.")
    parser.add_argument("work_prefix", type=_prefix)
    parser.add_argument("id", type=_id)
    parser.add_argument("sha256", type=_digest)
    options = parser.parse_args(arguments)
    access = S3Access(
        endpoint_url=environ.get("HUTCHBATCH_S3_ENDPOINT") or None,
        terms=s3_terms.of_environment(environ),
    )
    session = clients.session(None, credentials.session(credentials.RENEWAL))
    aws, quick = clients.clients(session, access), clients.quick_s3(session, access)
    patches.apply_clock()
    for client in (aws.batch, aws.submit, aws.logs, aws.s3, quick):
        client_hooks.strengthen(client, credentials.RENEWAL)
    program = Program(
        aws,
        quick,
        WorkLayout(options.work_prefix),
        options.id,
        options.sha256,
        Path.cwd(),
        environ,
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, program.stop)
    try:
        return program.run()
    except (DocumentError, StateError) as error:
        terminal.note(f"Run {options.id} cannot be continued: {error}")
    except (Failure, LocalError, small_objects.TooLarge, *FAILS) as error:
        terminal.note(explained(error, "running the controller"))
        # A full disk, for example, is one of this host.
        if program.stopped or errors.is_transient(error) or isinstance(error, OSError):
            return EXIT_AGAIN
    return EXIT_WRONG


def _prefix(text: str) -> str:
    if not text.startswith("s3://") or not text.endswith("/"):
        raise argparse.ArgumentTypeError("a work prefix is like s3://bucket/folder/")
    return text


def _digest(text: str) -> str:
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError("not a SHA-256")
    return text


def _id(text: str) -> str:
    if not is_run_id(text):
        raise argparse.ArgumentTypeError("not the id of a run")
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
