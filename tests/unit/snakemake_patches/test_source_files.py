"""Inputs that lie here: compared with S3 once each, and again only when they were sent."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_hutchbatch.snakemake_patches import source_files
from snakemake_executor_plugin_hutchbatch.snakemake_patches.source_files import SourceFiles
from snakemake_executor_plugin_hutchbatch.supervisor.file_names import MODIFIED


class Bucket:
    """An inventory of a bucket that has nothing; notes what it is asked for."""

    def __init__(self):
        self.asked = []

    def find(self, url):
        self.asked.append(url)

    def exists(self, url):
        return False


class Name(str):
    """What is read of a Snakemake file here."""

    def __new__(cls, name, s3):
        made = super().__new__(cls, name)
        provider = SimpleNamespace(s3c=SimpleNamespace(meta=SimpleNamespace(client=s3)))
        made.flags = {MODIFIED: True}
        made.storage_object = SimpleNamespace(bucket="b", key=f"work/{name}", provider=provider)
        return made


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(source_files, "is_named", lambda file: True)
    bucket = Bucket()
    sources = SourceFiles(lambda provider: bucket)
    for name in ("a", "b", "c"):
        Path(name).write_text(name)
        sources.mark(Name(name, s3=None))
    sources.mark(Name("absent", s3=None))
    return sources, bucket


def test_all_that_are_known_are_compared_at_the_first_question_and_never_again(here):
    sources, bucket = here
    assert sources.compared("b").wanted
    assert sorted(bucket.asked) == ["s3://b/work/a", "s3://b/work/b", "s3://b/work/c"]
    assert all(sources.compared(name).wanted for name in ("a", "b", "c"))
    assert sources.compared("absent") is None
    assert len(bucket.asked) == 3


def test_what_was_sent_is_compared_again_and_nothing_else(here):
    sources, bucket = here
    assert sources.is_here("a")
    bucket.asked.clear()
    sources.changed(["c"])
    assert sources.refusal("a") is None
    assert sources.compared("c").wanted
    assert bucket.asked == ["s3://b/work/c"]


def test_what_is_marked_later_is_compared_then(here):
    sources, bucket = here
    assert sources.compared("a")
    Path("late").write_text("late")
    sources.mark(Name("late", s3=None))
    assert sources.compared("late").wanted
    assert bucket.asked.count("s3://b/work/a") == 1


def test_a_question_that_s3_did_not_answer_is_asked_again(here):
    sources, bucket = here
    answer = bucket.find

    def lost(url):
        raise ConnectionError(url)

    bucket.find = lost
    with pytest.raises(ConnectionError):
        sources.compared("a")
    bucket.find = answer
    assert sources.compared("a").wanted
