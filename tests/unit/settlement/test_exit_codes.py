"""For which failures Snakemake's ``retries:`` count."""

import pytest

from snakemake_executor_plugin_hutchbatch.settings.parsers import (
    SettingError,
    parse_retry_exit_codes,
)
from snakemake_executor_plugin_hutchbatch.settlement import exit_codes
from snakemake_executor_plugin_hutchbatch.settlement.failure_cause import Cause, Failure

CODES = ((137, 137), (100, 110))


def worth(cause, code=None, codes=CODES):
    return exit_codes.is_worth_retrying(Failure(cause, "it failed", code), codes)


def test_codes_and_ranges_are_read_as_users_write_them():
    assert parse_retry_exit_codes("137, 140,100-110") == ((137, 137), (140, 140), (100, 110))
    assert parse_retry_exit_codes("130..145 104") == ((130, 145), (104, 104))
    assert parse_retry_exit_codes("((130..145) + 104 + 175)") == (
        (130, 145),
        (104, 104),
        (175, 175),
    )
    assert parse_retry_exit_codes(137) == ((137, 137),)
    assert parse_retry_exit_codes("all") == ()


@pytest.mark.parametrize("text", ["", "0", "256", "110-100", "OOM", "137,all", ",", "1-"])
def test_what_is_no_exit_code_is_refused(text):
    with pytest.raises(SettingError):
        parse_retry_exit_codes(text)


def test_a_command_is_tried_again_with_the_listed_codes_only():
    assert worth(Cause.COMMAND, 137)
    assert worth(Cause.COMMAND, 105)
    assert not worth(Cause.COMMAND, 1)
    assert not worth(Cause.COMMAND, 111)


def test_without_codes_every_failure_is_tried_again():
    assert worth(Cause.COMMAND, 1, codes=())
    assert worth(Cause.MISSING_OUTPUT, 0, codes=())


def test_lack_of_memory_counts_as_137_and_lack_of_time_as_143():
    assert worth(Cause.OUT_OF_MEMORY, 1)
    assert not worth(Cause.OUT_OF_MEMORY, 1, codes=((100, 110),))
    assert not worth(Cause.TIMEOUT)
    assert worth(Cause.TIMEOUT, codes=((143, 143),))


def test_missing_outputs_have_no_exit_code():
    assert not worth(Cause.MISSING_OUTPUT, 105)


@pytest.mark.parametrize("cause", [Cause.SPOT, Cause.HOST, Cause.STAGE_IN, Cause.STAGE_OUT])
def test_what_is_not_the_commands_fault_is_not_judged_by_codes(cause):
    assert worth(cause, 77)
