"""The thread of a controller that saves its state while Snakemake runs."""

from __future__ import annotations

import threading
import time

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import errors
from ..text import terminal
from .state import Replaced, State
from .state_restore import StateError

#: Seconds to the first save, and between later ones: at least and at most, and as a multiple of
#: what one takes.
FIRST_SAVE, SAVE_SECONDS, SAVE_AT_MOST, SAVE_FACTOR = 3.0, 10.0, 60.0, 20.0
#: What may fail in a save; the next one tries again.
FAILS = (ClientError, BotoCoreError, OSError)


class Saving:
    """``lost`` is set once another controller has the run."""

    def __init__(self, state: State, lost: threading.Event) -> None:
        self._state, self._lost = state, lost
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._save, name="saving", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No save begins any more."""
        self._over.set()

    def has_ended(self, seconds: float | None) -> bool:
        """Waits for the save that is under way, at most so long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _save(self) -> None:
        failed, wait = False, FIRST_SAVE
        while not self._over.wait(wait):
            began = time.monotonic()
            try:
                self._state.save()
                failed = False
            except Replaced:
                self._lost.set()
                return
            except (*FAILS, StateError) as error:
                if not failed:
                    terminal.note(explained(error, "saving the state of the run"))
                failed = True
            took = time.monotonic() - began
            wait = min(max(SAVE_SECONDS, SAVE_FACTOR * took), SAVE_AT_MOST - min(took, 30.0))


def explained(error: Exception, what: str) -> str:
    """One sentence."""
    if isinstance(error, (ClientError, BotoCoreError)):
        return errors.explain(error, what)
    return f"An error while {what}: {error}."
