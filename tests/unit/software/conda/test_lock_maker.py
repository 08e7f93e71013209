"""One run's locks: each environment is solved once, if nobody has solved it before."""

import importlib.util
from dataclasses import replace

import pytest
from aws_doubles import Time, retrier

from snakemake_executor_plugin_hutchbatch.software.conda import lock_maker, solve
from snakemake_executor_plugin_hutchbatch.software.conda.access import Access
from snakemake_executor_plugin_hutchbatch.software.conda.config import Config
from snakemake_executor_plugin_hutchbatch.software.conda.lock_maker import LockMaker, ToSolve
from snakemake_executor_plugin_hutchbatch.software.conda.lock_store import LockStore
from snakemake_executor_plugin_hutchbatch.software.conda.spec import describe
from snakemake_executor_plugin_hutchbatch.software.conda.unsolved import Unsatisfiable


@pytest.fixture
def store(workflow):
    prefix = f"{workflow.prefix}/.hutchbatch/"
    return LockStore(workflow.client("s3"), prefix, retrier(Time(), []))


@pytest.fixture
def said():
    return []


@pytest.fixture
def maker(store, tmp_path, said):
    with LockMaker(store, cache=tmp_path / "cache", say=said.append) as made:
        yield made


def described(server, *dependencies, pins=None):
    text = f"channels: [{server.url}/stand-ins]\ndependencies: {list(dependencies)}\n"
    variables = {"HOME": "/nonexistent"}
    return describe("envs/a.yaml", text.encode(), pins, None, Config(), False, variables)


def versions(lock):
    return {package.name: package.version for package in lock.packages}


def test_an_environment_is_solved_once_and_for_all_runs(server, maker, store, said, tmp_path):
    wanted = described(server, "addon")
    lock = maker.lock(wanted)
    assert versions(lock) == {"addon": "2.0", "tool": "2.0"}
    assert maker.lock(wanted) is lock
    assert said == ["Solving the conda environment envs/a.yaml."]
    server.forget()
    with LockMaker(store, cache=tmp_path / "other") as later:
        assert later.lock(wanted) == lock
    assert server.requests == []


def test_the_same_files_give_the_same_packages_next_month(server, maker, store, tmp_path):
    old = maker.lock(described(server, "tool<2"))
    # as if the channel had got a newer package since: the lock of another solve is there
    newer = described(server, "tool")
    store.store(newer.description, replace(old, name="envs/a.yaml"))
    with LockMaker(store, cache=tmp_path / "c") as later:
        assert versions(later.lock(newer)) == {"tool": "1.5"}
    with LockMaker(store, update=True, cache=tmp_path / "c") as updating:
        assert versions(updating.lock(newer)) == {"tool": "2.0"}
    with LockMaker(store, cache=tmp_path / "c") as after:
        assert versions(after.lock(newer)) == {"tool": "2.0"}


def test_pins_are_looked_up(server, maker, said):
    url = f"{server.url}/stand-ins/linux-64/tool-1.5-h1_0.tar.bz2"
    lock = maker.lock(described(server, "tool", pins=f"@EXPLICIT\n{url}\n".encode()))
    assert versions(lock) == {"tool": "1.5"}
    assert said == ["Looking up the packages of the conda environment envs/a.yaml."]


def test_what_cannot_be_had_is_not_left_to_the_building_job(server, maker):
    with pytest.raises(Unsatisfiable, match="no channel has nothere"):
        maker.lock(described(server, "nothere"))


def test_a_channel_that_only_jobs_may_reach_is_left_to_the_building_job(maker, store):
    text = b"channels: ['http://127.0.0.1:9/c']\ndependencies: [x]\n"
    wanted = describe("a.yaml", text, None, None, Config(), False, {"HOME": "/nonexistent"})
    found = maker.lock(wanted)
    assert isinstance(found, ToSolve)
    assert "http://127.0.0.1:9/c cannot be reached" in found.why
    assert maker.built(wanted.description) is None


def test_without_rattler_the_building_job_solves_and_its_lock_is_found(
    server, maker, store, monkeypatch, tmp_path
):
    wanted = described(server, "tool")
    find_spec = importlib.util.find_spec
    with monkeypatch.context() as patch:
        patch.setattr(
            importlib.util, "find_spec", lambda name: None if name == "rattler" else find_spec(name)
        )
        found = maker.lock(wanted)
    assert found == ToSolve("py-rattler is not installed here (extra conda)")
    assert maker.built(wanted.description) is None
    with solve.Solver(Access(), tmp_path / "there") as there:
        lock = store.store(wanted.description, there.lock(wanted.description))
    assert maker.built(wanted.description) == lock
    assert maker.lock(wanted) == lock


def test_indexes_are_kept_in_the_users_cache(monkeypatch):
    assert str(lock_maker.cache_folder({"XDG_CACHE_HOME": "/c"})) == "/c/hutchbatch/conda"
    monkeypatch.setenv("HOME", "/h")
    assert str(lock_maker.cache_folder({})) == "/h/.cache/hutchbatch/conda"
