"""A detached run's state: saved in few objects, and restored whole whatever was cut."""

import itertools
import json
import os
import sqlite3
import threading
from base64 import urlsafe_b64encode
from contextlib import closing
from pathlib import Path

import pytest
from simulated_s3 import Killed, SimulatedS3
from snakemake.persistence.file import FilePersistence

from snakemake_executor_plugin_hutchbatch.controller import saved_files, state_restore
from snakemake_executor_plugin_hutchbatch.controller import state as state_module
from snakemake_executor_plugin_hutchbatch.controller.saved_files import SavedFile
from snakemake_executor_plugin_hutchbatch.controller.state import Replaced, State
from snakemake_executor_plugin_hutchbatch.controller.state_layers import LayerError, apply, pack
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout

LAYOUT = WorkLayout("s3://bucket/work/").detached("run-1")
OLD = 1_600_000_000_123_456_789


@pytest.fixture
def s3():
    ticks = itertools.count(1_800_000_000)
    return SimulatedS3(lambda: next(ticks))


class Folder:
    """A ``.snakemake``."""

    def __init__(self, path):
        self.path = path
        path.mkdir()

    def write(self, name, text, modified=OLD):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, ns=(modified, modified))

    def tree(self):
        return {
            p.relative_to(self.path).as_posix(): (p.read_bytes(), p.stat().st_mtime_ns)
            for p in self.path.rglob("*")
            if p.is_file() and p.name != "journal.sqlite"
        }


def opened(s3, folder, fence=1):
    state = State(s3, LAYOUT, "run-1", folder.path, fence)
    return state, state.begin()


def restored(s3, path, fence=9):
    """What the next controller finds."""
    folder = Folder(path)
    s3.faults = iter(())
    s3.arrive()
    opened(s3, folder, fence)
    return folder.tree()


def fill(folder):
    """What Snakemake and hutchbatch leave, also what does not travel."""
    folder.write("metadata/aa", '{"rule": "a"}', OLD + 1)
    folder.write("metadata/@bb/cc", '{"rule": "long"}')
    folder.write("incomplete/dd", '{"external_jobid": null}', OLD + 2)
    folder.write("hutchbatch/logs/job.log", "it failed")
    folder.write("hutchbatch/sent.json", "{}")
    folder.write("log/2026-01-01T000000.snakemake.log", "began\n")


def test_the_next_controller_finds_what_was_saved_with_its_times_and_nothing_else(s3, tmp_path):
    folder = Folder(tmp_path / "one")
    state, _ = opened(s3, folder)
    fill(folder)
    kept = folder.tree()
    for name in ("locks/0.input.lock", "conda/x/bin/y", "storage/s3/b/k", "scripts/s.py"):
        folder.write(name, "stays")
    for name in ("hutchbatch/here/1.json", "shadow/x", "auxiliary/x", "source_cache/x"):
        folder.write(name, "stays")
    assert state.save()
    assert restored(s3, tmp_path / "two") == kept


def test_snakemake_reads_what_was_restored(s3, tmp_path):
    """Names longer than a file's are divided into folders by Snakemake itself."""
    folder = Folder(tmp_path / "one")
    persistence = FilePersistence(path=folder.path)
    long = "s3://bucket/" + "x" * 700
    persistence._mark_incomplete(long, "job-1")
    persistence._io_write(persistence._metadata_path, {"rule": "r", "params": ["1"]}, "out.txt")
    began = persistence._get_recorded_starttime(long)
    State(s3, LAYOUT, "run-1", folder.path, 2).seed()
    restored(s3, tmp_path / "two")
    again = FilePersistence(path=tmp_path / "two")
    assert again._filter_incomplete_keys([long, "other"]) == {long}
    assert again._get_external_jobids([long]) == {"job-1"}
    assert again._get_recorded_starttime(long) == began
    assert again._read_record("out.txt").params == ["1"]
    assert not list(again._read_locks())


