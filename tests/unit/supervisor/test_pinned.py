"""A description is opened only by the digest that its job's request carries."""

import hashlib
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.planning import arrays
from snakemake_executor_plugin_hutchbatch.supervisor import pinned

TEXTS = [b'{"name":"%d"}' % number for number in range(11)]


class Array(NamedTuple):
    content: bytes
    size: int
    root: str


def piece(made, index):
    return made.content[index * made.size : (index + 1) * made.size]


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=40))
def test_each_child_finds_its_own_description(texts):
    made = Array(*arrays.joined(texts))
    assert len(made.content) == made.size * len(texts)
    for index, text in enumerate(texts):
        assert pinned.opened(piece(made, index), made.root, index).rstrip(b" ") == text.rstrip(b" ")
        assert arrays.piece(made.content, made.root, made.size, index) == text.rstrip(b" ")


def test_a_piece_is_opened_by_no_child_but_its_own():
    made = Array(*arrays.joined(TEXTS))
    for place in range(len(TEXTS)):
        for index in range(64):
            if index != place:
                with pytest.raises(pinned.Changed):
                    pinned.opened(piece(made, place), made.root, index)


@given(st.integers(0, 10), st.data())
def test_no_byte_of_a_piece_can_be_changed(index, data):
    made = Array(*arrays.joined(TEXTS))
    good = piece(made, index)
    place = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != good[place]))
    # A digest may be written in capitals, too: that is no other digest.
    if bytes((other,)).lower() == good[place : place + 1].lower():
        return
    bad = good[:place] + bytes((other,)) + good[place + 1 :]
    with pytest.raises(pinned.Changed):
        pinned.opened(bad, made.root, index)


@given(st.binary(max_size=300), st.integers(0, 10))
def test_nothing_else_is_taken_for_a_piece(content, index):
    made = Array(*arrays.joined(TEXTS))
    with pytest.raises(pinned.Changed):
        pinned.opened(content, made.root, index)


def test_an_inner_node_of_the_tree_is_no_description():
    made = Array(*arrays.joined(TEXTS[:4]))
    line, _, text = piece(made, 0).partition(b"\n")
    sibling, above = bytes.fromhex(line[:64].decode()), line[64:]
    forged = above + b"\n" + pinned.leaf(text) + sibling
    with pytest.raises(pinned.Changed):
        pinned.opened(forged, made.root, 0)


@pytest.mark.parametrize("content", [b"", b"{}", b"{ }", b"x" * 1000])
def test_a_single_description_is_known_by_its_own_digest(content):
    good = hashlib.sha256(content).hexdigest()
    assert pinned.opened(content, good) == content
    for digest in ("", good[:-1], hashlib.sha256(content + b" ").hexdigest()):
        with pytest.raises(pinned.Changed):
            pinned.opened(content, digest)


def test_the_digests_of_the_largest_array_take_under_a_kilobyte_a_child():
    made = Array(*arrays.joined([b"{}"] * 10_000))
    assert made.size < 1000
    assert arrays.piece(made.content, made.root, made.size, 9_999) == b"{}"
