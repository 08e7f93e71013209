"""One run with hostile names, hostile output, a hostile reason and planted credentials; then what
it left behind, everywhere."""

import base64
import json
import lzma
import re
import threading
import time
import zlib
from dataclasses import dataclass
from urllib.parse import quote

import pytest
import warm_start
from tapping import Tap
from workflows import Workflow

from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud
from snakemake_executor_plugin_hutchbatch.reporting import charts

#: As sample names: what a shell would run, what ends a quotation, what drives a terminal or a page.
WORDS = [
    "$(touch pwned)",
    "`touch pwned`",
    "a; touch pwned;",
    "a && touch pwned",
    "a' ; touch pwned; 'b",
    'a" ; touch pwned; "b',
    "| touch pwned",
    "-rf",
    "--version",
    "esc\x1b[31mred\x9b5m",
    "<img src=x onerror=alert(1)>",
    "éñ 日本",
]
#: What a job writes, and the reason with which another is ended.
LOUD = r"printf '\033[2J\033]0;owned\007<script>alert(2)</script>\n'; exit 3"
REASON = "\x1b[2J<script>alert(3)</script>$(touch pwned)"
SNAKEFILE = f"""
WORDS = {WORDS!r}
envvars: "PLAIN", "AWS_SECRET_ACCESS_KEY", "SNAKEMAKE_STORAGE_S3_SECRET_KEY"
wildcard_constraints: x="[^/]+"
rule all:
    input: expand("odd/{{x}}.txt", x=WORDS), "env.txt", "loud.txt", "stopped.txt"
rule odd:
    output: "odd/{{x}}.txt"
    log: "odd/{{x}}.log"
    params: word=lambda wildcards: wildcards.x, lines="one\\n$(touch pwned)\\n"
    resources: mem_mb=50
    shell: "printf '%s\\n%s' {{params.word:q}} {{params.lines:q}} > {{output:q}}; echo > {{log:q}}"
rule env:
    output: "env.txt"
    resources: mem_mb=50
    shell: "env > {{output}}"
rule loud:
    output: "loud.txt"
    resources: mem_mb=50
    shell: {LOUD!r}
rule stopped:
    output: "stopped.txt"
    resources: mem_mb=50
    shell: "sleep 300; touch {{output}}"
"""
#: Characters that have a meaning to terminals; a line's end and a tab are fine.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
DEADLINE = 120


@dataclass
class Left:
    """What the run said and sent, and the places of the rest."""

    cloud: LocalCloud
    workflow: Workflow
    output: str
    wire: bytes


