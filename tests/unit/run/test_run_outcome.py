"""What became of a run, by what Snakemake's scheduler knows."""

from pathlib import Path
from types import SimpleNamespace

from snakemake_executor_plugin_hutchbatch.aws import lease_gate
from snakemake_executor_plugin_hutchbatch.run import finish
from snakemake_executor_plugin_hutchbatch.run.summary import Tally


def test_snakemakes_own_end_decides_what_became_of_the_run():
    def outcome(finished, failed=(), kill=None, *, cancelled=False, ended=()):
        tally = Tally()
        for job in ended:
            tally.ends(job)
        scheduler = SimpleNamespace(
            finished_jobs=finished,
            failed=[SimpleNamespace(jobid=job) for job in failed],
            _user_kill=kill,
            _executor_error=False,
        )
        workflow = SimpleNamespace(scheduler=scheduler, dag=range(3))
        return finish.outcome(workflow, cancelled, tally)

    assert outcome(3) == "done"
    assert outcome(1, cancelled=True) == "cancelled"
    assert outcome(3, kill="graceful") == "done"
    assert outcome(1, kill="graceful") == "cancelled"
    assert outcome(1, failed=[1]) == "failed"
    assert outcome(1, failed=[1], ended=[1]) == "cancelled"
    assert outcome(0, failed=[1, 2], ended=[1]) == "failed"


def test_a_submitted_run_names_the_commands_that_make_its_reports(monkeypatch, tmp_path):
    monkeypatch.setattr(lease_gate, "own", lambda: SimpleNamespace(id="20261127-0230"))
    paths = [tmp_path / "report.html", Path("trace.tsv")]
    page, table = finish._reports(paths, "20261127-023000-0123ab")
    assert page.endswith(f"hutchbatch report 20261127-0230 -o {paths[0]}")
    assert table.endswith("hutchbatch report 20261127-0230 --trace trace.tsv")
    assert not paths[0].exists()
