"""Sites: those that ship, and what is said about a file that is wrong."""

import subprocess
import sys

import pytest

from snakemake_executor_plugin_hutchbatch.queues.catalog import Entry
from snakemake_executor_plugin_hutchbatch.queues.data_file import DataFileError
from snakemake_executor_plugin_hutchbatch.settings.table import SETTINGS
from snakemake_executor_plugin_hutchbatch.settings.values import NONE, SITES, Mount
from snakemake_executor_plugin_hutchbatch.sites import site
from snakemake_executor_plugin_hutchbatch.supervisor import s3_terms

HUTCH, LAB = site.shipped()


def test_the_sites_that_ship_are_those_that_can_be_named():
    assert tuple(each.name for each in site.shipped()) == SITES
    assert all(each.about for each in site.shipped())
    assert set(site.SETTINGS_OF_SITES) <= set(SETTINGS)


def test_hutch_has_five_queues_and_docker_scratch():
    assert list(HUTCH.queues) == [
        *("cpu-spot-50", "cpu-spot-40", "cpu-spot-30", "gpu-spot-50", "mixed")
    ]
    assert HUTCH.queues["cpu-spot-30"] == Entry(
        "cpu-spot-30", "cpu-spot-30", "SPOT", ("optimal",), 1000, 30
    )
    assert HUTCH.queues["gpu-spot-50"].instance_types == ("p3.16xlarge",)
    assert HUTCH.queues["mixed"] == Entry("mixed")
    assert HUTCH.values(None)["scratch"] == Mount("/docker_scratch", "/tmp")


def test_hutch_lab_has_one_queue_the_docker_disk_and_no_job_role():
    default = Entry("default", None, "SPOT", ("optimal",), 128, 50)
    assert dict(LAB.queues) == {"default": default}
    values = LAB.values(None)
    assert values["scratch"] == Mount("/var/lib/docker", "/tmp")
    assert values["job_role"] is NONE
    assert values["region"] == "us-west-2"


def test_what_hutch_says_is_what_counts_without_a_site():
    for name in ("scratch", "aws_cli_path"):
        assert HUTCH.values(None)[name] == SETTINGS[name].default_value


def test_no_two_sites_have_a_queue_of_the_same_name():
    assert len(site.shipped_queues()) == sum(len(each.queues) for each in site.shipped())


@pytest.mark.parametrize(
    ("bucket", "lab"),
    [
        ("fh-pi-doe-j-eco", "fh-pi-doe-j"),
        ("fh-pi-doe-j", "fh-pi-doe-j"),
        ("fh-pi-doe-j-nextflow-scratch", "fh-pi-doe-j"),
        ("fh-pi-van-der-berg-j-eco-public", "fh-pi-van-der-berg-j"),
        ("hutchbatch", None),
        ("fh-pi-doe", None),
    ],
)
def test_a_bucket_says_whose_lab_it_is(bucket, lab):
    assert site.lab_of(bucket) == lab


def test_the_work_prefix_follows_the_bucket_of_the_workflow():
    own = "s3://fh-pi-doe-j-eco/scratch-delete-30/hutchbatch/"
    assert HUTCH.values("fh-pi-doe-j-eco")["work_prefix"] == own
    scratch = "s3://fh-pi-doe-j-nextflow-scratch/delete30/hutchbatch/"
    assert LAB.values("fh-pi-doe-j-eco")["work_prefix"] == scratch
    assert LAB.values("fh-pi-doe-j-nextflow-scratch")["work_prefix"] == scratch


def test_a_work_prefix_that_needs_another_bucket_is_left_to_the_default():
    assert "work_prefix" not in LAB.values("hutchbatch")
    assert "work_prefix" not in HUTCH.values(None)


def test_an_assumed_site_moves_neither_region_nor_control_files():
    assert set(LAB.settings) - set(LAB.assumed_values()) == {"region", "work_prefix"}


def test_a_file_describes_a_site(tmp_path):
    path = tmp_path / "genomics.yaml"
    path.write_text(
        "about: ours\nscratch: /scratch:/tmp\njob_role: none\naws_cli_path: none\n"
        "work_prefix: s3://genomics-work/{bucket}\nqueue: small,large\n"
        "queues:\n  small: {type: SPOT}\n  large:\n"
    )
    found = site.chosen(path)
    assert (found.name, found.about, list(found.queues)) == ("genomics", "ours", ["small", "large"])
    assert found.values("data") == {
        "scratch": Mount("/scratch", "/tmp"),
        "job_role": NONE,
        "aws_cli_path": NONE,
        "work_prefix": "s3://genomics-work/data/",
        "queue": ("small", "large"),
    }


def test_a_user_of_containers_may_be_a_number_without_quotes():
    assert site.parse("container_user: 1000", "own.yaml").values(None) == {"container_user": "1000"}


def test_a_sites_terms_of_objects_count_from_the_start(tmp_path):
    """Snakemake asks S3 about files long before the executor is made."""
    path = tmp_path / "own.yaml"
    path.write_text("s3_acl: bucket-owner-full-control\n")
    program = (
        "import os, snakemake_executor_plugin_hutchbatch as plugin; "
        "plugin.ExecutorSettings(site='own.yaml'); "
        f"print(os.environ['{s3_terms.VARIABLE}'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "bucket-owner-full-control" in done.stdout, done.stderr


def test_a_site_may_have_no_queues_of_its_own():
    assert site.parse("scratch: /scratch:/tmp", "own.yaml").queues == {}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: a site has lines like"),
        ("- scratch", "line 1: a site has lines like"),
        ("scratch: [", "line 1: this is not YAML"),
        (
            "about: ours\nscratches: x",
            "line 2: a site has no scratches; there are about, region",
        ),
        ("about: ours\nuser: jdoe", "line 2: a site has no user"),
        ("scratch: a", "line 1: scratch a: "),
        ("scratch: /a:/tmp:ro", "line 1: scratch /a:/tmp:ro: the scratch is where jobs write"),
        ("scratch:", "line 1: scratch is a text, not None"),
        ("about: ours\nregion: 3", "line 2: region is a text, not 3"),
        ("region: Oregon", "line 1: region Oregon: a region looks like us-west-2"),
        ("region: us-west-2\nregion: us-west-2", "line 2: region occurs twice"),
        ("work_prefix: s3://{owner}/x", "line 1: work_prefix may have {bucket} and {lab}"),
        ("work_prefix: /shared", "line 1: work_prefix /shared: it is a folder of this machine"),
        ("about: ours\nqueues:\n  a:\n    bid: 3", "line 4: queue a has no field bid"),
        ("queues: {}", "line 1: 'queues:' lists at least one queue"),
        ("queues: 3", "line 1: 'queues:' lists at least one queue"),
        ("queues: {a: {}}\nqueues: {b: {}}", "line 2: queues occurs twice"),
    ],
)
def test_a_fault_is_reported_with_its_line(text, fault):
    with pytest.raises(DataFileError) as error:
        site.parse(text, "own.yaml")
    assert f"own.yaml, {fault}" in str(error.value)


def test_all_faults_are_reported_at_once():
    with pytest.raises(DataFileError) as error:
        site.parse("region: x\nqueues:\n  a: {type: x}\nscratch: y", "own.yaml")
    assert [f"line {n}" in str(error.value) for n in (1, 3, 4)] == [True] * 3
