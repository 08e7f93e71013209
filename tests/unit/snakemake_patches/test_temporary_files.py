"""Temporary files that a lost controller owed to S3."""

from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_hutchbatch.snakemake_patches import local_files, temporary_files

SINCE = 1000.0
STORED = {"old": 999.0, "young": 1000.0, "needed": 1001.0}
PROVIDER = SimpleNamespace(is_default=True)


def is_continued(url, modified):
    assert url.startswith("s3://b/")
    return modified >= SINCE


class File(str):
    is_storage = True

    @property
    def storage_object(self):
        return SimpleNamespace(query=f"s3://b/{self}", bucket="b", key=str(self), provider=PROVIDER)


class Job(SimpleNamespace):
    __hash__ = object.__hash__


class Dag:
    """Of one job a temporary file, ``needed``'s of which is to run."""

    def __init__(self, checkpoints=()):
        self.jobs = [Job(name=name, temp_output=[File(name)]) for name in [*STORED, "absent"]]
        self.checkpoint_jobs = checkpoints
        self._deferred_temp_jobs = []
        self.removed = []

    def needrun(self, job):
        return job.name == "needed"

    def handle_temp(self, job):
        self.removed.append(job.name)


def begun(dag, **how):
    """A scheduler as it is once Snakemake has made it."""
    options = {"dryrun": False, "touch": False, **how}

    def plain(self, workflow):
        self.workflow = workflow

    scheduler = SimpleNamespace(**options)
    workflow = SimpleNamespace(dag=dag, async_run=lambda coroutine: coroutine)
    temporary_files.init(plain)(scheduler, workflow)
    return dag


@pytest.fixture(autouse=True)
def _stored(monkeypatch):
    monkeypatch.setattr(
        local_files,
        "stored",
        lambda file: SimpleNamespace(modified=STORED[file]) if file in STORED else None,
    )


def test_files_of_a_lost_controller_whose_consumers_ended_are_removed():
    dag = Dag()
    temporary_files.continues(dag, is_continued)
    assert begun(dag).removed == ["young"]
    assert begun(dag).removed == ["young"], "once"


def test_a_run_that_continues_no_other_removes_none():
    assert not begun(Dag()).removed


def test_while_a_checkpoint_is_to_run_snakemake_removes_them_after_it():
    dag = Dag(checkpoints=["split"])
    temporary_files.continues(dag, is_continued)
    assert not begun(dag).removed
    assert [job.name for job in dag._deferred_temp_jobs] == ["young"]


@pytest.mark.parametrize("how", [{"dryrun": True}, {"touch": True}])
def test_a_run_that_runs_nothing_removes_nothing(how):
    dag = Dag()
    temporary_files.continues(dag, is_continued)
    assert not begun(dag, **how).removed
