"""What controllers before this one made without leaving a word of it is looked up again."""

import os
from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_hutchbatch.aws import lease_gate
from snakemake_executor_plugin_hutchbatch.aws.lease_gate import VARIABLE, Hold
from snakemake_executor_plugin_hutchbatch.recovery.unfinished_jobs import Earlier
from snakemake_executor_plugin_hutchbatch.snakemake_patches import local_files, locks

BEGUN = 1000.0
PROVIDER = SimpleNamespace(is_default=True)


class File(str):
    @property
    def is_storage(self):
        return self != "local.txt"

    @property
    def storage_object(self):
        return SimpleNamespace(query=f"s3://b/{self}", bucket="b", key=str(self), provider=PROVIDER)


@pytest.fixture
def dag(monkeypatch):
    times = {"old.txt": 999.0, "new.txt": 1000.0, "known.txt": 2000.0}
    monkeypatch.setattr(local_files, "stored", lambda file: found(times.get(str(file))))
    names = [*times, "absent.txt", "local.txt"]
    persistence = SimpleNamespace(metadata=lambda file: {} if file == "known.txt" else None)
    jobs = [SimpleNamespace(output=[File(name)]) for name in names]
    settings = SimpleNamespace(keep_metadata=True)
    workflow = SimpleNamespace(persistence=persistence, execution_settings=settings)
    return SimpleNamespace(jobs=jobs, workflow=workflow)


def found(modified):
    return modified and SimpleNamespace(modified=modified)


@pytest.mark.parametrize(("fence", "wanted"), [(None, []), (1, []), (2, ["new.txt"])])
def test_files_without_metadata_that_are_younger_than_the_run_are_unfinished(
    dag, fence, wanted, tmp_path, monkeypatch
):
    if fence:
        monkeypatch.setenv(VARIABLE, str(tmp_path / "lease"))
        lease_gate.write(tmp_path / "lease", Hold("run-1", fence, 0.0, os.getpid(), BEGUN))
    assert list(locks._without_metadata(dag)) == wanted
    dag.workflow.execution_settings.keep_metadata = False
    assert not locks._without_metadata(dag)


@pytest.mark.parametrize(
    ("fence", "made", "files"),
    [
        (None, (), None),
        # By what the record of the killed run says: no time of this machine is S3's.
        (None, ("s3://b/old.txt",), ["s3://b/old.txt"]),
        (1, (), None),
        (2, (), ["s3://b/new.txt"]),
    ],
)
def test_a_run_continues_those_of_lost_controllers_and_of_killed_ones_here(
    fence, made, files, tmp_path, monkeypatch
):
    if fence:
        monkeypatch.setenv(VARIABLE, str(tmp_path / "lease"))
        lease_gate.write(tmp_path / "lease", Hold("run-1", fence, 0.0, os.getpid(), BEGUN))
    is_continued = locks._is_continued(Earlier(made=frozenset(made)))
    times = {"s3://b/old.txt": 999.0, "s3://b/new.txt": 1000.0}
    assert (is_continued and [url for url in times if is_continued(url, times[url])]) == files
