"""Asking a run's Snakemake to stop: a signal goes to exactly that process, or to none.

A record may come from another machine, from before a reboot, from a folder that was copied, or from
an attacker: what it says about a process counts only if the process itself confirms it.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from ..record import controllers
from ..record.controllers import Controller

Send = Callable[[int], None]


def doubt(controller: Controller, folder: Path) -> str | None:
    """Why a process that seems to live may not be the Snakemake that this user started in
    ``folder``, in words that follow "because"; None if it certainly is."""
    pid = controller.pid
    if not controllers.is_number(pid):
        return "the record names no process"
    if not controller.machine or not controller.started:
        return (
            "the record, perhaps written by an older hutchbatch, does not identify the process "
            "with certainty"
        )
    if controller.machine != controllers.machine() or controllers.is_dead(controller) is not False:
        return f"process {pid} on this machine is a different one"
    try:
        process = psutil.Process(pid)
        users = process.uids()
        if {users.real, users.effective, users.saved} != {os.geteuid()}:
            return f"process {pid} belongs to somebody else"
        if not controllers.is_snakemake(process.cmdline()):
            return f"process {pid} is not Snakemake"
        if not Path(process.cwd()).samefile(folder):
            return f"process {pid} runs in another folder"
    except (psutil.Error, OSError):
        return f"process {pid} cannot be inspected"
    return None


def terminate(controller: Controller, folder: Path) -> str | None:
    """Sends SIGTERM if there is no ``doubt``; otherwise, or if it cannot be sent, returns why not.
    A process that has ended meanwhile needs none."""
    if not controllers.is_number(controller.pid):
        return doubt(controller, folder)
    try:
        with _held(controller.pid) as send:
            if why := doubt(controller, folder):
                return why
            send(signal.SIGTERM)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return None
    except (OSError, psutil.Error) as error:
        return f"process {controller.pid} cannot be signalled ({error})"
    return None


@contextmanager
def _held(pid: int) -> Iterator[Send]:
    """A way to signal the process that has this number now, and no later one with it.

    What is found out about the number meanwhile is about this process if it still lives afterwards:
    a number is reused only after its process has ended.
    """
    if not hasattr(os, "pidfd_open"):
        yield from _by_psutil(pid)
        return
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:  # Linux before 5.3, or a sandbox
        yield from _by_psutil(pid)
        return

    def send(number: int) -> None:
        ended, _, _ = select.select([handle], [], [], 0)
        if ended:
            raise ProcessLookupError(pid)
        signal.pidfd_send_signal(handle, number)

    try:
        yield send
    finally:
        os.close(handle)


def _by_psutil(pid: int) -> Iterator[Send]:
    """psutil compares when the process began, just before."""
    yield psutil.Process(pid).send_signal
