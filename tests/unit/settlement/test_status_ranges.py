"""Which children of an array are listed together."""

from snakemake_executor_plugin_hutchbatch.settlement.status_ranges import GAP, PAGE, Range, ranges


def test_children_that_ended_in_a_row_are_one_range_whatever_their_order():
    assert ranges([3, 1, 2, 2, 5]) == [Range(1, 5)]


def test_a_range_ends_where_a_call_costs_less_than_the_children_between():
    assert ranges([0, GAP, 2 * GAP + 1]) == [Range(0, GAP), Range(2 * GAP + 1, 2 * GAP + 1)]
    assert ranges([]) == []


def test_a_page_holds_what_is_asked_for_and_no_more_than_s3_gives():
    assert Range(7, 7).page < 20
    assert 100 < Range(0, 99).page < 200
    assert Range(0, 9999).page == PAGE


def test_pages_are_enough_for_ten_attempts_of_each_child():
    for part in (Range(7, 7), Range(0, 99), Range(0, 9999)):
        assert part.most_pages * part.page >= 10 * (part.last - part.first + 1)
