"""Snakemake's records are the same files, with the same texts and permissions, as it writes."""

import os
import stat
from pathlib import Path

import pytest
from snakemake.persistence.file import FilePersistence

from snakemake_executor_plugin_hutchbatch.snakemake_patches import record_files

RECORDS = [
    {"external_jobid": None},
    {"external_jobid": "0f3a:17"},
    {"rule": "one", "input": ["s3://lab/a b.txt"], "params": [], "starttime": 1764546661.25},
    {"rule": "größe", "shellcmd": "echo 'ü' > a\n", "incomplete": False},
]
SHORT, LONG = "s3://lab/out/1.txt", "s3://lab/" + "folder/" * 60 + "1.txt"


@pytest.fixture
def persistence(tmp_path):
    """Snakemake's own in a folder, which never had a run."""
    made = FilePersistence.__new__(FilePersistence)
    made._max_len = None
    for name in ("its own", "ours"):
        (tmp_path / name).mkdir()
    return made


def written(write, persistence, folder, record, key, **more):
    write(persistence, str(folder), record, key, **more)
    path = Path(persistence._record_path(str(folder), key))
    text = path.read_text(encoding="utf-8")
    return text, stat.S_IMODE(path.stat().st_mode), path.relative_to(folder)


@pytest.mark.parametrize("umask", [0o022, 0o077])
@pytest.mark.parametrize("key", [SHORT, LONG], ids=["short", "long"])
def test_a_record_is_the_file_that_snakemake_writes(persistence, tmp_path, key, umask):
    plain = FilePersistence._io_write
    before = os.umask(umask)
    try:
        for number, record in enumerate(RECORDS):
            found = [
                written(write, persistence, tmp_path / name, record, f"{key}{number}")
                for name, write in (("its own", plain), ("ours", record_files.io_write(plain)))
            ]
            assert found[0] == found[1]
    finally:
        os.umask(before)


def test_what_was_there_is_replaced_as_snakemake_does_it(persistence, tmp_path):
    asked = []

    def plain(self, subject, json_value, id, mode):
        asked.append((json_value, mode))
        FilePersistence._io_write(self, subject, json_value, id, mode=mode)

    write = record_files.io_write(plain)
    written(write, persistence, tmp_path / "ours", RECORDS[2], SHORT)
    assert not asked
    text, _, _ = written(write, persistence, tmp_path / "ours", RECORDS[0], SHORT, mode=0o600)
    assert asked == [(RECORDS[0], 0o600)]
    assert text == '{"external_jobid": null}'


def test_what_cannot_be_written_is_an_error_of_the_system(persistence, tmp_path):
    write = record_files.io_write(FilePersistence._io_write)
    (tmp_path / "a file").write_text("")
    with pytest.raises(NotADirectoryError):
        write(persistence, str(tmp_path / "a file"), RECORDS[0], SHORT)