@pytest.fixture
def left(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with LocalCloud(tmp_path_factory.mktemp("cloud")) as cloud:
        workflow = Workflow(cloud, folder, "hostile")
        workflow.write("Snakefile", SNAKEFILE)
        with Tap(cloud.s3.url) as s3, Tap(cloud.server.url) as others:
            over = threading.Event()
            ending = threading.Thread(target=_end_one, args=(workflow, over))
            ending.start()
            try:
                done = workflow.run(
                    *("--keep-going", "--jobs", "20"),
                    AWS_ENDPOINT_URL_S3=s3.url,
                    AWS_ENDPOINT_URL_BATCH=others.url,
                    AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=others.url,
                    AWS_ENDPOINT_URL_STS=others.url,
                    SNAKEMAKE_STORAGE_S3_ACCESS_KEY=cloud.user.access_key,
                    SNAKEMAKE_STORAGE_S3_SECRET_KEY=cloud.user.secret_key,
                    PLAIN="a plain value",
                )
            finally:
                over.set()
                ending.join()
        assert done.code == 1, done.output[-3000:]
        yield Left(cloud, workflow, done.output, bytes(s3.seen + others.seen))


def _end_one(workflow, over):
    """Ends the job of rule ``stopped``, with a reason."""
    batch = workflow.client("batch")
    end = time.monotonic() + DEADLINE
    while not over.wait(0.2) and time.monotonic() < end:
        running = batch.list_jobs(jobQueue="cpu-spot-50", jobStatus="RUNNING")["jobSummaryList"]
        for job in running:
            if "-stopped-" in job["jobName"] and "startedAt" in job:
                batch.terminate_job(jobId=job["jobId"], reason=REASON)
                return


def _command(left, *arguments, code=0):
    done = warm_start.hutchbatch(
        *arguments, cwd=left.workflow.folder, env=left.workflow.environment()
    )
    assert done.returncode == code, (arguments, done.stderr)
    assert not CONTROL.search(done.stderr)
    return done.stdout


def hostile_names_are_files_like_any_others(left):
    for word in WORDS:
        if CONTROL.search(word):
            continue  # the local S3 takes no such key
        assert left.workflow.text(f"odd/{word}.txt") == f"{word}\none\n$(touch pwned)\n"


def no_shell_ran_what_was_only_a_name(left):
    for top in (left.workflow.folder, left.cloud.directory):
        assert list(top.rglob("pwned")) == []


def job_output_and_reasons_do_not_drive_the_terminal(left):
    assert "loud failed: " in left.output
    assert "[TERMINATED]" in left.output
    assert "owned" in left.output, "the job's last lines are shown"
    for planted in ("\x1b[2J", "\x1b]0;", "\x07"):
        assert planted not in left.output
    # Snakemake itself prints names as they are; these lines are ours.
    ours = [line for line in left.output.splitlines() if "odd x=esc" in line or "?[2J" in line]
    assert ours
    assert not [line for line in ours if CONTROL.search(line)]


def commands_about_the_run_drive_no_terminal(left):
    assert not CONTROL.search(_command(left, "status", code=1))  # as jobs failed
    assert not CONTROL.search(_command(left, "runs"))
    assert not CONTROL.search(_command(left, "report", "--trace", "-"))


def names_and_output_are_text_in_the_report(left):
    _command(left, "report", "-o", "report.html")
    page = (left.workflow.folder / "report.html").read_text()
    assert "alert(2)" in page, "the end of the job's output is there"
    for planted in ("<img src=x", "<script>alert", "\x1b"):
        assert planted not in page


def _everything(left):
    """(where, bytes) of all that the run left, packed things unpacked too."""
    yield "terminal", left.output.encode()
    yield "wire", left.wire
    for top in (left.workflow.folder, left.cloud.bucket_dir, left.cloud.directory / "logs"):
        for path in top.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                yield str(path), data
                if path.name == "report.html":
                    yield f"{path}, its data", json.dumps(charts.data_of(data.decode())).encode()
                for unpack in (lzma.decompress, zlib.decompress):
                    try:
                        yield f"{path}, unpacked", unpack(data)
                    except (lzma.LZMAError, zlib.error):
                        continue


def no_credential_is_anywhere(left):
    _command(left, "report", "-o", "report.html")
    secret = left.cloud.user.secret_key
    spellings = {
        secret.encode(),
        quote(secret, safe="").encode(),
        base64.b64encode(secret.encode()),
        secret.encode("utf-16-le"),
    }
    looked_at = 0
    for where, data in _everything(left):
        looked_at += 1
        assert not [each for each in spellings if each in data], where
    assert looked_at > 30
    # The tap sees requests, and what may travel does.
    for reported in (b"submitjob", b"a plain value", left.cloud.user.access_key.encode()):
        assert reported in left.wire
    assert "is not sent to jobs" in left.output


def jobs_have_their_roles_credentials_only(left):
    variables = left.workflow.text("env.txt")
    assert "PLAIN=a plain value" in variables
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "SNAKEMAKE_STORAGE_S3"):
        assert name not in variables


def the_journal_and_its_folder_are_not_for_everybody(left):
    folder = left.workflow.folder / ".snakemake" / "hutchbatch"
    assert folder.is_dir()
    for path in [folder, *folder.rglob("*")]:
        assert not path.stat().st_mode & 0o002, f"{path} may be written by anybody"


def test_a_hostile_run_leaks_nothing_and_bites_nobody(left):
    """One test, since the run is costly."""
    hostile_names_are_files_like_any_others(left)
    no_shell_ran_what_was_only_a_name(left)
    job_output_and_reasons_do_not_drive_the_terminal(left)
    commands_about_the_run_drive_no_terminal(left)
    names_and_output_are_text_in_the_report(left)
    no_credential_is_anywhere(left)
    jobs_have_their_roles_credentials_only(left)
    the_journal_and_its_folder_are_not_for_everybody(left)
