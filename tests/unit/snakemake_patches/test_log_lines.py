"""A message has the text that Snakemake gives it, which is made once for handlers that agree."""

import logging

import pytest
from snakemake.logging import DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_executor_plugin_hutchbatch.snakemake_patches import log_lines

MADE = []


def plain(self, record):
    MADE.append(record)
    return DefaultFormatter.format(self, record)


@pytest.fixture(autouse=True)
def _none_made():
    MADE.clear()


def message(**more):
    extra = {
        **{"event": LogEvent.JOB_INFO, "jobid": 7, "rule_msg": None, "rule_name": "one"},
        **{"local": False, "input": ["a"], "output": ["b"], "log": [], "benchmark": None},
        **{"wildcards": {"n": "1"}, "reason": "Missing output files: b", "resources": {}},
        **{"priority": 0, "threads": 2, "is_checkpoint": False, "indent": False, **more},
    }
    return logging.makeLogRecord({"msg": "Rule: one, Jobid: 7", **extra})


def without_time(text):
    return text.partition("]\n")[2]


def test_two_handlers_share_a_text_which_is_snakemakes():
    formatted = log_lines.format_(plain)
    record = message()
    texts = [formatted(DefaultFormatter(), record) for _ in range(2)]
    assert texts[0] == texts[1]
    assert len(MADE) == 1
    own = DefaultFormatter().format(message())
    assert without_time(texts[0]) == without_time(own)
    assert "threads: 2" in own


def test_handlers_that_do_not_agree_have_their_own():
    formatted = log_lines.format_(plain)
    record = message()
    full = formatted(DefaultFormatter(), record)
    short = formatted(DefaultFormatter({Quietness.REASON}), record)
    assert "reason: Missing" in full
    assert "reason" not in short


def test_another_message_is_another_text():
    formatted = log_lines.format_(plain)
    first, second = (formatted(DefaultFormatter(), message(jobid=n)) for n in (1, 2))
    assert ("jobid: 1" in first, "jobid: 2" in second) == (True, True)


def test_a_message_without_text_stays_without():
    formatted = log_lines.format_(plain)
    record = logging.makeLogRecord({"msg": None})
    assert [formatted(DefaultFormatter(), record) for _ in range(2)] == ["", ""]
    assert len(MADE) == 1
