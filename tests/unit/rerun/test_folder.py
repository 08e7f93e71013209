"""Where a job's folder is, and whose it is."""

import json
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.rerun import folder
from snakemake_executor_plugin_hutchbatch.rerun.engine import Chosen
from snakemake_executor_plugin_hutchbatch.rerun.errors import RerunError
from snakemake_executor_plugin_hutchbatch.rerun.sent_job import SentJob
from snakemake_executor_plugin_hutchbatch.supervisor import controller_folders
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Script, Step, TaskSpec

JOB = SentJob(
    "id:3",
    "s3://b/t.json",
    "x",
    image="image:1",
    variables={"MINE": "1", "HUTCHBATCH_REGION": "us-west-2", "HUTCHBATCH_SUPERVISOR": "s3://x"},
    secrets={"TOKEN": "arn:secret"},
)
SCRIPT = Script("s3://b/s", "d", ".snakemake/scripts/x.align.R", "Rscript", "i")


def test_a_folder_says_what_is_in_it_and_keeps_no_secret(tmp_path):
    steps = (Step("trim", "true"), Step("align", "Rscript x", script=SCRIPT))
    task = TaskSpec("trim+align s=A", "", steps, directory="sub")
    made = folder.make(
        tmp_path / "f", task.name, JOB, task, Chosen(why="none"), {"c.yaml": b"a: 1"}
    )
    readme = (made.path / "README.txt").read_text()
    for name in ("command-1-trim.sh", "command-2-align.sh", "script-2-align.R", "run.sh", "id:3"):
        assert name in readme
    link = made.path / "script-2-align.R"
    assert link.readlink() == Path("work/sub/.snakemake/scripts/x.align.R")
    own = (made.path / "variables.sh").read_text()
    assert "MINE=1" in own
    assert "#   TOKEN (from arn:secret)" in own
    inner = (made.path / ".hutchbatch" / "variables.sh").read_text()
    assert "AWS_BATCH_JOB_ARRAY_INDEX=3" in inner
    assert "SUPERVISOR" not in inner + own
    assert (made.path / "work/sub/c.yaml").read_text() == "a: 1"
    assert made.path.stat().st_mode & 0o077 == 0
    assert json.loads((made.path / ".hutchbatch/task.json").read_text())["name"] == task.name


def test_a_folder_of_the_same_job_is_used_again_and_another_is_refused(tmp_path):
    path = tmp_path / "f"
    assert not folder.existing(path, JOB)
    path.mkdir()
    assert not folder.existing(path, JOB)
    task = TaskSpec("x", "", (Step("x", "true"),))
    folder.make(path, "x", JOB, task, Chosen(why="none"), {})
    assert folder.existing(path, JOB)
    with pytest.raises(RerunError, match="another start of it, id:3"):
        folder.existing(path, SentJob("id:4", "", ""))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").touch()
    with pytest.raises(RerunError, match="is not of this command"):
        folder.existing(tmp_path / "mine", JOB)


def test_a_folder_of_somebody_elses_is_not_used(tmp_path, monkeypatch):
    task = TaskSpec("x", "", (Step("x", "true"),))
    folder.make(tmp_path / "f", "x", JOB, task, Chosen(why="none"), {})
    # As if we were another user: among everybody's temporary files, names can be guessed.
    monkeypatch.setattr(folder.os, "geteuid", lambda: 4711)
    with pytest.raises(RerunError, match=r"f belongs to \w+: name another folder"):
        folder.existing(tmp_path / "f", JOB)
    (tmp_path / folder._own_parent()).mkdir()
    with pytest.raises(RerunError, match="belongs to"):
        folder.existing(tmp_path / folder._own_parent() / "new", JOB)
    monkeypatch.undo()
    assert not folder.existing(tmp_path / folder._own_parent() / "new", JOB)
    assert (tmp_path / folder._own_parent()).stat().st_mode & 0o077 == 0


def test_under_snakemake_it_is_not_in_the_folder_where_that_was_started(tmp_path):
    launch = {controller_folders.LAUNCH: str(tmp_path)}
    inside = TaskSpec("a s=A", "", (Step("a", "true", environment=launch),), snakemake=True)
    assert folder.place(None, inside, tmp_path, Path("/else")).parent.parent == Path("/else")
    plain = TaskSpec("a s=A", "", (Step("a", "true"),))
    assert folder.place(None, plain, tmp_path, Path("/else")) == tmp_path / "hutchbatch-rerun/a-s-A"
    with pytest.raises(RerunError, match="name another one"):
        folder.place(tmp_path / "x", inside, tmp_path, Path("/else"))


def test_its_path_is_one_that_commands_understand(tmp_path):
    plain = TaskSpec("a", "", (Step("a", "true"),))
    found = folder.place(None, plain, tmp_path / "my data", Path("/else"))
    assert found.parent.parent == Path("/else")
    with pytest.raises(RerunError, match="has blanks"):
        folder.place(tmp_path / "it's", plain, tmp_path, Path("/else"))
