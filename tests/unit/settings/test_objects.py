"""How objects are stored, in AWS's words."""

import pytest
from snakemake_interface_common.exceptions import ApiError

from snakemake_executor_plugin_hutchbatch.planning.run_settings import PreflightError, s3_terms
from snakemake_executor_plugin_hutchbatch.settings.options import ExecutorSettings
from snakemake_executor_plugin_hutchbatch.supervisor.s3_terms import USUAL, Terms


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("s3_storage_class", "DEEP_ARCHIVE", "later jobs could not read"),
        ("s3_storage_class", "glacier", "GLACIER_IR"),
        ("s3_storage_class", "CHEAP", "ONEZONE_IA"),
        ("s3_acl", "public-read", "bucket-owner-full-control"),
        ("s3_sse_kms_key_id", "my key", "alias/my-key"),
        ("s3_sse", "kms", "aws:kms"),
        ("s3_request_payer", "yes", "requester"),
    ],
)
def test_what_would_do_harm_or_nothing_is_refused(name, value, words):
    with pytest.raises(ApiError, match=words):
        ExecutorSettings(**{name: value})


def test_a_key_asks_for_kms_and_contradicts_aes():
    key = "arn:aws:kms:us-west-2:123456789012:key/1234"
    assert s3_terms(ExecutorSettings(s3_sse_kms_key_id=key)) == Terms(
        sse="aws:kms", sse_kms_key_id=key
    )
    with pytest.raises(PreflightError, match="uses no KMS key"):
        s3_terms(ExecutorSettings(s3_sse_kms_key_id=key, s3_sse="AES256"))
    assert s3_terms(ExecutorSettings()) == USUAL


def test_the_encryption_that_a_user_sets_wins_over_the_sites_other_one():
    mine = ExecutorSettings(s3_sse_kms_key_id="alias/mine")
    mine.take_site({"s3_sse": "AES256"})
    assert s3_terms(mine) == Terms(sse="aws:kms", sse_kms_key_id="alias/mine")
    plain = ExecutorSettings(s3_sse="AES256")
    plain.take_site({"s3_sse_kms_key_id": "alias/theirs"})
    assert s3_terms(plain) == Terms(sse="AES256")


def test_a_user_does_without_what_the_site_asks_for():
    mine = ExecutorSettings(s3_acl="none", s3_sse_kms_key_id="none")
    mine.take_site({"s3_acl": "private", "s3_sse_kms_key_id": "alias/site"})
    assert s3_terms(mine) == USUAL
