"""``hutchbatch report``, and the same at the end of a run."""

import subprocess
import sys
import time

import pytest
import synthetic_runs
import yaml

from snakemake_executor_plugin_hutchbatch.cli import main
from snakemake_executor_plugin_hutchbatch.record import controllers
from snakemake_executor_plugin_hutchbatch.record.journal import PLACE, Journal
from snakemake_executor_plugin_hutchbatch.record.schema import Run
from snakemake_executor_plugin_hutchbatch.reporting import attempt_table, page


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder in which Snakemake has run twice."""
    monkeypatch.chdir(tmp_path)
    journal = Journal(PLACE)
    synthetic_runs.write(journal, 12)
    journal.put(Run("20260101-000000-jdoe", 1.0, folder="/x/earlier", outcome="done", ended=2.0))
    journal.close()
    return tmp_path


def test_the_last_run_is_shown_if_none_is_named(folder, capsys):
    assert main.main(["report"]) == 0
    text = (folder / "report.html").read_text()
    assert "<title>variants · hutchbatch</title>" in text
    assert "report.html: open it" in capsys.readouterr().err
    assert not (folder / "trace.tsv").exists()


@pytest.mark.parametrize(("pid", "words"), [(None, "running"), (2**22 + 1, "Snakemake is gone")])
def test_a_run_without_an_end_goes_on_or_is_gone(folder, pid, words):
    me = controllers.this()
    run = Run(
        "20270101",
        time.time() - 60,
        host=me.host,
        pid=pid or me.pid,
        process_started=me.started,
        beat=time.time(),
    )
    journal = Journal(PLACE)
    journal.put(run)
    journal.close()
    assert main.main(["report"]) == 0
    assert f"{words}</span></h1>" in (folder / "report.html").read_text()


def test_a_run_is_named_by_how_it_begins(folder):
    assert main.main(["report", "202601", "-o", "out/earlier.html"]) == 0
    assert "<title>earlier · hutchbatch</title>" in (folder / "out/earlier.html").read_text()


def test_the_table_goes_into_a_file_or_a_pipe(folder, capsys):
    assert main.main(["report", "--trace", "t.tsv"]) == 0
    assert not (folder / "report.html").exists()
    lines = (folder / "t.tsv").read_text().splitlines()
    assert lines[0].split("\t") == list(attempt_table.COLUMNS)
    assert len(lines) > 12
    capsys.readouterr()
    assert main.main(["report", "--trace", "-"]) == 0
    reported = capsys.readouterr()
    assert reported.out.splitlines() == lines
    assert reported.err == ""


def test_several_runs_are_shown_side_by_side(folder, capsys):
    assert main.main(["report", "20260302", "202601", "-o", "both.html"]) == 0
    text = (folder / "both.html").read_text()
    assert "<title>variants and earlier: 2 runs" in text
    assert "runs 20260302-080000-jdoe and 20260101-000000-jdoe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["2026"] * 7, "At most 6 runs are shown side by side."),
        (["20260302", "202601", "--trace", "-"], "--trace writes the table of one run"),
    ],
)
def test_what_cannot_be_side_by_side_is_refused(folder, capsys, arguments, sentence):
    assert main.main(["report", *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert not (folder / "report.html").exists()


def test_suggestions_are_added_to_a_profile_and_repeat_what_it_has(folder):
    profile = folder / "config.yaml"
    profile.write_text("jobs: 5\nset-resources:\n  other:\n    gpu: 1")
    with profile.open("a") as target:
        done = subprocess.run(
            [sys.executable, "-m", main.__name__, "report", "--suggest"],
            stdout=target,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    found = yaml.safe_load(profile.read_text())
    assert found["jobs"] == 5
    assert found["set-resources"].pop("other") == {"gpu": 1}
    suggested = {each["mem_mb"] for each in found["set-resources"].values()}
    assert suggested
    assert "config.yaml had set-resources: already" in done.stderr
    assert "you can remove the earlier ones" in done.stderr
    assert not (folder / "report.html").exists()


def test_what_is_no_profile_is_not_added_to(folder):
    profile = folder / "config.yaml"
    profile.write_text("- a\n- b\n")
    with profile.open("a") as target:
        command = [sys.executable, "-m", main.__name__, "report", "--suggest"]
        done = subprocess.run(command, stdout=target, stderr=subprocess.PIPE, text=True, check=True)
    assert profile.read_text() == "- a\n- b\n"
    assert "nothing was added" in done.stderr


def test_into_a_pipe_suggestions_come_with_a_word_of_warning(folder, capsys):
    assert main.main(["report", "--suggest"]) == 0
    reported = capsys.readouterr()
    assert "set-resources" in yaml.safe_load(reported.out)
    assert "only the last one counts" in reported.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing-like-it"], "There is no run nothing-like-it; there are 20260302"),
        (["2026"], "Several runs begin with 2026; there are 20260302"),
        (["-d", "elsewhere"], "There is no record of a run here"),
    ],
)
def test_what_is_not_there_is_reported_in_a_sentence(folder, capsys, arguments, sentence):
    assert main.main(["report", *arguments]) == 1
    assert sentence in capsys.readouterr().err


def test_a_price_must_be_one(folder, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(["report", "--price-vcpu-hour", "cheap"])
    assert ended.value.code == 2
    assert "is not a price, like 0.018" in capsys.readouterr().err


def test_without_the_extra_a_sentence_says_how_to_install_it(folder):
    hidden = "import sys; sys.modules['vl_convert'] = None\n"
    program = f"{hidden}from {main.__name__} import main; sys.exit(main(['report']))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip() == f"hutchbatch: The report needs vl_convert: {page.EXTRA}"


def test_the_files_of_a_run_are_written_at_its_end(folder):
    paths = [folder / "new/report.html", folder / "trace.tsv", folder / PLACE / "no.html"]
    reported = list(page.at_end(paths, folder / PLACE, "20260302-080000-jdoe"))
    assert "<title>variants" in paths[0].read_text()
    assert paths[1].read_text().startswith("job\trule\t")
    assert [str(path) in words for path, words in zip(paths, reported, strict=True)] == [True] * 3
    assert "hutchbatch report 20260302-080000-jdoe" in reported[2]
