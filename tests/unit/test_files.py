"""Files appear whole, and never where a link leads; the record is its owner's alone."""

import os
import sqlite3
import stat

import pytest

from snakemake_executor_plugin_hutchbatch import files
from snakemake_executor_plugin_hutchbatch.record import repair
from snakemake_executor_plugin_hutchbatch.record.journal import Journal, JournalError
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.run_record import Record
from snakemake_executor_plugin_hutchbatch.record.schema import Run
from snakemake_executor_plugin_hutchbatch.reporting import page
from snakemake_executor_plugin_hutchbatch.settlement import failed_logs


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "elsewhere" / "precious"
    path.parent.mkdir()
    path.write_text("precious")
    return path


WRITERS = {
    "any": lambda path: files.write(path, "new"),
    "table": lambda path: page.write_trace(path, Record(Run("r", 1.0))),
    "failed job's log": lambda path: failed_logs._write(path, ["new"]),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_no_link_is_followed(tmp_path, victim, write):
    target = tmp_path / "here" / "report.html"
    target.parent.mkdir()
    # Where the text went first in older versions, and where it goes last.
    for link in (target, target.with_name(".report.html.part")):
        link.symlink_to(victim)
    write(target)
    assert victim.read_text() == "precious"
    assert not target.is_symlink()
    assert target.read_text() not in ("", "precious")
    assert {p.name for p in target.parent.iterdir()} == {"report.html", ".report.html.part"}


def test_a_file_is_as_open_as_the_users_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        files.write(tmp_path / "a", "x")
        files.write(tmp_path / "b", b"x", files.PRIVATE_FILE)
    finally:
        os.umask(before)
    assert (mode(tmp_path / "a"), mode(tmp_path / "b")) == (0o640, 0o600)


def test_where_it_cannot_be_written_nothing_is_left(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="a"):
        files.write(tmp_path / "a", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_record_is_private_from_its_first_byte(tmp_path):
    path = tmp_path / "hutchbatch" / "journal.sqlite"
    before = os.umask(0)
    try:
        journal = Journal(path)
        journal.put(Run("r", 1.0))
        assert journal.flush()
        # In the middle of a transaction SQLite has a file of its own beside it.
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE runs SET host = 'x'")
        modes = {p.name: mode(p) for p in path.parent.iterdir()}
        other.execute("ROLLBACK")
        other.close()
        journal.close()
    finally:
        os.umask(before)
    assert modes == {"journal.sqlite": 0o600, "journal.sqlite-journal": 0o600}
    assert mode(path.parent) == 0o700


@pytest.mark.parametrize("opened", ["to write", "to read"])
def test_what_an_older_version_left_open_is_tightened(tmp_path, opened):
    path = tmp_path / "hutchbatch" / "journal.sqlite"
    Journal(path).close()
    aside = path.with_name("journal-20260101-000000.sqlite")
    aside.touch()
    for each, wide in ((path, 0o644), (aside, 0o644), (path.parent, 0o775)):
        each.chmod(wide)
    if opened == "to write":
        repair.opened(print, path).close()
    else:
        Reader(path).close()
    assert (mode(path), mode(aside), mode(path.parent)) == (0o600, 0o600, 0o700)


def test_a_link_in_the_records_place_is_not_followed(tmp_path, victim):
    path = tmp_path / "hutchbatch" / "journal.sqlite"
    path.parent.mkdir()
    with sqlite3.connect(victim.with_name("theirs.sqlite")) as theirs:
        theirs.execute("CREATE TABLE runs (run_id)")
        theirs.execute("PRAGMA user_version=1")
    for target in (victim.with_name("theirs.sqlite"), victim.with_name("not-there")):
        path.symlink_to(target)
        content = target.read_bytes() if target.exists() else None
        with pytest.raises(JournalError, match="is a link"):
            Journal(path)
        said = []
        assert repair.opened(said.append, path) is None
        assert "is a link" in said[0]
        assert (target.read_bytes() if target.exists() else None) == content
        path.unlink()


def test_a_links_target_does_not_change_its_mode(tmp_path, victim):
    path = tmp_path / "hutchbatch" / "journal.sqlite"
    Journal(path).close()
    path.with_name("journal-aside.sqlite").symlink_to(victim)
    victim.chmod(0o644)
    Reader(path).close()
    assert mode(victim) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_record_of_somebody_else_is_a_sentence(tmp_path):
    path = tmp_path / "hutchbatch" / "journal.sqlite"
    Journal(path).close()
    for each in (tmp_path, *tmp_path.parents):
        if each != each.parent and mode(each) & 0o005 != 0o005:
            each.chmod(mode(each) | 0o055)
    said = []
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            try:
                Reader(path)
            except JournalError as error:
                good = "is private to root" in str(error)
            run_on = repair.opened(said.append, path) is None and len(said) == 1
            os._exit(0 if good and run_on else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
