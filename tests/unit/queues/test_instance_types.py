"""The sizes of machines that ship, and the script that renews them."""

import importlib.util
import re
from datetime import date
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from snakemake_executor_plugin_hutchbatch.queues import instances

SCRIPT = Path(__file__).parents[3] / ".ci" / "instance_types.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("instance_types", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reported(name, vcpus, memory, architectures=("x86_64",), **more):
    """As AWS describes a type."""
    return {
        "InstanceType": name,
        "BareMetal": False,
        "ProcessorInfo": {"SupportedArchitectures": list(architectures)},
        "VCpuInfo": {"DefaultVCpus": vcpus},
        "MemoryInfo": {"SizeInMiB": memory},
        **more,
    }


GPUS = {"Gpus": [{"Name": "T4", "Count": 4, "MemoryInfo": {"SizeInMiB": 16384}}]}
PAGES = [
    [
        reported("m3.large", 2, 7680, ("i386", "x86_64")),
        reported("c6g.16xlarge", 64, 131072, ("arm64",)),
        reported("c6g.metal", 64, 131072, ("arm64",), BareMetal=True),
        reported("g4dn.12xlarge", 48, 196608, GpuInfo=GPUS),
    ],
    [
        reported("g4dn.2xlarge", 8, 32768, GpuInfo={"Gpus": [{"Count": 1}]}),
        reported("c6g.large", 2, 4096),
    ],
]
ROWS = [
    ("c6g.large", 2, 4096, 0, "x86_64"),
    ("c6g.16xlarge", 64, 131072, 0, "arm64"),
    ("g4dn.2xlarge", 8, 32768, 1, "x86_64"),
    ("g4dn.12xlarge", 48, 196608, 4, "x86_64"),
    ("m3.large", 2, 7680, 0, "x86_64"),
]


def test_rows_are_sorted_by_family_and_size_without_bare_metal(script):
    types = [each for page in PAGES for each in page]
    assert script.rows(types) == ROWS
    assert script.rows(reversed(types)) == ROWS


def test_every_page_of_the_families_is_asked_for(script):
    ec2 = boto3.client(
        "ec2", region_name="us-west-2", aws_access_key_id="A", aws_secret_access_key="B"
    )
    asked = {"Filters": [{"Name": "instance-type", "Values": ["c6g.*", "g4dn.*", "m3.*"]}]}
    with Stubber(ec2) as aws:  # checks both ways by AWS's own model
        first, second = ({"InstanceTypes": page} for page in PAGES)
        aws.add_response("describe_instance_types", {**first, "NextToken": "n"}, asked)
        aws.add_response("describe_instance_types", second, {**asked, "NextToken": "n"})
        assert script.rows(script.ask(ec2, {"m3", "g4dn", "c6g"})) == ROWS
        aws.assert_no_pending_responses()


def test_what_the_script_writes_is_what_the_plugin_reads(script):
    shipped = script.FILE.read_text(encoding="utf-8")
    day = re.match(r"# AWS DescribeInstanceTypes, us-west-2, (\d{4}-\d\d-\d\d)\n", shipped)
    assert day
    sizes = instances.known().values()
    rows = [(s.type, s.vcpus, s.memory, s.gpus, s.architecture) for s in sizes]
    assert script.text(rows, date.fromisoformat(day[1])) == shipped
    assert script.read(shipped) == set(instances.known())
