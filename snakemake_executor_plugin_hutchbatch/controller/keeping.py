"""The thread of a controller that renews its lease, tells Snakemake's processes until when they may
act (``aws/lease_gate.py``), and looks whether somebody cancels the run."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import lease_gate
from ..aws.lease_gate import Hold
from ..text import terminal
from .document_store import DocumentStore
from .documents import Cancel, DocumentError
from .lease import AGAIN_SECONDS, RENEW_SECONDS, LeaseKeeper, Step


class Keeping:
    """``keeper`` has taken the lease; ``file``: for Snakemake's processes; ``begun``: when
    the run's first controller began, by S3's clock. ``cancel``: somebody has cancelled the
    run; ``lost``: another controller has the lease, or has had it."""

    def __init__(
        self, keeper: LeaseKeeper, documents: DocumentStore, detached_id: str, file: Path
    ) -> None:
        self._keeper, self._documents, self._id, self.file = keeper, documents, detached_id, file
        self.begun = 0.0
        self.lost = threading.Event()
        self.cancel: Cancel | None = None
        self._over = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def start(self) -> None:
        self.write()
        self._thread.start()

    def end(self) -> None:
        """Gives the lease back: nothing of this controller may run any more."""
        self._over.set()
        self._thread.join()
        if not self.lost.is_set():
            self._keeper.release()

    def is_sure(self) -> bool:
        """Whether the lease surely holds now."""
        return not self.lost.is_set() and lease_gate.now() < self._keeper.until

    def write(self) -> None:
        """The file, as things stand."""
        lost = self.lost.is_set()
        until = 0.0 if lost else self._keeper.until
        hold = Hold(self._id, self._keeper.fence, until, os.getpid(), self.begun, lost)
        try:
            with self._writing:
                lease_gate.write(self.file, hold)
        except OSError as error:  # a full disk: it holds as long as was written before
            terminal.note(f"{self.file} cannot be written: {error}.")

    def look_for_cancel(self) -> None:
        try:
            self.cancel = self._documents.cancel()
        except (ClientError, BotoCoreError):
            return
        except DocumentError as error:
            terminal.note(f"What asks for the end of this run does not count: {error}.")

    def _keep(self) -> None:
        wait = RENEW_SECONDS
        while not self._over.wait(wait):
            step = self._keeper.renew()
            if step is Step.LOST:
                self.lost.set()
            self.write()
            if step is Step.LOST:
                return
            wait = RENEW_SECONDS if step is Step.HOLD else AGAIN_SECONDS
            if step is Step.HOLD and self.cancel is None:
                self.look_for_cancel()
