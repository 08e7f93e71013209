"""What may still be believed of a bucket."""

import pytest

from snakemake_executor_plugin_hutchbatch.storage.object_cache import (
    LIST_FROM,
    WORTH,
    Absent,
    Folder,
    Memory,
    Object,
)

EVER = float("-inf")
FILE = Object(3, 100.0, '"a"')


@pytest.fixture
def memory():
    return Memory()


def test_a_listing_tells_of_what_is_there_and_what_is_not(memory):
    memory.add("a/b/c", FILE, 1.0)
    memory.end_listing("a/", 1.0, None)
    assert memory.answer("a/b/c", EVER) == FILE
    assert memory.answer("a/b", EVER) == Folder()
    assert memory.answer("a/b/d", EVER) == Absent()
    assert memory.answer("b", EVER) is None


def test_a_listing_that_was_given_up_tells_nothing_of_what_comes_after(memory):
    memory.end_listing("a/", 1.0, "a/m")
    assert memory.answer("a/c", EVER) == Absent()
    assert memory.answer("a/m", EVER) is None  # perhaps a directory, whose objects come after
    assert memory.answer("a/z", EVER) is None


def test_absence_is_believed_for_a_while_and_presence_for_good(memory):
    memory.add("a/b", FILE, 1.0)
    memory.add("a/c", Absent(), 1.0)
    memory.end_listing("a/", 1.0, None)
    assert memory.answer("a/b", 2.0) == FILE
    assert memory.answer("a/c", 1.0) == Absent()
    assert memory.answer("a/c", 2.0) is None
    assert memory.answer("a/d", 2.0) is None


def test_what_was_asked_before_a_job_wrote_counts_no_more(memory):
    memory.add("tree/old", FILE, 1.0)
    memory.end_listing("", 1.0, None)
    memory.void("tree", 2.0)
    memory.void("other/file", 2.0)
    assert memory.answer("tree/old", EVER) is None
    assert memory.answer("tree/new", EVER) is None
    assert memory.answer("tree", EVER) is None
    assert memory.answer("other", EVER) is None
    assert memory.answer("fourth", EVER) == Absent()
    # An answer that was on its way is not newer than its question.
    memory.add("other/file", FILE, 1.5)
    assert memory.answer("other/file", EVER) is None
    memory.add("other/file", FILE, 2.5)
    assert memory.answer("other/file", EVER) == FILE


def test_a_directory_changes_with_what_lies_in_it(memory):
    memory.add("tree", Object(10, 5.0, "digest", True), 1.0)
    memory.void("tree/file", 2.0)
    assert memory.answer("tree", EVER) is None


def test_a_late_answer_does_not_undo_a_newer_one(memory):
    memory.add("a", FILE, 5.0)
    memory.add("a", Object(9, 9.0, '"b"'), 4.0)
    memory.add("a", Absent(), 4.0)
    assert memory.answer("a", EVER) == FILE
    memory.add("b", Absent(), 5.0)
    memory.add("b", FILE, 4.0)
    assert memory.answer("b", EVER) == Absent()


def test_the_deepest_folder_with_many_questions_is_listed(memory):
    assert [memory.miss(f"results/a/{i}") for i in range(LIST_FROM)][-2:] == [None, "results/a/"]
    memory.end_listing("results/a/", 1.0, None)
    assert memory.miss("results/b/1") == "results/"
    assert memory.miss("elsewhere") is None


def test_a_folder_that_proved_too_large_takes_more_questions(memory):
    for i in range(LIST_FROM):
        memory.miss(f"a/{i}")
    memory.end_listing("a/", 1.0, "a/1")
    reported = [memory.miss(f"a/{i}") for i in range(4 * LIST_FROM)]
    assert reported[:-1] == [None] * (4 * LIST_FROM - 1)
    assert reported[-1] == "a/"
    assert memory.start_listing("a/", 2.0, 0.0) == (1.0, "a/1")


def test_a_large_folder_whose_listing_answered_much_is_soon_listed_on(memory):
    memory.add("a/1", FILE, 1.0)
    memory.end_listing("a/", 1.0, "a/1")
    for _ in range(WORTH - 1):
        memory.answer("a/1", EVER)
    assert [memory.miss("a/2") for _ in range(LIST_FROM)] == [None] * LIST_FROM
    memory.answer("a/1", EVER)
    assert memory.miss("a/2") == "a/"
    assert memory.questions("a/") == WORTH + LIST_FROM + 1
    memory.end_listing("a/", 1.0, "a/1")
    assert memory.questions("a/") == 0
    assert [memory.miss("a/2") for _ in range(LIST_FROM)] == [None] * LIST_FROM


def test_a_folder_that_may_not_be_listed_is_left_alone(memory):
    memory.add("a/1", FILE, 1.0)
    memory.end_listing("a/", 1.0, "a/1")
    memory.deny("a/")
    for _ in range(WORTH):
        memory.answer("a/1", EVER)
    assert {memory.miss(f"a/{i}") for i in range(1000)} == {None}


def test_memory_is_bounded_and_a_loss_is_no_absence():
    memory = Memory(most=2)
    memory.add("a/1", FILE, 1.0)
    memory.add("a/2", FILE, 1.0)
    memory.end_listing("a/", 1.0, None)
    before = memory.generation
    memory.make_room()
    assert memory.generation == before + 1
    assert memory.answer("a/1", EVER) is None


def test_a_listing_goes_on_behind_what_others_have_shown(memory):
    memory.end_listing("data/in/", 5.0, None)
    memory.end_listing("data/half/", 5.0, "data/half/k")
    memory.end_listing("more/", 5.0, "more/deep/m")
    behind, begun = memory.beyond("data/", "data/in/3", 4.0)
    assert "data/in/zzz" < behind < "data/in0"
    assert begun == 5.0
    assert memory.beyond("data/", "data/in/3", 6.0) is None  # too long ago
    assert memory.beyond("data/", "data/half/a", 4.0) == ("data/half/k", 5.0)
    assert memory.beyond("data/", "data/half/x", 4.0) is None
    assert memory.beyond("data/", "data/other/a", 4.0) is None
    # A folder in the midst of which that of its parent ended.
    assert memory.beyond("more/deep/", "more/deep/", 4.0) == ("more/deep/m", 5.0)
    assert memory.beyond("more/early/", "more/early/", 4.0) is None


def test_what_is_void_stays_void_whatever_came_before(memory):
    memory.add("out/1", FILE, 3.0)
    memory.void("out/1", 4.0)
    memory.void("out/1", 2.0)  # a job of which it is known since 2 that it has ended
    assert memory.answer("out/1", EVER) is None