def test_a_save_without_changes_costs_no_call(s3, tmp_path):
    folder = Folder(tmp_path / "one")
    state, _ = opened(s3, folder)
    fill(folder)
    database(folder.path / saved_files.RECORD)
    assert state.save()
    s3.calls.clear()
    assert not state.save()
    assert not state.save(last=True)
    assert s3.calls == []
    folder.write("metadata/ee", "{}", OLD + 5)
    (folder.path / "incomplete/dd").unlink()
    assert state.save()
    # One object of what has changed, and the manifest.
    assert [verb for verb, _ in s3.calls] == ["PUT", "PUT"]


def test_a_change_that_time_and_size_do_not_show_is_seen_while_they_are_recent(s3, tmp_path):
    folder = Folder(tmp_path / "one")
    state, _ = opened(s3, folder)
    (folder.path / "metadata/aa").write_text("[1]")
    seen = (folder.path / "metadata/aa").stat()
    state.save()
    (folder.path / "metadata/aa").write_text("[2]")
    os.utime(folder.path / "metadata/aa", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert state.save()
    assert restored(s3, tmp_path / "two")["metadata/aa"][0] == b"[2]"


def test_what_is_half_written_counts_as_before(s3, tmp_path):
    folder = Folder(tmp_path / "one")
    state, _ = opened(s3, folder)
    folder.write("metadata/aa", '{"rule": "a"}')
    folder.write("incomplete/bb", "{}")
    state.save()
    folder.write("metadata/aa", '{"rule": ', OLD + 9)
    folder.write("metadata/new", "")
    (folder.path / "incomplete/bb").unlink()
    assert state.save()
    tree = restored(s3, tmp_path / "two")
    assert tree == {"metadata/aa": (b'{"rule": "a"}', OLD)}


def test_a_job_that_ends_while_it_is_looked_at_leaves_its_mark_or_its_metadata(
    s3, tmp_path, monkeypatch
):
    folder = Folder(tmp_path / "one")
    state, _ = opened(s3, folder)
    folder.write("incomplete/aa", "{}")
    scan = os.scandir

    def ending(path):
        """The job ends when its mark was seen and metadata are about to be."""
        if Path(path).name == "metadata" and (folder.path / "incomplete/aa").exists():
            folder.write("metadata/aa", "{}")
            (folder.path / "incomplete/aa").unlink()
        return scan(path)

    monkeypatch.setattr(os, "scandir", ending)
    state.save()
    assert {"incomplete/aa", "metadata/aa"} & set(restored(s3, tmp_path / "two"))


def database(path, rows=10):
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS pairs (a, b)")
        connection.execute("DELETE FROM pairs")
        connection.executemany("INSERT INTO pairs VALUES (?, ?)", [(n, n) for n in range(rows)])
    os.utime(path, ns=(OLD, OLD))


def test_the_record_is_copied_consistently_while_it_is_written(s3, tmp_path):
    folder = Folder(tmp_path / "one")
    record = folder.path / saved_files.RECORD
    database(record, 2000)
    state = State(s3, LAYOUT, "run-1", folder.path, 2)
    over = threading.Event()

    def write():
        with closing(sqlite3.connect(record, timeout=30)) as connection:
            for number in itertools.count():
                with connection:  # both columns of all rows, or none
                    connection.execute("UPDATE pairs SET a = ?", (number,))
                    connection.execute("UPDATE pairs SET b = ?", (number,))
                if over.is_set():
                    return

    thread = threading.Thread(target=write)
    thread.start()
    state.seed()
    for place in range(5):
        state.save()
        copy = tmp_path / f"copy{place}"
        assert state_restore.fetch(s3, LAYOUT, "run-1", copy, record_only=True)
        with closing(sqlite3.connect(copy / saved_files.RECORD)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            found = set(connection.execute("SELECT a, b FROM pairs"))
        assert len(found) in (1, 2000)
        assert all(a == b for a, b in found)
        assert not list((copy / "metadata").iterdir())
    over.set()
    thread.join()


def test_half_a_transaction_of_a_killed_writer_does_not_travel(s3, tmp_path):
    folder = Folder(tmp_path / "one")
    state, _ = opened(s3, folder)
    record = folder.path / saved_files.RECORD
    database(record, 5000)
    pid = os.fork()
    if pid == 0:
        connection = sqlite3.connect(record)
        connection.execute("PRAGMA cache_size=5")
        connection.execute("UPDATE pairs SET a = -1")
        os._exit(0)
    os.waitpid(pid, 0)
    assert record.with_name(record.name + "-journal").exists()
    state.save()
    Folder(tmp_path / "two")
    state_restore.fetch(s3, LAYOUT, "run-1", tmp_path / "two")
    with closing(sqlite3.connect(tmp_path / "two" / saved_files.RECORD)) as connection:
        assert connection.execute("SELECT count(*) FROM pairs WHERE a = b").fetchone() == (5000,)


def test_a_database_of_snakemake_is_told_its_new_folder(s3, tmp_path):
    folder = Folder(tmp_path / "one")
    state, _ = opened(s3, folder)
    with closing(sqlite3.connect(folder.path / saved_files.METADATA_DB)) as connection, connection:
        for table in ("snakemake_metadata", "snakemake_locks"):
            connection.execute(f"CREATE TABLE {table} AS SELECT '/old' AS namespace")
    state.save()
    restored(s3, tmp_path / "two")
    with closing(sqlite3.connect(tmp_path / "two" / saved_files.METADATA_DB)) as connection:
        rows = connection.execute("SELECT namespace FROM snakemake_metadata").fetchall()
        assert rows == [(str(tmp_path / "two"),)]
        assert not connection.execute("SELECT * FROM snakemake_locks").fetchall()


def stages(folder):
    """Two contents of a folder, the second with everything that a save can do."""
    fill(folder)
    yield
    folder.write("metadata/aa", '{"rule": "b"}', OLD + 7)
    folder.write("metadata/new", "{}")
    (folder.path / "incomplete/dd").unlink()
    folder.write("log/2026-01-01T000000.snakemake.log", "began\nended\n", OLD + 8)
    yield


@pytest.mark.parametrize("compacting", [False, True])
@pytest.mark.parametrize("fault", ["killed before", "killed after", "lost", "down", "late"])
def test_a_save_cut_at_any_call_leaves_the_state_before_or_after_it(
    tmp_path, fault, compacting, monkeypatch
):
    monkeypatch.setattr(state_module, "MOST_LAYERS", 3)
    for place in itertools.count():
        s3 = SimulatedS3()
        folder = Folder(tmp_path / f"{place}-one")
        state, _ = opened(s3, folder)
        steps = stages(folder)
        next(steps)
        state.save()
        if compacting:
            for number in range(2):
                folder.write("metadata/more", json.dumps(number), OLD + number)
                state.save()
        before = folder.tree()
        next(steps)
        after = folder.tree()
        s3.calls.clear()
        s3.faults = itertools.chain([None] * place, [fault])
        try:
            state.save()
        except (Killed, Exception) as error:
            assert isinstance(error, Killed) or "Timeout" in type(error).__name__
        cut = len(s3.calls) > place
        found = restored(s3, tmp_path / f"{place}-two")
        assert found in (before, after)
        if not cut:
            assert found == after
            assert place >= 3
            assert len([key for key in s3.objects if "/state/" in key]) <= 4
            return


@pytest.mark.parametrize("fault", ["lost", "down", "late"])
def test_a_controller_goes_on_after_a_save_that_failed(tmp_path, fault):
    for place in range(5):
        s3 = SimulatedS3()
        folder = Folder(tmp_path / f"{place}-one")
        state, _ = opened(s3, folder)
        fill(folder)
        s3.faults = itertools.chain([None] * place, [fault])
        for _ in range(3):
            try:
                state.save()
            except Exception as error:
                assert "Timeout" in type(error).__name__ or "Precondition" in str(error)
            s3.arrive()
            (folder.path / "metadata/aa").unlink(missing_ok=True)  # it must not come back
        assert restored(s3, tmp_path / f"{place}-two") == folder.tree()


def test_a_controller_that_was_replaced_saves_nothing(s3, tmp_path):
    one, two = Folder(tmp_path / "one"), Folder(tmp_path / "two")
    old, _ = opened(s3, one)
    one.write("metadata/aa", "1")
    old.save()
    new, _ = opened(s3, two, fence=2)
    one.write("metadata/aa", "2", OLD + 1)
    with pytest.raises(Replaced):
        old.save()
    two.write("metadata/bb", "3")
    assert new.save()
    with pytest.raises(Replaced):
        old.save()
    tree = restored(s3, tmp_path / "three", fence=3)
    assert {name: content for name, (content, _) in tree.items()} == {
        "metadata/aa": b"1",
        "metadata/bb": b"3",
    }


def test_what_cut_saves_left_is_removed_by_the_next_controller(s3, tmp_path):
    folder = Folder(tmp_path / "one")
    state, _ = opened(s3, folder)
    folder.write("metadata/aa", "1")
    s3.faults = iter(["killed after"])
    with pytest.raises(Killed):
        state.save()
    assert len([key for key in s3.objects if "/state/" in key]) == 2
    restored(s3, tmp_path / "two")
    assert [key for key in s3.objects if "/state/" in key] == [
        LAYOUT.manifest[len("s3://bucket/") :]
    ]


def test_when_a_run_began_is_told_by_s3_however_often_it_was_taken_over(s3, tmp_path):
    _, first = opened(s3, Folder(tmp_path / "one"), fence=1)
    begun = s3.clock()
    assert abs(begun - first) < 10
    for fence in range(2, 20):
        folder = Folder(tmp_path / f"{fence}")
        state, found = opened(s3, folder, fence)
        assert found == first
        folder.write("metadata/aa", f"{fence}", OLD + fence)
        assert state.save()
    assert s3.clock() > begun + 50


def test_thousands_of_metadata_files_are_a_few_objects(s3, tmp_path):
    folder = Folder(tmp_path / "one")
    state, _ = opened(s3, folder)
    for number in range(2000):
        name = urlsafe_b64encode(f"s3://bucket/results/sample-{number}.bam".encode()).decode()
        content = {"rule": "align", "input": [f"s3://bucket/reads/{number}.fq"], "params": []}
        folder.write(f"metadata/{name}", json.dumps(content))
    s3.calls.clear()
    assert state.save()
    assert len(s3.calls) == 2
    size = sum(len(body) for body, *_ in s3.objects.values())
    assert size < 2000 * 250
    s3.calls.clear()
    folder.write("metadata/one-more", "{}")
    assert state.save()
    assert len(s3.calls) == 2
    assert max(len(b) for k, (b, *_) in s3.objects.items() if "-3-" in k) < 1000
    tree = restored(s3, tmp_path / "two")
    assert len(tree) == 2001


@pytest.mark.parametrize(
    "name", ["../x", "metadata/../../x", "/etc/x", "locks/0.lock", "metadata//x", "metadata/.", ""]
)
def test_a_layer_writes_nowhere_else(tmp_path, name):
    for content in (pack({name: SavedFile(b"x", OLD)}), pack({}, [name])):
        with pytest.raises(LayerError):
            apply(content, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LayerError):
        apply(b"no archive", tmp_path)


@pytest.mark.parametrize("part", ["layer.gz", ".gz"])
def test_a_part_that_has_changed_is_refused(s3, tmp_path, part):
    folder = Folder(tmp_path / "one")
    state, _ = opened(s3, folder)
    fill(folder)
    state.save()
    (key,) = [
        k for k in s3.objects if k.endswith(part) and k.endswith("layer.gz") == (part != ".gz")
    ]
    body, *rest = s3.objects[key]
    s3.objects[key] = (body[:-1] + b"x", *rest)
    with pytest.raises(state_restore.StateError):
        opened(s3, Folder(tmp_path / "two"), fence=2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "run-2"},
        {"fence": -1},
        {"layers": [{"name": "../../x", "sha256": "0" * 64, "size": 1}]},
        {"layers": [{"name": "1-1-0123456789abcdef.gz", "sha256": "x", "size": 1}]},
        {"layers": {}},
        {"saved": 1e300},
        {"version": 2},
    ],
)
def test_a_manifest_of_another_kind_is_refused(s3, tmp_path, wrong):
    opened(s3, Folder(tmp_path / "one"))
    key = LAYOUT.manifest[len("s3://bucket/") :]
    raw = {**json.loads(s3.objects[key][0]), **wrong}
    s3.put_object("bucket", key, json.dumps(raw).encode())
    with pytest.raises(state_restore.StateError):
        opened(s3, Folder(tmp_path / "two"), fence=2)
