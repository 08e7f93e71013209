"""Each command, with a record and an AWS whose every text is hostile: nothing drives the terminal,
and no line of theirs passes for one of ours."""

import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
from dataclasses import fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

import pytest

from snakemake_executor_plugin_hutchbatch.cli import main
from snakemake_executor_plugin_hutchbatch.record.journal import PLACE, Journal
from snakemake_executor_plugin_hutchbatch.record.schema import (
    SINGLE,
    Attempt,
    Job,
    Note,
    Placement,
    Run,
    Submission,
)
from snakemake_executor_plugin_hutchbatch.reporting import charts

#: A screen cleared, a title set, C1, text turned around, a line ended in each way there is.
MARK = "FORGED"
HOSTILE = f"\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u2066\u2028\x85\x7f\r\n{MARK}: all is well\n{MARK}"
#: What an XML document may hold of it.
IN_XML = escape(f"\x9b31m\u202e\u2028\x85\x7f\n{MARK}: all is well")
BAD = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
IDS = ["7a6280f6-164f-4200-bc88-a2d12bdaa22" + digit for digit in "456"]
STREAM = "a/stream"
SECRET = "hunter2"
COMMAND = f"snakemake --config token={SECRET} --default-storage-prefix https://me:{SECRET}@x"


class HostileAws(BaseHTTPRequestHandler):
    """Batch, Logs, STS and S3 in one, as botocore understands them."""

    def do_GET(self):
        self._answer(403, _s3_error(), "application/xml")

    do_PUT = do_HEAD = do_DELETE = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("x-amz-target"):
            self._answer(200, json.dumps({"events": [{"timestamp": 1, "message": HOSTILE}]}))
        elif body.startswith(b"Action="):
            self._answer(200, WHO, "text/xml")
        elif (name := self.path.rpartition("/")[2]) in BATCH:
            asked = json.loads(body)
            self._answer(200, json.dumps(BATCH[name](asked)))
        else:
            self._answer(400, json.dumps({"message": HOSTILE}))

    def _answer(self, code, text, kind="application/json"):
        data = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if code == 400:
            self.send_header("x-amzn-ErrorType", "ClientException")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_):
        pass


WHO = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:{IN_XML}</Arn><UserId>{IN_XML}</UserId>
<Account>1{IN_XML}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


def _s3_error():
    return f"<Error><Code>AccessDenied</Code><Message>{IN_XML}</Message></Error>"


def _job(batch_id):
    return {
        "jobId": batch_id,
        "jobName": HOSTILE,
        "jobQueue": f"arn:q/{HOSTILE}",
        "status": "RUNNABLE",
        "statusReason": HOSTILE,
        "createdAt": 1,
        "container": {"logStreamName": STREAM, "reason": HOSTILE},
        "attempts": [{"statusReason": HOSTILE, "container": {"logStreamName": STREAM}}],
    }


def _queue(name):
    return {
        "jobQueueName": name,
        "jobQueueArn": f"arn:q/{name}",
        "state": HOSTILE,
        "status": HOSTILE,
        "statusReason": HOSTILE,
        "priority": 1,
        "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": f"arn:ce/{name}"}],
    }


def _environment(name):
    return {
        "computeEnvironmentName": name,
        "computeEnvironmentArn": f"arn:ce/{name}",
        "type": "MANAGED",
        "state": "ENABLED",
        "status": "VALID",
        "statusReason": HOSTILE,
        "computeResources": {"type": "SPOT", "maxvCpus": 9, "instanceTypes": [HOSTILE]},
    }


QUEUES = ("cpu-spot-50", HOSTILE)
BATCH = {
    "describejobs": lambda asked: {"jobs": [_job(each) for each in asked["jobs"]]},
    "listjobs": lambda _: {"jobSummaryList": [_job(IDS[0])]},
    "describejobqueues": lambda _: {"jobQueues": [_queue(name) for name in QUEUES]},
    "describecomputeenvironments": lambda _: {
        "computeEnvironments": [_environment(name) for name in QUEUES]
    },
    "describejobdefinitions": lambda _: {
        "jobDefinitions": [
            {
                "jobDefinitionName": f"hutchbatch-{HOSTILE}",
                "jobDefinitionArn": f"arn:{HOSTILE}",
                "revision": 1,
                "status": "ACTIVE",
                "type": "container",
                "tags": {"created-by": "hutchbatch", "hutchbatch-made": HOSTILE},
                "containerProperties": {"image": HOSTILE},
            }
        ]
    },
}


@pytest.fixture(scope="module")
def aws():
    server = ThreadingHTTPServer(("127.0.0.1", 0), HostileAws)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


#: What leads from one row to another, or decides what is done with it.
KEPT = {"run_id", "batch_id", "log_stream", "region", "state", "submission", "name", "rule"}


def hostile(record):
    """The record with every text of it hostile but for ``KEPT``."""
    changes = {}
    for each in fields(record):
        if each.name in KEPT:
            continue
        if "str" in str(each.type) and "Mapping" not in str(each.type):
            changes[each.name] = f"{each.name} {HOSTILE}"
        elif "Mapping[str, str]" in str(each.type):
            changes[each.name] = {HOSTILE: HOSTILE}
    return replace(record, **changes)


