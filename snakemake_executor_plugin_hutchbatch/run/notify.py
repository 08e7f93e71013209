"""The note at the end of a run (``--hutchbatch-notify``): what it says, and how it is sent.

Nothing here can change how a run ends, or hold it up for longer than ``SECONDS``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePath
from urllib.parse import urlsplit

from ..record.schema import Run
from ..settings.parsers import NoteTarget, parse_webhook
from ..settings.values import SettingError
from ..text.units import count, duration, iso
from .summary import Counts, Ended, JobTotals, totals

#: Seconds that a webhook or a command may take in all.
SECONDS = 10.0
#: Which take ``text`` and, of what they do not know, nothing (https://api.slack.com/messaging/webhooks).
_TEXT_ONLY = ("hooks.slack.com", "hooks.slack-gov.com")

Payload = Mapping[str, object]


class NotSent(Exception):
    """Why a note was not sent: the end of a sentence, without its address."""


def payload(
    run: Run,
    ended: Ended,
    counts: Counts,
    hide: Callable[[str], str],
    costs: Sequence[str] = (),
) -> Payload:
    """The note, as docs/settings.md describes it. ``hide`` removes secrets from texts; ``costs``:
    the sentences about them. Pure."""
    jobs = totals(ended, counts)
    workflow = hide(PurePath(run.folder).name)
    rules: dict[str, int] = {}
    for (rule, _), number in jobs.failed_by.items():
        rules[rule] = rules.get(rule, 0) + number
    return {
        "text": hide(sentence(ended, jobs, workflow, rules)),
        "run_id": ended.run_id,
        "outcome": ended.outcome,
        "workflow": workflow,
        "user": run.user,
        "started": iso(run.started),
        "seconds": round(ended.seconds, 1),
        "jobs": {
            "done": jobs.done,
            "failed": jobs.failed,
            "ended": jobs.ended,
            "not_started": jobs.left,
        },
        "failed_rules": rules,
        "lost_to_spot": counts.lost,
        "results": hide(ended.results),
        "cost": " ".join(costs),
        "limit": ended.limit,
    }


def sentence(ended: Ended, jobs: JobTotals, workflow: str, rules: Mapping[str, int]) -> str:
    """``text`` of the note: one line for a person."""
    ends = {"done": "is done", "failed": "has failed", "cancelled": "was cancelled"}
    parts = [f"{count(jobs.done)} jobs done", f"{count(jobs.failed)} failed"]
    if rules:
        worst = sorted(rules, key=lambda rule: (-rules[rule], rule))
        parts[-1] += f" ({', '.join(worst[:3])}{', …' * (len(worst) > 3)})"
    parts += [f"{count(jobs.ended)} ended"] * bool(jobs.ended)
    parts += [f"{count(jobs.left)} not started"] * bool(jobs.left)
    limit = f" {ended.limit}." if ended.limit else ""
    return (
        f"Run {ended.run_id} of {workflow} {ends.get(ended.outcome, ended.outcome)} after "
        f"{duration(ended.seconds)}: {', '.join(parts)}.{limit}"
    )


def send(
    target: NoteTarget, note: Payload, environ: Mapping[str, str], seconds: float = SECONDS
) -> None:
    """Raises ``NotSent``."""
    if target.command:
        _run(target.command, note, environ, seconds)
        return
    url = target.url
    if target.variable:
        try:
            url = parse_webhook(environ.get(target.variable, ""))
        except SettingError as error:
            raise NotSent(f"the variable {target.variable}: {error}") from None
    failed: list[str] = []
    # In a thread: looking up a name has no time limit of its own.
    thread = threading.Thread(target=lambda: failed.append(_post(url, note, seconds)), daemon=True)
    thread.start()
    thread.join(seconds)
    if not failed:
        raise NotSent(f"{urlsplit(url).hostname} has not answered within {seconds:.0f} seconds")
    if failed[0]:
        raise NotSent(failed[0])


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Nobody but the host that was named gets the note."""

    def redirect_request(self, *_: object) -> None:
        return None


def _post(url: str, note: Payload, seconds: float) -> str:
    """Why it failed; empty if it did not."""
    host = urlsplit(url).hostname or ""
    body = {"text": note["text"]} if host in _TEXT_ONLY else note
    request = urllib.request.Request(  # noqa: S310  https, see parse_webhook
        url,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "User-Agent": "hutchbatch"},
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=seconds):
            return ""
    except urllib.error.HTTPError as error:
        return f"{host} answered with status {error.code}"
    except urllib.error.URLError as error:
        return f"{host} cannot be reached ({error.reason})"
    except Exception as error:  # also http.client's, and of a URL that it cannot send
        return f"{host} cannot be reached ({type(error).__name__})"


def _run(command: str, note: Payload, environ: Mapping[str, str], seconds: float) -> None:
    text = {"HUTCHBATCH_NOTE": str(note["text"]), "HUTCHBATCH_OUTCOME": str(note["outcome"])}
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**environ, **text},
            start_new_session=True,  # Ctrl-C is not its business, and it is ended with its children
        )
    except OSError as error:
        raise NotSent(f"its command cannot be started ({error.strerror})") from error
    try:
        with suppress(BrokenPipeError):  # of a command that does not read it
            process.communicate(json.dumps(note).encode(), timeout=seconds)
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise NotSent(f"its command took longer than {seconds:.0f} seconds") from None
    if code:
        raise NotSent(f"its command ended with exit code {code}")
