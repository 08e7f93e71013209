"""What a run uploads: S3's refusal is the failure of the job that needs the file, not the run's."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from snakemake_executor_plugin_hutchbatch.aws.retry import Retrier
from snakemake_executor_plugin_hutchbatch.run.upload import RunUploads, asked

DENIED = ClientError({"Error": {"Code": "AccessDenied"}}, "HeadObject")


class Refusing:
    """Sources of which S3 tells nothing about one."""

    def refusal(self, name):
        return None

    def compared(self, name):
        if name == "denied":
            raise DENIED

    def changed(self, names):
        assert not list(names)


def job(*inputs):
    rule = SimpleNamespace(name="copy")
    return SimpleNamespace(
        input=inputs, output=(), is_local=False, rule=rule, is_group=lambda: False
    )


def test_a_refusal_of_s3_is_raised_for_its_own_job_only():
    uploads = RunUploads(Refusing(), 100, Retrier(print), print)
    good, bad = job("fine"), job("denied")
    assert uploads.begin([bad, good]) == [good, bad]
    uploads.wait(good)
    with pytest.raises(ClientError):
        uploads.wait(bad)


def test_before_the_first_job_it_is_a_sentence():
    uploads = RunUploads(Refusing(), 100, Retrier(print), print)
    (sentence,) = asked(uploads, [job("denied")]).refusals
    assert "comparing inputs with S3" in sentence


def test_without_uploads_all_jobs_go_on():
    uploads = RunUploads(None, 100, Retrier(print), print)
    jobs = [job("a"), job("b")]
    assert uploads.begin(jobs) == jobs
    assert uploads.planned(jobs).files == 0