@pytest.fixture
def folder(tmp_path, aws, monkeypatch):
    """A killed run with a failed, a waiting and a lost job, and one that ended."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith(("AWS_", "SNAKEMAKE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x" * 40)
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    run, rule = f"r1{HOSTILE}", f"align{HOSTILE}"
    journal = Journal(PLACE)
    now = time.time()
    journal.put(
        hostile(Run(run, 10.0, pid=1, process_started=1.0, beat=now - 9e3)),
        replace(hostile(Run("r0", 5.0, ended=6.0)), outcome=f"done{HOSTILE}", command=COMMAND),
        *(
            replace(
                hostile(Job(run, number, rule, "x", 1, 1.0, state=state)),
                cause=f"CAUSE{HOSTILE}",
                log_end=f"{HOSTILE}\ntoken={SECRET}",
            )
            for number, state in enumerate(("failed", "sent", "sent"))
        ),
    )
    for number, state in enumerate(("FAILED", "RUNNABLE", "RUNNING")):
        name = f"s{number}{HOSTILE}"
        journal.put(
            replace(
                hostile(Submission(name, run, "q", 1, 2.0, batch_id=IDS[number])), refused=None
            ),
            hostile(Placement(name, SINGLE, run, number, state=state, batch_id=IDS[number])),
            hostile(Attempt(IDS[number], 1, run, started=3.0, stopped=4.0, log_stream=STREAM)),
        )
    journal.put(*(hostile(Note(run, 3.0, "waiting", "x", number)) for number in (1, None)))
    assert journal.flush()
    journal.close()
    return tmp_path


def assert_harmless(reported, where):
    for line in reported.split("\n"):
        assert not BAD.search(line), (where, line)
        assert not line.startswith(MARK), (where, reported)
    assert "Traceback" not in reported, (where, reported)
    assert "Something is wrong within" not in reported, (where, reported)


COMMANDS = {
    "runs": ["runs"],
    "runs, JSON": ["runs", "--json"],
    "status": ["status"],
    "status of one that ended": ["status", "r0"],
    "status watched": ["status", "r0", "--watch"],
    "status asking": ["status", "--ask"],
    "status, JSON": ["status", "--json"],
    "no such run": ["status", "nosuch"],
    "several runs": ["status", "r"],
    "logs of no such rule": ["logs", "alig"],
    "logs of a wildcard": ["logs", "align", "x=1"],
    "logs that may not be": ["logs", IDS[2], "--attempt", "2"],
    "cancel": ["cancel", "--yes"],
    "cancel of a rule": ["cancel", "--yes", "--rule", "nosuch"],
    "report": ["report", "-o", "page.html", "--trace", "trace.tsv"],
    "trace": ["report", "--trace", "-"],
    "queues": ["queues"],
    "definitions": ["definitions"],
    "definitions pruned": ["definitions", "--prune", "--dry-run", "--older-than", "0"],
    "doctor": ["doctor", "--no-job"],
    "doctor, JSON": ["doctor", "--no-job", "--json"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_no_text_of_others_drives_the_terminal(folder, capfd, command):
    if command[0] == "doctor":
        prefix = "s3://bucket/x"
        command = [*command, "--", "--default-storage-provider", "s3"]
        command += ["--default-storage-prefix", prefix]
    code = main.main(command)
    reported = capfd.readouterr()
    assert_harmless(reported.out, command)
    assert_harmless(reported.err, command)
    assert code in (0, 1), reported
    assert reported.out + reported.err
    assert SECRET not in reported.out + reported.err
    if "--json" in command:
        json.loads(reported.out)
    if "--trace" in command and "-" in command:
        heads, *rows = reported.out.splitlines()
        assert {row.count("\t") for row in rows} == {heads.count("\t")}


def test_what_is_written_into_files_is_harmless_too(folder, capfd):
    assert main.main(["report", "-o", "page.html", "--trace", "trace.tsv"]) == 0
    assert main.main(["report", "r0", "-o", "other.html"]) == 0
    table = (folder / "trace.tsv").read_text()
    assert_harmless(table, "table")
    for name in ("page.html", "other.html"):
        page = (folder / name).read_text()
        own = page[: page.index('<script type="text/plain"')]
        data = json.dumps(charts.data_of(page), ensure_ascii=False)
        assert not BAD.search(data)
        assert SECRET not in data
        assert not BAD.search(own)
        assert MARK in own
        assert SECRET not in page


def test_json_is_exact(folder, capfd):
    assert main.main(["runs", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found[0]["run_id"] == f"r1{HOSTILE}"


def test_a_jobs_output_is_cleaned_on_a_terminal_and_exact_in_a_pipe(folder):
    program = [
        sys.executable,
        "-m",
        "snakemake_executor_plugin_hutchbatch.cli.main",
        "logs",
        IDS[2],
    ]
    piped = subprocess.run(program, capture_output=True, check=False)
    assert piped.stdout == (HOSTILE + "\n").encode()
    leader, follower = pty.openpty()
    with subprocess.Popen(program, stdout=follower, stderr=follower):
        os.close(follower)
        shown = b""
        while part := _read(leader):
            shown += part
    os.close(leader)
    lines = shown.decode().replace("\r\n", "\n")
    assert MARK in lines
    assert_harmless(lines, "terminal")


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux tells that the other end is closed
        return b""
