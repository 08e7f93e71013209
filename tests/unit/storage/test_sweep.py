"""Which folder is listed for keys that are looked for together."""

from snakemake_executor_plugin_hutchbatch.storage.sweep import (
    FOLDER_FROM,
    common_folder,
    is_poor,
    next_folder,
)


def test_the_common_folder_keeps_empty_parts_and_cuts_no_name():
    assert common_folder(["a//b/c1", "a//b/c2"]) == "a//b/"
    assert common_folder(["a/b1", "a/b2"]) == "a/"
    assert common_folder(["a", "b"]) == ""


def test_a_folder_with_many_of_the_keys_is_listed_alone():
    steps = [f"run/{step}/{n:03}" for step in (1, 2, 3) for n in range(FOLDER_FROM)]
    assert next_folder(steps, 0, "run/") == ("run/1/", FOLDER_FROM)
    assert next_folder(steps, FOLDER_FROM, "run/") == ("run/2/", FOLDER_FROM)
    assert next_folder(steps, FOLDER_FROM + 3, "run/") == ("run/", 2 * FOLDER_FROM - 3)


def test_folders_with_a_few_keys_each_are_listed_together():
    samples = [f"run/s{n:03}/{name}" for n in range(300) for name in ("bam", "log", "txt")]
    assert next_folder(samples, 0, "run/") == ("run/", 900)


def test_keys_at_the_top_of_a_bucket_are_listed_there():
    assert next_folder(["a", "b"], 0, "") == ("", 2)


def test_a_page_pays_if_it_saves_more_questions_than_it_costs():
    assert is_poor(1, 10)
    assert not is_poor(2, 10)
    assert is_poor(5, 1000)
    assert not is_poor(20, 1000)
