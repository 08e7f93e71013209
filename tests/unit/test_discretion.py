"""Secrets of a command line are not kept."""

import pytest

from snakemake_executor_plugin_hutchbatch.discretion import discreet


@pytest.mark.parametrize("secret", ["hunter2", "it's = a secret", "--like-an-option"])
@pytest.mark.parametrize(
    "option", ["--storage-s3-secret-key", "--storage-s3-access-key", "--x-token"]
)
def test_values_of_secret_options_are_left_out(secret, option):
    rest = ["--quiet", "all"]
    assert discreet(["-j", "5", option, secret, *rest]) == ["-j", "5", option, "…", *rest]
    assert discreet([f"{option}={secret}", *rest]) == [f"{option}=…", *rest]
    assert discreet([option]) == [option]


def test_other_arguments_are_kept():
    kept = ["--hutchbatch-secrets", "KEY=arn:aws:ssm:x", "--storage-s3-region=us-west-2", "token"]
    assert discreet(kept) == kept
