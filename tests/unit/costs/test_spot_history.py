"""AWS's spot prices: asked within bounds, and never a reason to fail."""

import datetime

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber

from snakemake_executor_plugin_hutchbatch.costs import spot_history

SINCE, UNTIL = 1_700_000_000.0, 1_700_003_600.0


@pytest.fixture
def ec2():
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "s"}
    client = boto3.client("ec2", region_name="us-west-2", **keys)
    with Stubber(client) as stub:
        yield client, stub


def price(name, usd, zone="us-west-2a"):
    return {"InstanceType": name, "SpotPrice": usd, "AvailabilityZone": zone}


def asks(stub, prices, token="", answered=""):
    request = {
        "InstanceTypes": ["c5.large", "m5.large"],
        "ProductDescriptions": ["Linux/UNIX"],
        "StartTime": datetime.datetime.fromtimestamp(SINCE, datetime.UTC),
        "EndTime": ANY,
        "NextToken": token,
    }
    answer = {"SpotPriceHistory": prices, "NextToken": answered}
    stub.add_response("describe_spot_price_history", answer, request)


def test_the_range_is_that_of_all_zones_and_pages(ec2):
    client, stub = ec2
    first = [price("m5.large", "0.040000"), price("m5.large", "0.035000", "us-west-2b")]
    asks(stub, first, answered="more")
    asks(stub, [price("m5.large", "0.050000"), price("c5.large", "0.03")], token="more")
    found = spot_history.asked(client, ["m5.large", "c5.large", "m5.large"], SINCE, UNTIL)
    assert found == {"m5.large": (0.035, 0.05), "c5.large": (0.03, 0.03)}
    stub.assert_no_pending_responses()


def test_pages_and_types_have_a_bound(ec2):
    client, stub = ec2
    for _ in range(spot_history.MOST_PAGES):
        answer = {"SpotPriceHistory": [price("t.0", "1")], "NextToken": "more"}
        stub.add_response("describe_spot_price_history", answer, None)
    types = [f"t.{number}" for number in range(100)]
    assert spot_history.asked(client, types, SINCE, UNTIL) == {"t.0": (1, 1)}


def test_who_may_not_ask_has_no_prices(ec2):
    client, stub = ec2
    stub.add_client_error("describe_spot_price_history", "UnauthorizedOperation")
    assert spot_history.asked(client, ["m5.large"], SINCE, UNTIL) == {}


def test_without_spot_machines_and_without_a_network_nobody_is_asked():
    class Nobody:
        def describe_spot_price_history(self, **_):
            raise EndpointConnectionError(endpoint_url="https://ec2.us-west-2.amazonaws.com")

    assert spot_history.asked(Nobody(), [], SINCE, UNTIL) == {}
    assert spot_history.asked(Nobody(), ["m5.large"], SINCE, UNTIL) == {}


def test_what_is_no_price_does_not_count(ec2):
    client, stub = ec2
    asks(stub, [price("m5.large", "?"), price("m5.large", "0"), price("c5.large", "0.1")])
    found = spot_history.asked(client, ["m5.large", "c5.large"], SINCE, UNTIL)
    assert found == {"c5.large": (0.1, 0.1)}
