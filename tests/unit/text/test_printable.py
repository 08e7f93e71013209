"""What others wrote is one harmless line by the time it is shown, in whatever way it is shown."""

import io
import logging
import sys

import pytest

from snakemake_executor_plugin_hutchbatch.record.schema import Job
from snakemake_executor_plugin_hutchbatch.text import terminal
from snakemake_executor_plugin_hutchbatch.text.printable import mapped, printable, printable_lines

HOSTILE = {
    "clears the screen": "\x1b[2J",
    "sets the title": "\x1b]0;owned\x07",
    "C1": "\x9b31m\x85",
    "begins a line": "\nhutchbatch: all is well",
    "writes over a line": "\rhutchbatch: all is well",
    "turns text around": "\u202e\u2066\u200f",
    "ends a line in some": "\u2028\u2029\x0b\x0c\x1c",
    "half a character": "\ud800",
    "NUL and DEL": "\0\x7f\b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_becomes_one_line_that_prints(text):
    shown = printable(f"a{text}b")
    assert shown.isprintable()
    assert shown.startswith("a") and shown.endswith("b")


def test_ordinary_text_stays():
    for text in ("éñ 日本 🧬", "tab\tstays", "100 %", ""):
        assert printable(text) == text
    assert printable("30\u202f% of\xa0it\r\n") == "30 % of it"
    assert printable_lines("a\nb\x1b\n") == ["a", "b?", ""]


def test_texts_within_values_are_reached():
    job = Job("r", 1, "a\x1b", "l", 1, 0.0, {"x\x1b": "y\x1b"}, sentence="s\x1b")
    (shown, rest) = mapped((job, [{"k": ("\x1b", 1, None)}]), printable)
    assert (shown.rule, shown.wildcards, shown.sentence) == ("a?", {"x?": "y?"}, "s?")
    assert rest == [{"k": ("?", 1, None)}]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_gets_past_the_terminals_module(text, capsys):
    terminal.say(text, (f"a{text}", terminal.Painted(text, "red")))
    terminal.note(text, text)
    terminal.say_table([text])
    terminal.say_json({text: [text]}, indent=2)
    out, err = capsys.readouterr()
    assert all(line.isprintable() for line in f"{out}{err}".split("\n"))
    assert not [line for line in out.split("\n") if line.startswith("hutchbatch")]
    lines = err.split("\n")
    assert len(lines) == 3 and lines[0].startswith("hutchbatch: ")
    with pytest.raises(SystemExit):
        terminal.Parser(prog="x").parse_args([text])
    assert all(line.isprintable() for line in capsys.readouterr().err.split("\n"))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_lines_in_snakemakes_log_are_ours_to_the_end(text):
    stream = io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(logging.StreamHandler(stream))
    log = terminal.Log(logger)
    log.info(f"{text} 100 %s")
    log.warning([text, text])
    try:
        raise ValueError(text)
    except ValueError:
        log.error("failed", exc_info=True)
    lines = stream.getvalue().split("\n")
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.startswith("hutchbatch")]
    assert lines[0].endswith(" 100 %s")
    assert lines[3] == "failed" and "  ValueError: " in "\n".join(lines[4:])


def test_secrets_are_hidden_wherever_something_is_said(capsys):
    terminal.say("token=hunter2")
    terminal.note("https://me:hunter2@x")
    out, err = capsys.readouterr()
    assert (out, err) == ("token=…\n", "hutchbatch: https://me:…@x\n")
    stream = io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(logging.StreamHandler(stream))
    terminal.Log(logger, lambda text: text.replace("hunter2", "…")).info("it is hunter2")
    assert stream.getvalue() == "it is …\n"


def test_an_encoding_that_lacks_a_character_is_no_error(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    terminal.say("é …")
    assert raw.getvalue() == rb"\xe9 \u2026" + b"\n"


def test_colours_are_ours_alone(monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", Screen())
    terminal.say((terminal.Painted("ok\x1b[0m", "green"), "\x1b[31m"))
    assert sys.stdout.getvalue() == "\x1b[32mok?[0m\x1b[0m?[31m\n"


def test_what_needs_no_change_is_not_copied():
    clean = Job("r", 1, "a", "a b", 1, 1.0, wildcards={"k": "v"})
    assert mapped(clean, printable) is clean
    dirty = Job("r", 1, "a", "a\x1bb", 1, 1.0, wildcards={"k": "\x1b"})
    assert mapped(dirty, printable) == Job("r", 1, "a", "a?b", 1, 1.0, wildcards={"k": "?"})
