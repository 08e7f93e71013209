"""Configs that nobody writes by mistake: read in a moment, or refused with a sentence. None of them
may hang: that is what these tests would show."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.cli import profile_file
from snakemake_executor_plugin_hutchbatch.nextflow.carried import Carried
from snakemake_executor_plugin_hutchbatch.nextflow.config import read
from snakemake_executor_plugin_hutchbatch.nextflow.syntax import MOST_CHARS, NextflowError
from snakemake_executor_plugin_hutchbatch.nextflow.translation import translate

ANSWERS = profile_file.Answers("hutch", "", "b", "p", "us-west-2", "u", "60", {})
MANY = 20_000


def rendered(text):
    """What becomes of a config, as a profile that YAML reads."""
    made = translate(read(text))
    page = profile_file.render(ANSWERS, Path("x"), made)
    assert isinstance(yaml.safe_load(page), dict)
    return made, page


REFUSED = {
    "blocks": ("a{" * MANY + "}" * MANY, "line 1: more than 20 nested blocks"),
    "a long path": (".".join(["a"] * MANY) + "{\n x=1 }", "line 1: this name is too long"),
    "a path over blocks": (
        "a" * 300 + " {\n" + "b" * 300 + " = 1 }",
        "line 2: this name is too long",
    ),
    "settings": ("x=1\n" * 5001, "it has more than 5,000 settings"),
    "size": ("/" * (MOST_CHARS + 1), "it has more than 262,144 characters"),
    "open brackets": ("x = " + "(" * MANY, "line 1: this ( has no )"),
    "open ternaries": ("x = { y ? " * 5000, "line 1: this { has no }"),
}


@pytest.mark.parametrize(("text", "reported"), REFUSED.values(), ids=REFUSED)
def test_what_is_larger_or_deeper_than_any_config_is_a_sentence(text, reported):
    with pytest.raises(NextflowError) as error:
        read(text)
    assert str(error.value).startswith(reported)
    assert len(str(error.value)) < 200


def test_an_unknown_profile_is_reported_in_a_line_however_many_there_are():
    text = "profiles {" + "".join(f"p{n} {{ a=1 }}\n" for n in range(4000)) + "}"
    with pytest.raises(NextflowError) as error:
        read(text, "none")
    assert len(str(error.value)) < 400


NOT_CARRIED = {
    "brackets": "process.memory = " + "(" * MANY + "1" + ")" * MANY,
    "lists": "process.x = " + "[" * MANY + "]" * MANY,
    "elvis": "process.queue = " + " ?: ".join(["params.a"] * MANY),
    "an escaped pattern": "process.x = ~/" + "\\\\" * MANY,
    "an escaped text": "process.x = '" + "\\'" * MANY,
    "open texts": "\"\"\"'''" * MANY + "x",
    "open comments": "/*" * MANY,
    "newlines": "process.x = y" + "\n" * MANY + "? z",
    "digits": "process.memory = '" + "1" * MANY + "'",
    "spaces": "process.memory = '" + "1" + " ." * MANY + "'",
    "a number": "process.memory = " + "9" * 400 + ".GB",
    "a whole number": "executor.queueSize = " + "9" * 400,
    "a product": "process.memory = " + "*".join(["9" * 300] * 9) + ".MB",
    "a difference": "process.memory = " + "9" * 400 + " - " + "9" * 400,
    "retries": "process.errorStrategy = 'retry'\nprocess.maxRetries = " + "9" * 400,
    "texts in texts": 'params.a = "'
    + "x" * 9000
    + '"\n'
    + ('process.queue = "' + "$params.a" * 900 + '"\n') * 20,
    "names": "process { withName: '" + "|".join(["a"] * MANY) + "' {\n" + "cpus = 1\n" * 900 + "}}",
    "a long label": "process { withLabel: '" + "a" * MANY + "' {\n" + "cpus = 1\n" * 900 + "}}",
}


@pytest.mark.parametrize("text", NOT_CARRIED.values(), ids=NOT_CARRIED)
def test_what_nobody_means_is_left_and_reported_in_a_short_line(text):
    made, page = rendered(text)
    assert made.left
    assert all(len(str(each)) < 600 for each in made.left)
    assert len(page) < 20_000
    made.left = []
    if "errorStrategy" not in text:
        assert made == Carried()


def test_a_limit_of_retries_of_any_length_is_no_number():
    many = "9" * 6000
    text = f"process.errorStrategy = {{ task.attempt <= {many} ? 'retry' : 'finish' }}"
    assert rendered(text)[0].retries == 1


def test_what_could_drive_a_terminal_reaches_neither_screen_nor_profile():
    made, page = rendered('foo\x1b.bar = 1\nx.y = "\x07\x00\u202e"\nprocess.label = "\x9b"\n')
    for text in (page, *map(str, made.left)):
        assert all(c.isprintable() or c == "\n" for c in text)


def test_an_escaped_slash_does_not_end_a_pattern():
    (entry,) = read(r"process { withName: ~/a\/b/ { cpus = 1 } }").entries
    assert entry.selector == ("withName", r"~/a\/b/")


WORDS = """
    process withName: withLabel: 'a|b' $x { } [ ] ( ) = : memory cpus errorStrategy maxRetries
    queue params.a "$params.a" ?: 8.GB 1e999 task.attempt * - / ~/ \\ ' " \'\'\' . , // /* profiles
    executor queueSize aws.batch.volumes check_max 'retry' 0 ; ? process. \u0663 \x1b \ud800"""
PIECES = st.sampled_from([*WORDS.split(), "\n", "= 1\n", "{\n", "9" * 400])


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(PIECES, max_size=40))
def test_any_config_is_a_profile_or_a_sentence(pieces):
    try:
        rendered(" ".join(pieces))
    except NextflowError as error:
        assert "\n" not in str(error)
