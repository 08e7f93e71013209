"""Times in AWS's answers are read as botocore reads them, the usual ones without dateutil."""

import datetime

import botocore.session
import pytest
from botocore import utils

from snakemake_executor_plugin_hutchbatch.aws import credentials, timestamps

USUAL = "2026-11-30T23:51:01.000Z"


@pytest.mark.parametrize(
    "value",
    [
        USUAL,
        "2026-11-30T23:51:01Z",
        "2026-11-30T23:51:01+01:00",
        "20261130T235101Z",
        "Mon, 30 Nov 2026 23:51:01 GMT",
        1764546661.25,
        "1764546661",
    ],
)
def test_every_form_of_a_time_is_the_same_as_botocores(value):
    assert timestamps.read(value) == utils.parse_timestamp(value)
    assert timestamps.read(value).tzinfo is not None


@pytest.mark.parametrize("value", ["Z", "soonZ", ""])
def test_what_is_no_time_is_an_error_as_in_botocore(value):
    with pytest.raises(ValueError, match="Invalid timestamp"):
        timestamps.read(value)


def test_the_times_of_listings_are_read_without_botocores_function(monkeypatch):
    def never(value):
        raise AssertionError(value)

    monkeypatch.setattr(timestamps, "parse_timestamp", never)
    utc = datetime.datetime(2026, 11, 30, 23, 51, 1, tzinfo=datetime.UTC)
    assert timestamps.read(USUAL) == utc


def test_clients_of_a_runs_session_read_times_so():
    session = credentials.session(credentials.Renewal())
    assert isinstance(session, botocore.session.Session)
    factory = session.get_component("response_parser_factory")
    parser = factory.create_parser("rest-xml")
    assert parser._timestamp_parser is timestamps.read
