"""``hutchbatch doctor --first-contact``: all questions at once, and nothing left behind."""

from __future__ import annotations

import signal
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ..aws import errors
from ..aws.clients import Clients
from ..storage import small_objects
from ..storage.urls import split_url
from ..submission.submit_job import SubmissionError
from ..text import tracebacks
from . import contact_questions
from .contact_answers import Answer, masked
from .contact_jobs import Interrupted, ProbeJobs, TimeUp
from .contact_questions import Asking
from .permissions import AccountContext
from .trial_job import Trial

T = TypeVar("T")

#: Seconds between two looks for Ctrl-C.
LOOK = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM)
ONCE_MORE = "Ctrl-C once more leaves them behind"


@dataclass(frozen=True)
class Contact:
    """What came of it. ``stays``: what could not be removed; ``interrupted``: by Ctrl-C."""

    answers: tuple[Answer, ...]
    stays: tuple[str, ...]
    interrupted: bool = False


def ask(
    clients: Clients,
    trial: Trial,
    session: boto3.Session,
    context: AccountContext,
    seconds: float,
    say: Callable[[str], None],
) -> Contact:
    """Asks all questions, each for at most ``seconds``. Ctrl-C ends the asking; what was made is
    removed in any case, unless Ctrl-C is pressed once more (``KeyboardInterrupt``)."""
    stop = threading.Event()
    jobs = ProbeJobs(clients, trial, uuid.uuid4().hex[:10], stop, say)
    asked = contact_questions.all_of(Asking(jobs, session, context, seconds))
    names = [*_names(trial), context.account]
    with _first_ctrl_c(stop):
        started = {question: _start(partial(_answered, call)) for question, call in asked.items()}
        _await(started, stop, say)
        say(f"removing its jobs, files and definitions … ({ONCE_MORE})")
        clearing = _start(jobs.clear)
        while not clearing.done():
            wait([clearing], timeout=LOOK)
    stays = tuple(masked(each, names) for each in clearing.result())
    answers = tuple(Answer(q, masked(each.result(), names)) for q, each in started.items())
    return Contact(answers, stays, stop.is_set())


@contextmanager
def _first_ctrl_c(stop: threading.Event) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) only sets ``stop``, wherever it comes; the second leaves."""

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(call: Callable[[], T]) -> Future[T]:
    """Calls it in a thread that nothing waits for at the end of the program."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _names(trial: Trial) -> list[str]:
    """What tells whose account it is."""
    role = trial.settings.value("job_role")
    return [split_url(trial.place)[0], trial.user, str(role) if role else ""]


def _await(
    started: Mapping[str, Future[str]], stop: threading.Event, say: Callable[[str], None]
) -> None:
    """Waits for all answers, which come at once after Ctrl-C."""
    reported: set[str] = set()
    waiting: Collection[Future[str]] = started.values()
    while waiting:
        _, waiting = wait(waiting, timeout=LOOK)
        for question, each in started.items():
            if each.done() and question not in reported and not stop.is_set():
                reported.add(question)
                say(f"first contact: {len(reported)} of {len(started)} answered ({question})")


def _answered(call: Callable[[], str]) -> str:
    """The answer, or why there is none: a question never hides the others'."""
    try:
        return call()
    except Interrupted:
        return "not asked: interrupted"
    except TimeUp as error:
        return str(error)
    except (SubmissionError, small_objects.TooLarge) as error:
        return f"not asked: {error}"
    except (ClientError, BotoCoreError) as error:
        return f"not asked: {errors.explain(error, 'asking it')}"
    except Exception as error:
        tracebacks.log("A question of the first contact could not be asked.")
        return f"not asked: {type(error).__name__}: {error}"
