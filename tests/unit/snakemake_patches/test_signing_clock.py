"""botocore signs by the clock that sets itself by AWS's."""

from datetime import UTC, datetime, timedelta

import botocore.auth

from snakemake_executor_plugin_hutchbatch.aws.client_hooks import CLOCK
from snakemake_executor_plugin_hutchbatch.snakemake_patches import apply, table


def test_botocore_signs_by_it(monkeypatch):
    monkeypatch.setattr(botocore.auth, "get_current_datetime", botocore.auth.get_current_datetime)
    monkeypatch.setattr(CLOCK, "_now", lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))
    monkeypatch.setattr(CLOCK, "ahead", timedelta(hours=1))
    [patch] = [patch for patch in table.RUN if patch.module == "botocore.auth"]
    apply._replace(patch)
    request = botocore.awsrequest.AWSRequest("GET", "https://s3.us-west-2.amazonaws.com/b/k")
    keys = botocore.credentials.ReadOnlyCredentials("AKIA", "secret", None)
    botocore.auth.SigV4Auth(keys, "s3", "us-west-2").add_auth(request)
    assert request.headers["X-Amz-Date"] == "20260301T130000Z"
