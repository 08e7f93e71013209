"""Names and tags are such as AWS accepts, whatever a workflow calls things."""

import re

from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.planning import naming

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
TAG_VALUE = re.compile(r"[A-Za-z0-9 _.:/=+@-]{0,256}")

texts = st.text(max_size=300)
wildcards = st.dictionaries(st.text(min_size=1, max_size=20), texts, max_size=5)


@given(texts, texts, wildcards)
def test_every_job_name_is_one_that_batch_takes(user, rule, values):
    name = naming.job_name(user, rule, values, "0123456789")
    assert NAME.fullmatch(name)
    assert name.endswith("-0123456789")


@given(texts, st.text(alphabet="0123456789abcdef", min_size=16, max_size=16))
def test_every_definition_name_is_one_that_batch_takes(image, digest):
    assert NAME.fullmatch(naming.definition_name(image, digest))


@given(texts)
def test_every_tag_value_is_one_that_aws_takes(text):
    assert TAG_VALUE.fullmatch(naming.tag_value(text))


@given(texts, wildcards)
def test_labels_hold_no_control_characters(rule, values):
    assert naming.label(rule, values).isprintable()


def test_a_job_name_begins_with_the_hutchnet_id_and_tells_rule_and_wildcards():
    name = naming.job_name("jdoe", "align", {"sample": "A 1", "lane": "2"}, "abc")
    assert name == "jdoe-align-A-1-2-abc"


def test_digests_tell_apart_parts_that_read_the_same_when_joined():
    assert naming.digest("ab", "c") != naming.digest("a", "bc")
