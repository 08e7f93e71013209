"""``hutchbatch local``: runs the local cloud for one command, or until Ctrl-C."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from .batch import BatchConfig
from .cloud import CALLS_PER_SECOND, LocalCloud
from .environment import UNSET
from .hosts.choice import Containers
from .hosts.terminal import print_command, print_message

Handler = Callable[[int, FrameType | None], None]

FOREGROUND = Path(__file__).parent / "hosts" / "foreground.py"
#: Signals that end this process. SIGINT also reaches the command from the terminal; the command
#: handles it, and this process ends after it.
ASKED_TO_END = (signal.SIGTERM, signal.SIGHUP)


def configured(account: str, strict: bool) -> BatchConfig:
    """The queues of ``account``, and AWS's limits; ``strict``: what AWS documents neither way is
    taken at its worst."""
    return BatchConfig.of_account(account, CALLS_PER_SECOND, strict)


def forget_other_clouds() -> dict[str, str]:
    """The environment as it is; then removes variables from it that would mislead botocore, which
    the endpoints use, too: a profile that does not exist would be an error."""
    base = dict(os.environ)
    for name in UNSET:
        os.environ.pop(name, None)
    return base


def run_command(
    directory: Path,
    command: Sequence[str],
    base: Mapping[str, str],
    containers: Containers = "none",
    config: BatchConfig | None = None,
) -> int:
    """Runs ``command`` with the cloud; returns its exit code, 128+n after signal n."""
    child: subprocess.Popen[bytes] | None = None
    asked: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if child is not None and number != signal.SIGINT:
            child.send_signal(number)

    handlers = dict.fromkeys((signal.SIGINT, *ASKED_TO_END), pass_on)
    with running_cloud(directory, containers, handlers, config) as cloud:
        if asked:
            return 128 + asked[0]
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", str(FOREGROUND), str(os.getpid()), *command],
            env=cloud.environment_for(base),
        )
        code = child.wait()
    return 128 - code if code < 0 else code


def run_shell(
    directory: Path,
    base: Mapping[str, str],
    containers: Containers = "none",
    config: BatchConfig | None = None,
) -> int:
    """Opens the user's shell with the cloud; returns its exit code."""
    shell = base.get("SHELL") or "/bin/sh"
    print_message(f"{shell} starts with a local cloud in {directory}; exit ends both.")
    return run_command(directory, [shell], base, containers, config)


def stay_up(
    directory: Path,
    containers: Containers = "none",
    config: BatchConfig | None = None,
) -> int:
    """Prints what to type in another terminal and waits for Ctrl-C or SIGTERM."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    handlers = dict.fromkeys((signal.SIGINT, *ASKED_TO_END), end)
    with running_cloud(directory, containers, handlers, config) as cloud:
        print_message(
            f"The local cloud is running; its bucket is {cloud.bucket_dir}. To use it, type this in"
            " another terminal; Ctrl-C here stops it."
        )
        print_command(f"source {shlex.quote(str(cloud.script))}")
        while not ended.wait(3600):
            pass
    return 0


@contextmanager
def running_cloud(
    directory: Path,
    containers: Containers,
    handlers: Mapping[signal.Signals, Handler],
    config: BatchConfig | None,
) -> Iterator[LocalCloud]:
    """The running cloud, with these signal handlers; ignored signals (``nohup``) stay ignored.

    Handlers run in the main thread, which does not wake up for a signal that another thread
    receives. So the cloud's threads, which inherit blocked signals, must never receive one.
    """
    before = {
        number: signal.signal(number, each)
        for number, each in handlers.items()
        if signal.getsignal(number) != signal.SIG_IGN
    }
    signal.pthread_sigmask(signal.SIG_BLOCK, handlers)
    try:
        with LocalCloud(
            directory, containers=containers, config=config, launched_in=Path.cwd()
        ) as cloud:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)
            yield cloud
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)
        for number, each in before.items():
            signal.signal(number, each)
