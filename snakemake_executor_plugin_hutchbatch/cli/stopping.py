"""Asking a run's Snakemake to stop: a signal for that very process, or for none.

A record may come from another machine, from before a restart, from a folder that was copied, or
from somebody who means no good: what it says of a process is believed only as far as the process
itself bears it out.
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
    ``folder``, in words that follow "because"; None if it is that one for certain."""
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
    """Sends SIGTERM if there is no ``doubt``; else, or where it cannot be sent, why not. One that
    ended meanwhile needs none."""
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
    """A way to signal the process that has this number now, and no later one that gets it.

    What was found out about the number in between was about that process if it still lives then:
    a number is given away only after its process has ended.
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
