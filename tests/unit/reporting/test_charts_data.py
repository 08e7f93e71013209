"""What a page's script is given."""

import pytest

from snakemake_executor_plugin_hutchbatch.reporting import charts


@pytest.mark.parametrize("items", [[], [{"a": "é</script>"}], [1, None, {"b": [2.5]}]])
def test_lists_that_are_packed_item_by_item_come_out_whole(items):
    assert charts.unpacked(charts.packed({"x": {"y": 1}}, jobs=iter(items))) == {
        "x": {"y": 1},
        "jobs": items,
    }
    assert charts.unpacked(charts.packed({}, jobs=iter(items), more=iter([]))) == {
        "jobs": items,
        "more": [],
    }
    assert charts.unpacked(charts.packed({"x": items})) == {"x": items}
    assert charts.unpacked(charts.packed({})) == {}


def test_what_is_no_number_is_not_packed():
    with pytest.raises(ValueError, match="JSON"):
        charts.packed({}, jobs=iter([float("nan")]))
