"""The thread that saves the state of a detached run."""

import threading

import pytest

from snakemake_executor_plugin_hutchbatch.controller import saving
from snakemake_executor_plugin_hutchbatch.controller.saving import Saving
from snakemake_executor_plugin_hutchbatch.controller.state import Replaced
from snakemake_executor_plugin_hutchbatch.controller.state_restore import StateError

SECONDS = 30.0


class Fails:
    """Fails once, then saves."""

    def __init__(self, error):
        self.error, self.saved = error, threading.Event()

    def save(self):
        error, self.error = self.error, None
        if error:
            raise error
        self.saved.set()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    for name in ("FIRST_SAVE", "SAVE_SECONDS", "SAVE_FACTOR"):
        monkeypatch.setattr(saving, name, 0.01)


@pytest.mark.parametrize("error", [StateError("It is damaged."), OSError("disk")])
def test_a_save_that_fails_is_explained_and_tried_again(error, capfd):
    state, lost = Fails(error), threading.Event()
    thread = Saving(state, lost)
    thread.start()
    assert state.saved.wait(SECONDS)
    thread.stop()
    assert thread.has_ended(SECONDS)
    assert not lost.is_set()
    assert str(error) in capfd.readouterr().err


def test_who_is_replaced_saves_no_more_and_has_lost_the_run():
    state, lost = Fails(Replaced()), threading.Event()
    thread = Saving(state, lost)
    thread.start()
    assert lost.wait(SECONDS)
    assert thread.has_ended(SECONDS)
    assert not state.saved.is_set()
