"""What ``hutchbatch init`` makes of answers and of what AWS says."""

import pytest
from botocore.exceptions import ClientError, ProfileNotFound

from snakemake_executor_plugin_hutchbatch.cli import known_account, questions
from snakemake_executor_plugin_hutchbatch.cli.interview import differing, wants_share
from snakemake_executor_plugin_hutchbatch.queues.queue import Queue
from snakemake_executor_plugin_hutchbatch.settings.values import SettingError
from snakemake_executor_plugin_hutchbatch.sites import site

HUTCH, LAB = site.shipped()
BUCKET = "fh-pi-doe-j-eco"
ARN = "arn:aws:batch:us-west-2:123456789012:job-queue/"


@pytest.mark.parametrize(
    ("chosen", "settings", "written"),
    [
        (HUTCH, {"region": "us-west-2", "queue": "auto", "policy": "availability"}, {}),
        (HUTCH, {"work_prefix": f"s3://{BUCKET}/scratch-delete-30/hutchbatch"}, {}),
        (LAB, {"work_prefix": "s3://fh-pi-doe-j-nextflow-scratch/delete30/hutchbatch/"}, {}),
        (LAB, {"job_role": "none", "scratch": "/var/lib/docker:/tmp:rw"}, {}),
        (LAB, {"aws_cli_path": "/home/ec2-user/miniconda/bin/aws"}, {}),
        (HUTCH, {"job_role": "none"}, {}),
        (LAB, {"region": "us-east-1"}, {"region": "us-east-1"}),
        (LAB, {"scratch": "/docker_scratch:/tmp"}, {"scratch": "/docker_scratch:/tmp"}),
        (HUTCH, {"queue": "mixed"}, {"queue": "mixed"}),
    ],
)
def test_only_what_differs_from_the_site_is_written(chosen, settings, written):
    assert differing(settings, chosen, BUCKET) == written


@pytest.mark.parametrize("text", ["mixed", "mixed, fast", ARN + "mixed", "auto"])
def test_queues_of_the_account_are_accepted(text):
    queues = {name: Queue(name, arn=ARN + name) for name in ("mixed", "fast")}
    questions.check_queues(text, queues)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("default", "this account has no queue default; there are mixed, off"),
        ("mixed,other", "this account has no queue other"),
        ("off", "queue off is not accepting jobs: it is disabled"),
    ],
)
def test_other_queues_are_refused_with_those_there_are(text, fault):
    queues = {
        "mixed": Queue("mixed"),
        "off": Queue("off", takes_jobs=False, why_not="it is disabled"),
    }
    with pytest.raises(SettingError, match=fault):
        questions.check_queues(text, queues)


def test_a_share_is_asked_for_where_jobs_need_one():
    fair = Queue("fair", ARN + "fair", fair_share=True)
    both = {"fair": fair, "mixed": Queue("mixed", ARN + "mixed", fair_share=False)}
    asked = {
        text: wants_share(both, text) for text in ("auto", "mixed", "mixed,fair", ARN + "fair")
    }
    assert asked == {"auto": False, "mixed": False, "mixed,fair": True, ARN + "fair": True}
    assert wants_share({"fair": fair}, "auto")
    gpu = Queue("gpu", fair_share=False, instance_types=("g6",))
    assert wants_share({"fair": fair, "gpu": gpu}, "auto")
    assert not wants_share({}, "auto")


@pytest.mark.parametrize("text", ["1", " 60 ", "none"])
def test_a_run_time_is_minutes_or_none(text):
    assert questions.parse_runtime(text) == text.strip()


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1h", "", "9" * 5000, "²"])
def test_another_run_time_is_refused(text):
    with pytest.raises(SettingError, match="whole number of minutes"):
        questions.parse_runtime(text)


class Denied:
    """An account that says who one is, and nothing else."""

    region_name = "us-east-1"

    def get_credentials(self):
        return object()

    def client(self, service, config):
        return self

    def get_caller_identity(self):
        return {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/jdoe"}

    def __getattr__(self, name):
        def refuse(*_, **__):
            answer = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
            raise ClientError(answer, name)

        return refuse


def test_what_aws_may_not_be_asked_is_left_open(monkeypatch):
    monkeypatch.setattr(known_account.aws, "session", lambda region: Denied())
    found = known_account.look(None)
    assert (found.number, found.region, found.unknown) == ("123456789012", "us-east-1", "")
    assert found.queues is None
    assert (found.buckets, found.shown.mounts) == ((), {})
    assert not known_account.is_missing("fh-pi-doe-j-nextflow-scratch", found)


def test_a_profile_that_is_not_there_is_no_fault(monkeypatch):
    def no_such_profile(region):
        raise ProfileNotFound(profile="mine")

    monkeypatch.setattr(known_account.aws, "session", no_such_profile)
    assert "mine" in known_account.look("us-west-2").unknown
    assert known_account.unasked(None).region == "us-west-2"
