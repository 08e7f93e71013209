"""Which of a user's words, the site's and the table's count."""

import pytest
from botocore.exceptions import ClientError

from snakemake_executor_plugin_hutchbatch.planning import assumed_site, run_settings
from snakemake_executor_plugin_hutchbatch.queues.account import from_catalog
from snakemake_executor_plugin_hutchbatch.queues.queue import Queue
from snakemake_executor_plugin_hutchbatch.settings.options import (
    ExecutorSettings,
    JobSettings,
    job_values,
)
from snakemake_executor_plugin_hutchbatch.settings.values import NONE, Mount
from snakemake_executor_plugin_hutchbatch.sites import site

LAB_DISK, HUTCH_DISK = Mount("/var/lib/docker", "/tmp"), Mount("/docker_scratch", "/tmp")
PREFIX = "s3://fh-pi-doe-j-eco/tcr/"
ARN = "arn:aws:batch:us-west-2:123456789012:job-queue/"


def live(*names):
    """Queues as AWS reports them."""
    return {name: Queue(name, arn=ARN + name) for name in names}


def never(account):
    raise AssertionError("nobody needs to know")


def test_a_rules_word_counts_before_the_users_the_sites_and_the_tables():
    settings = ExecutorSettings(site="hutch-lab", log_group="/lab")
    run_settings.take_site(settings, PREFIX)
    job = JobSettings(job_values({"hutchbatch_scratch": "/nvme:/tmp"}), settings)
    assert job.value("scratch") == Mount("/nvme", "/tmp")  # the rule's
    assert settings.value("log_group") == "/lab"  # the user's
    assert settings.value("scratch") == LAB_DISK  # the site's
    assert settings.value("job_role") is NONE
    assert settings.value("tail_lines") == 30  # the table's
    assert settings.given("scratch") is None


def test_the_users_settings_count_before_a_named_site():
    settings = ExecutorSettings(site="hutch-lab", scratch="/nvme:/tmp", region="us-east-1")
    run_settings.take_site(settings, PREFIX)
    assert settings.value("scratch") == Mount("/nvme", "/tmp")
    assert settings.value("region") == "us-east-1"


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({}, PREFIX + ".hutchbatch/"),
        ({"site": "hutch"}, "s3://fh-pi-doe-j-eco/scratch-delete-30/hutchbatch/"),
        ({"site": "hutch-lab"}, "s3://fh-pi-doe-j-nextflow-scratch/delete30/hutchbatch/"),
        ({"site": "hutch-lab", "work_prefix": "s3://own/x"}, "s3://own/x/"),
    ],
)
def test_control_files_are_where_the_user_or_the_named_site_says(given, place):
    settings = ExecutorSettings(**given)
    run_settings.take_site(settings, PREFIX)
    assert run_settings.control_prefix(settings, PREFIX) == place


def test_the_users_catalogue_counts_before_the_sites(tmp_path):
    catalogue = tmp_path / "queues.yaml"
    catalogue.write_text("queues: {own: {}}")
    settings = ExecutorSettings(site="hutch-lab", queue_catalog=str(catalogue))
    assert list(run_settings.read_catalog(settings)) == ["own"]
    assert list(run_settings.read_catalog(ExecutorSettings(site="hutch-lab"))) == ["default"]


def test_a_site_file_that_is_wrong_stops_the_run_with_its_line(tmp_path):
    wrong = tmp_path / "own.yaml"
    wrong.write_text("scratch: a\n")
    with pytest.raises(run_settings.PreflightError, match=r"--hutchbatch-site: .*own.yaml, line 1"):
        run_settings.take_site(ExecutorSettings(site=str(wrong)), PREFIX)


def test_a_named_site_is_not_looked_for():
    settings = ExecutorSettings(site="hutch")
    run_settings.take_site(settings, PREFIX)
    queues = live("default")
    assert assumed_site.take(settings, queues, never) == (queues, None)
    assert settings.value("scratch") == HUTCH_DISK


def test_an_account_with_the_queue_default_is_a_labs():
    settings = ExecutorSettings()
    _, found = assumed_site.take(settings, live("default"), lambda _: {})
    assert found.site.name == "hutch-lab"
    assert settings.value("scratch") == LAB_DISK
    assert settings.value("work_prefix") is None  # where the next run looks for this one's jobs
    assert settings.value("region") is None


def test_the_scratch_is_that_of_the_accounts_job_definitions():
    asked = []

    def look(account):
        asked.append(account)
        return {LAB_DISK: 1}

    settings = ExecutorSettings()
    assumed_site.take(settings, live("cpu-spot-50", "mixed"), look)
    assert settings.value("scratch") == LAB_DISK
    assert asked == ["us-west-2:123456789012"]


def test_a_scratch_that_is_set_is_not_looked_for():
    settings = ExecutorSettings(scratch="/nvme:/tmp")
    assumed_site.take(settings, live("default"), never)
    assert settings.value("scratch") == Mount("/nvme", "/tmp")
    assert settings.value("job_role") is NONE  # the rest is the site's


def test_where_aws_may_not_be_asked_only_the_assumed_sites_queues_count():
    unasked = from_catalog(site.shipped_queues())
    queues, found = assumed_site.take(ExecutorSettings(), unasked, lambda _: {})
    assert (found.site.name, found.sentence) == ("hutch", None)
    assert "default" not in queues
    assert "mixed" in queues


class Account:
    def __init__(self, fails=False):
        self.calls, self.fails = 0, fails

    def describe_job_definitions(self, **_):
        self.calls += 1
        if self.fails:
            answer = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
            raise ClientError(answer, "DescribeJobDefinitions")
        return {"jobDefinitions": []}


def test_an_account_is_asked_once_for_all_starts_of_a_week(tmp_path):
    batch, place = Account(), tmp_path / "disks.json"
    for now in (1.0, 2.0):
        assert assumed_site.mounts(batch, "us-west-2:1", place, now) == {}
    assert batch.calls == 1
    assumed_site.mounts(batch, "", place, 3.0)  # whose it is, is not known
    assert batch.calls == 2


def test_a_missing_permission_is_not_remembered_and_no_fault(tmp_path):
    batch = Account(fails=True)
    assert assumed_site.mounts(batch, "us-west-2:1", tmp_path / "disks.json", 1.0) == {}
    assert assumed_site.look(batch) is None
    assert not list(tmp_path.iterdir())
