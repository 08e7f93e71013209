"""What a saved state knew of finished files, taken over in both of Snakemake's forms."""

import os
import sqlite3
from contextlib import closing

import pytest

from snakemake_executor_plugin_hutchbatch.controller.taken_metadata import merge

COLUMNS = "namespace TEXT, target TEXT, rule TEXT, endtime FLOAT, incomplete BOOLEAN"


@pytest.fixture
def folders(tmp_path):
    made = tmp_path / "saved", tmp_path / ".snakemake"
    for each in made:
        each.mkdir()
    return made


def database(folder, *rows, columns=COLUMNS, namespace=None):
    with closing(sqlite3.connect(folder / "metadata.db")) as connection, connection:
        connection.execute(
            f"CREATE TABLE snakemake_metadata ({columns}, PRIMARY KEY (namespace, target))"
        )
        for row in rows:
            given = [namespace or str(folder.absolute()), *row]
            marks = ", ".join("?" * len(given))
            connection.execute(f"INSERT INTO snakemake_metadata VALUES ({marks})", given)  # noqa: S608


def known(folder):
    with closing(sqlite3.connect(folder / "metadata.db")) as connection:
        rows = connection.execute("SELECT namespace, target, rule FROM snakemake_metadata")
        return sorted(rows)


def test_newer_files_are_taken_over_and_are_no_longer_incomplete(folders):
    saved, own = folders
    for folder, files in ((saved, {"new": 5, "older": 5, "newer": 9}), (own, {"older": 7})):
        (folder / "metadata").mkdir()
        for name, at in files.items():
            path = folder / "metadata" / name
            path.write_text(folder.name)
            os.utime(path, (at, at))
    (own / "incomplete").mkdir()
    (own / "incomplete" / "newer").touch()
    assert merge(saved, own) == 2
    found = {path.name: path.read_text() for path in (own / "metadata").iterdir()}
    assert found == {"new": "saved", "newer": "saved", "older": ".snakemake"}
    assert not list((own / "incomplete").iterdir())
    assert merge(saved, own) == 0


def test_newer_rows_of_a_database_are_taken_over_under_the_own_name(folders):
    saved, own = folders
    theirs = [
        ("new", "a", 5.0, 0), ("older", "a", 5.0, None), ("newer", "a", 9.0, 0),
        ("begun", "a", 9.0, 1), ("begun before", "a", None, 0), ("no time", "a", "soon", 0),
    ]  # fmt: skip
    database(saved, *theirs, namespace="/elsewhere")
    # Another version has other columns, in another order.
    columns = "namespace TEXT, more TEXT, target TEXT, endtime FLOAT, rule TEXT, incomplete BOOLEAN"
    mine = [(None, "older", 7.0, "mine", 0), (None, "newer", None, "mine", 1)]
    database(own, *mine, columns=columns)
    here = str(own.absolute())
    assert merge(saved, own) == 2
    assert known(own) == [(here, "new", "a"), (here, "newer", "a"), (here, "older", "mine")]
    assert merge(saved, own) == 0


@pytest.mark.parametrize("hostile", ["a view", "no database", "other columns"])
def test_what_is_no_database_of_snakemakes_changes_nothing(folders, hostile):
    saved, own = folders
    database(own, ("x", "mine", 1.0, 0))
    before = known(own)
    if hostile == "no database":
        (saved / "metadata.db").write_bytes(b"x" * 5000)
        with pytest.raises(OSError, match="not a database"):
            merge(saved, own)
    elif hostile == "a view":
        with closing(sqlite3.connect(saved / "metadata.db")) as connection, connection:
            values = "'n' AS namespace, 'x' AS target, 'r' AS rule, 9.0 AS endtime, 0 AS incomplete"
            connection.execute(f"CREATE VIEW snakemake_metadata AS SELECT {values}")
        assert merge(saved, own) == 0
    else:
        database(saved, ("x",), columns="namespace TEXT, target TEXT")
        assert merge(saved, own) == 0
    assert known(own) == before
