"""The prices of machines and storage that ship, and the script that renews them."""

import importlib.util
import re
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.costs import storage
from snakemake_executor_plugin_hutchbatch.queues import instances, prices

SCRIPT = Path(__file__).parents[3] / ".ci" / "prices.py"

#: As AWS's list of EC2 begins, and rows of it with the columns that are read.
COLUMNS = (
    "SKU,OfferTermCode,TermType,StartingRange,Unit,PricePerUnit,Currency,Location Type,"
    "Instance Type,Tenancy,Operating System,CapacityStatus,Pre Installed S/W,MarketOption,usageType"
)
HEAD = [
    '"FormatVersion","v1.0"',
    '"Disclaimer","This pricing list is for informational purposes only."',
    '"Publication Date","2026-10-07T17:22:33Z"',
    '"Version","20261007172233"',
    '"OfferCode","AmazonEC2"',
    COLUMNS,
]
ROW = "A,B,OnDemand,0,Hrs,{usd},USD,AWS Region,{type},Shared,Linux,Used,NA,OnDemand,USW2-BoxUsage"
S3 = "A,B,OnDemand,{start},GB-Mo,{usd},USD,AWS Region,,,,,,,{usage}"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("prices", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def machine(name, usd, **other):
    row = ROW.format(type=name, usd=usd)
    for old, new in other.items():
        row = row.replace(f",{old},", f",{new},")
    return row


def test_a_machine_has_the_price_of_shared_linux_that_is_used(script):
    rows = [
        machine("m6i.large", "0.0960000000"),
        machine("m6i.large", "0.1056", Shared="Dedicated"),
        machine("m6i.large", "0.188", Linux="Windows"),
        machine("m6i.large", "0.0000000000", Used="AllocatedCapacityReservation"),
        machine("m6i.large", "0.3", NA="SQL Std"),
        machine("p5.48xlarge", "31.4", OnDemand="Reserved"),
        machine("p5.48xlarge", "0.0", NA="NA").replace("NA,OnDemand", "NA,CapacityBlock"),
        machine("c7g.medium", "0.0363"),
    ]
    day, read = script.opened([*HEAD, *rows])
    found = script.of_machines(read)
    assert (day, found) == ("2026-10-07", {"m6i.large": 0.096, "c7g.medium": 0.0363})
    parsed = prices.parse(script.ec2_text(day, found))
    assert (parsed.region, parsed.date, parsed.prices) == ("us-west-2", day, found)


def test_a_list_with_two_prices_for_a_machine_is_not_used(script):
    rows = [machine("m6i.large", "0.096"), machine("m6i.large", "0.097")]
    with pytest.raises(script.PriceListError, match=r"m6i\.large has two prices"):
        script.of_machines(script.opened([*HEAD, *rows])[1])


def test_a_list_of_another_form_is_not_used(script):
    with pytest.raises(script.PriceListError, match="no columns"):
        script.opened(["<html>", "</html>"])
    with pytest.raises(script.PriceListError, match="which day"):
        script.opened([COLUMNS])


def test_storage_has_the_price_of_the_first_terabytes(script):
    rows = [
        S3.format(start="0", usd="0.0230000000", usage="USW2-TimedStorage-ByteHrs"),
        S3.format(start="51200", usd="0.0220000000", usage="USW2-TimedStorage-ByteHrs"),
        S3.format(start="0", usd="0.0125", usage="USW2-TimedStorage-SIA-ByteHrs"),
        S3.format(start="0", usd="0.01", usage="USW2-Requests-Tier1"),
    ]
    found = script.of_storage(script.opened([*HEAD, *rows])[1])
    assert found == {"STANDARD": 0.023, "STANDARD_IA": 0.0125}


def test_the_files_that_ship_are_as_the_script_writes_them(script):
    for path, text in ((script.EC2_FILE, script.ec2_text), (script.S3_FILE, script.s3_text)):
        there = path.read_text(encoding="utf-8")
        parsed = prices.parse(there)
        assert parsed.region == script.REGION
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", parsed.date)
        assert there == text(parsed.date, parsed.prices)


def test_the_machines_of_the_hutchs_queues_have_prices():
    known = prices.on_demand().prices
    sizes = instances.sizes(["optimal", "p3.16xlarge", "default_arm64"])
    assert [size.type for size in sizes if size.type not in known] == []
    assert set(known) <= set(instances.known())
    # https://aws.amazon.com/ec2/pricing/on-demand/
    assert (known["m5.large"], known["c7i.large"]) == (0.096, 0.08925)


def test_a_family_costs_about_the_same_a_vcpu_whatever_the_size():
    """Nothing of dedicated machines, other systems or other regions has come in."""
    by_family = {}
    for name, usd in prices.on_demand().prices.items():
        size = instances.known()[name]
        # These have more vCPUs than their price says, and memory in proportion to it.
        odd = name in ("c4.8xlarge", "d2.8xlarge")
        if not odd and not instances.accelerated([name]):
            by_family.setdefault(name.partition(".")[0], []).append(usd / size.vcpus)
    spread = {family: max(each) / min(each) for family, each in by_family.items()}
    assert {family: each for family, each in spread.items() if each > 1.06} == {}


def test_storage_is_counted_in_gib():
    """https://aws.amazon.com/s3/faqs/: a gigabyte is 2^30 bytes."""
    assert storage.a_month(100 << 30, "us-west-2") == pytest.approx(2.30)
    assert storage.a_month(1 << 30, "eu-west-1") is None
    assert storage.a_month(1 << 30, "us-west-2", "DEEP_ARCHIVE") is None
