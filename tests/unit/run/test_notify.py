"""The note at the end of a run, and that it can neither hold it up nor give anything away."""

import http.server
import json
import os
import threading
import time
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.record import redact
from snakemake_executor_plugin_hutchbatch.record.schema import Run
from snakemake_executor_plugin_hutchbatch.run import notify
from snakemake_executor_plugin_hutchbatch.run.summary import Counts, Ended
from snakemake_executor_plugin_hutchbatch.settings.parsers import (
    NoteTarget,
    SettingError,
    parse_notify,
)

RUN = Run("20261130-1", 1764500000.0, user="jdoe", folder="/home/jdoe/tcr")
SECRET = "https://chat.example.org/hook/abcdef123456"


def made(outcome="failed", hide=lambda text: text, **values):
    given = {"results": "s3://bucket/tcr", "total": 9, **values}
    ended = Ended("20261130-1", outcome, 7500.0, **given)
    counts = Counts(4, {("align", "COMMAND"): 2, ("align", "SPOT"): 1}, 0, 5)
    return notify.payload(RUN, ended, counts, hide)


def test_the_note_has_a_line_for_people_and_figures_for_programs():
    note = made()
    assert note["text"] == (
        "Run 20261130-1 of tcr has failed after 2 h 5 min: 4 jobs done, 3 failed (align), "
        "2 not started."
    )
    assert note["jobs"] == {"done": 4, "failed": 3, "ended": 0, "not_started": 2}
    assert note["failed_rules"] == {"align": 3}
    assert json.loads(json.dumps(note)) == note


def test_the_note_says_which_limit_ended_the_run():
    assert made(limit="The run has reached its limit")["text"].endswith(
        "started. The run has reached its limit."
    )


def test_secrets_of_the_run_are_not_in_the_note():
    hide = redact.Discretion(("bucket-secret", SECRET))
    note = made(hide=hide, results="s3://bucket-secret/x", limit="")
    assert "bucket-secret" not in json.dumps(note)
    assert "/home/jdoe" not in json.dumps(made())


def test_targets_are_addresses_variables_or_commands():
    assert parse_notify(SECRET) == NoteTarget(url=SECRET)
    assert parse_notify("env:SLACK") == NoteTarget(variable="SLACK")
    assert parse_notify("mail -s done me") == NoteTarget(command="mail -s done me")
    assert parse_notify("http://127.0.0.1:8/x").url
    for wrong in ("http://chat.example.org/x", "env:a b", "", "https://", "https://a b"):
        with pytest.raises(SettingError) as error:
            parse_notify(wrong)
        assert "chat.example" not in str(error.value)


@pytest.fixture
def webhook():
    """An address, and the notes that were sent there; ``status`` is what it answers."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        status = 200

        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(self.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook/abc", got, Handler
    server.shutdown()
    server.server_close()


def test_a_webhook_gets_the_note_as_json(webhook):
    url, got, _ = webhook
    notify.send(NoteTarget(variable="HOOK"), made(), {"HOOK": url})
    assert got == [made()]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_the_webhook_refuses_is_said_without_its_address(webhook, status):
    url, got, handler = webhook
    handler.status = status
    with pytest.raises(notify.NotSent, match=f"127.0.0.1 answered with status {status}") as error:
        notify.send(NoteTarget(url=url), made(), {})
    assert "/hook/" not in str(error.value)
    assert len(got) == 1, "and nobody else gets it"


def test_a_variable_that_is_not_set_is_said(monkeypatch):
    with pytest.raises(notify.NotSent, match="the variable HOOK"):
        notify.send(NoteTarget(variable="HOOK"), made(), {})


def test_a_command_reads_the_note_and_has_its_line_in_a_variable(tmp_path):
    command = (
        f'cat > {tmp_path}/note; echo "$HUTCHBATCH_OUTCOME $HUTCHBATCH_NOTE" > {tmp_path}/line'
    )
    notify.send(NoteTarget(command=command), made(), os.environ)
    assert json.loads((tmp_path / "note").read_text()) == made()
    assert (tmp_path / "line").read_text() == f"failed {made()['text']}\n"


def test_a_command_that_reads_nothing_is_no_error():
    notify.send(NoteTarget(command="exec true"), made(results="x" * 1_000_000), os.environ)


def test_a_command_that_fails_is_said():
    with pytest.raises(notify.NotSent, match="exit code 3"):
        notify.send(NoteTarget(command="exit 3"), made(), os.environ)


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path):
    command = f"sleep 600 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(notify.NotSent, match="longer than"):
        notify.send(NoteTarget(command=command), made(), os.environ, seconds=1.0)
    child = int((tmp_path / "pid").read_text())
    for _ in range(100):
        try:
            state = Path(f"/proc/{child}/stat").read_text().split()[2]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError("it still runs")


def test_the_address_is_kept_out_of_the_record_and_the_log():
    for arguments in (
        ["--hutchbatch-notify", SECRET],
        [f"--hutchbatch-notify={SECRET}"],
        ["--hutchbatch-no", SECRET],
    ):
        assert SECRET not in " ".join(redact.discreet(arguments))
    kept = ["--hutchbatch-notify", "mail -s done jdoe", "--jobs", "5"]
    assert redact.discreet(kept) == kept
