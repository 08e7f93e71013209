"""The table and the picture that a real run leaves behind."""

import csv
import subprocess
import sys
from pathlib import Path

import warm_start

from snakemake_executor_plugin_hutchbatch.record import run_record
from snakemake_executor_plugin_hutchbatch.record.journal import PLACE
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.reporting import cost_of_run

HUTCHBATCH = str(Path(sys.executable).with_name("hutchbatch"))
SNAKEFILE = """
    rule all:
        input: "sum.txt"

    rule work:
        output: "work/{n}.txt"
        threads: 2
        resources: mem_mb=2000
        shell: "echo {wildcards.n} > {output}; sleep 2"

    rule gather:
        input: expand("work/{n}.txt", n=[1, 2])
        output: "sum.txt"
        shell: "cat {input} > {output}"

    rule bad:
        output: "bad.txt"
        log: "logs/bad.txt"
        shell:
            "token=hunter2hunter2 true; "
            "echo '<b>what went wrong</b>'; echo '<i>the tool says</i>' > {log}; exit 7"
"""


def committed(folder):
    """The commit of what is in the folder now."""
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@example.org")
    for words in (("init", "-q"), ("add", "Snakefile"), ("commit", "-q", "-m", "x")):
        subprocess.run([*git, *words], cwd=folder, check=True)
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_a_run_leaves_its_table_and_its_picture(workflow):
    workflow.write("Snakefile", SNAKEFILE)
    commit = committed(workflow.folder)
    workflow.cloud.fault(kind="lose_host", name="*-work*", after=0.5, times=1)
    files = ("out/report.html", "trace.tsv")
    wanted = ("all", "bad.txt", "--keep-going", "--hutchbatch-user", "jdoe", "--hutchbatch-tags")
    reported = workflow.fail(*wanted, "lab=doe", "project=tcr", "--hutchbatch-report", *files)
    assert all(f"{file}" in reported for file in files)
    page = (workflow.folder / "out/report.html").read_text()
    assert "&lt;b&gt;what went wrong&lt;/b&gt;" in page
    assert "<b>what" not in page
    assert "== logs/bad.txt ==\n&lt;i&gt;the tool says&lt;/i&gt;" in page
    assert "\n4 of 5 steps (80%) done\n" in reported
    assert (
        "Jobs: 4 done (1 of them on this machine), 1 failed (bad: 1 COMMAND); 1 start lost"
        in reported
    )
    assert "--hutchbatch-user</dt><dd>jdoe</dd>" in page
    assert "--hutchbatch-tags</dt><dd>lab=doe project=tcr</dd>" in page
    found = table(workflow.folder / "trace.tsv")
    ends = sorted((row["rule"], row["attempt"], row["state"]) for row in found)
    assert ends == [
        ("bad", "1", "failed"),
        ("gather", "1", "done"),
        ("work", "1", "done"),
        ("work", "1", "lost"),
        ("work", "2", "done"),
    ]
    (bad,) = (row for row in found if row["rule"] == "bad")
    assert (bad["cause"], bad["exit_code"]) == ("COMMAND", "7")
    (lost,) = (row for row in found if row["state"] == "lost")
    assert lost["cause"] == "SPOT"
    for row in found:
        assert row["queue"] == "cpu-spot-50"
        # The time of submission is by another clock.
        assert row["submitted"]
        assert row["started"] < row["stopped"]
        assert float(row["vcpu_hours"]) > 0
    (gather,) = (row for row in found if row["rule"] == "gather")
    assert gather["files_in"] == "3"  # one is the workflow's code
    assert int(gather["bytes_in"]) > 4
    assert (gather["files_out"], gather["bytes_out"]) == ("1", "4")
    assert float(gather["run_s"]) > 0
    assert float(gather["peak_memory_mib"]) > 0
    with Reader(workflow.folder / PLACE) as reader:
        record = run_record.read(reader, run_record.choose(reader, None))
    cost = cost_of_run.of(record)
    assert (cost.total.priced, cost.total.unpriced) == (5, 0)
    # Of the machine that was lost, the type is not known: it is one of its queue's.
    assert (cost.total.asked, cost.total.guessed) == (4, 1)
    assert 0 < cost.total.lost.high < cost.total.cost.high
    assert 0 < cost.rules["gather"].cost.low <= cost.rules["gather"].cost.high
    again = subprocess.run(
        [HUTCHBATCH, "report", "--trace", "-"],
        cwd=workflow.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert record.run.git_commit == commit
    jobs = {job.label: job for job in record.jobs}
    assert jobs["work n=1"].command == "echo 1 > work/1.txt; sleep 2"
    assert jobs["gather"].command == "cat work/1.txt work/2.txt > sum.txt"
    assert "token=… " in jobs["bad"].command
    assert again.stdout == (workflow.folder / "trace.tsv").read_text()
    # What the same would cost again is known now, but for what never ended well.
    planned = warm_start.hutchbatch(
        "plan",
        "--",
        *("--default-storage-provider", "s3", "--default-storage-prefix", workflow.prefix),
        *("--forceall", "all", "bad.txt"),
        cwd=workflow.folder,
        env=workflow.environment(),
    )
    assert planned.returncode == 0, planned.stderr
    assert "if jobs take as long as the last 3 jobs of the same rules here" in planned.stdout
    assert "Not in it, because never run here: bad." in planned.stdout
