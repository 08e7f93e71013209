"""Snakemake's objects that take less memory are what they were."""

import copy
import pickle
import tracemalloc

import pytest
from snakemake import io
from snakemake.io import AnnotatedString, expand, flag, is_flagged
from snakemake.iocontainers import AttributeGuard, Namedlist

from snakemake_executor_plugin_hutchbatch.snakemake_patches import small_objects


@pytest.fixture(autouse=True)
def plain():
    """Other tests of this process may have begun a run, which makes the change for good."""
    with pytest.MonkeyPatch.context() as patch:
        if "__new__" in vars(AnnotatedString):
            patch.delattr(AnnotatedString, "__new__")
        yield


@pytest.fixture
def patched(plain, monkeypatch):
    monkeypatch.setattr(AttributeGuard, "__new__", small_objects.one_guard(None))
    monkeypatch.setattr(AnnotatedString, "__new__", small_objects.slotted(None))


def bytes_each(make, number=500):
    tracemalloc.start()
    try:
        made = [make() for _ in range(number)]
        return tracemalloc.get_traced_memory()[0] / len(made)
    finally:
        tracemalloc.stop()


def test_lists_of_names_share_what_refuses_to_be_called(patched):
    one, other = Namedlist(fromdict={"n": "x"}), Namedlist()
    assert one.sort is other.sort is not other.index
    with pytest.raises(AttributeError, match=r"^sort\(\) cannot be used"):
        one.sort()
    with pytest.raises(AttributeError, match=r"^index\(\) cannot be used"):
        one.index("x")
    assert one.get("sort", 5) == 5
    named = Namedlist(fromdict={"sort": "by name"})
    assert named.sort == "by name"
    assert isinstance(one.sort, AttributeGuard)


def test_copies_and_pickles_of_lists_of_names_refuse_the_same(patched):
    one = Namedlist(fromdict={"n": "x"})
    for other in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):  # noqa: S301
        assert (other, other.n) == (["x"], "x")
        assert (other.sort.name, other.index.name) == ("sort", "index")
    assert (one.sort.name, one.index.name) == ("sort", "index")


def test_texts_with_flags_take_less_than_half_the_memory(monkeypatch):
    before = bytes_each(lambda: AnnotatedString("a/name"))
    monkeypatch.setattr(AnnotatedString, "__new__", small_objects.slotted(None))
    assert bytes_each(lambda: AnnotatedString("a/name")) < before / 2


def test_texts_with_flags_are_what_they_were(patched):
    text = flag("out/{n}.txt", "temp")
    assert isinstance(text, AnnotatedString)
    assert type(text).__name__ == "AnnotatedString"
    assert is_flagged(text, "temp")
    assert not text.is_callable()
    other = text.new_from("out/1.txt")
    assert (other, other.flags) == ("out/1.txt", {"temp": True})
    assert expand(io.AnnotatedString("out/{n}.txt"), n=[2]) == ["out/2.txt"]
    text.flags = {}
    assert is_flagged(other, "temp")
    assert io.AnnotatedString(len).is_callable()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_one_names_nothing_of_hutchbatch(patched, monkeypatch, protocol):
    kept = pickle.dumps(flag("a", "temp"), protocol)
    assert b"hutchbatch" not in kept
    again = pickle.loads(kept)  # noqa: S301
    assert (again, again.flags, again.callable) == ("a", {"temp": True}, None)
    monkeypatch.undo()
    elsewhere = pickle.loads(kept)  # noqa: S301
    assert type(elsewhere) is AnnotatedString
    assert (elsewhere, elsewhere.flags) == ("a", {"temp": True})


def test_copies_keep_their_flags(patched):
    text = flag("a", "temp")
    shallow, deep = copy.copy(text), copy.deepcopy(text)
    assert shallow == deep == "a"
    assert shallow.flags is text.flags
    assert deep.flags == {"temp": True}
    assert deep.flags is not text.flags
