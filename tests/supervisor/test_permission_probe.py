"""What the doctor's job finds out about the permissions of its role."""

from __future__ import annotations

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import permission_probe
from snakemake_executor_plugin_hutchbatch.supervisor.errors import Failure
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Cause
from snakemake_executor_plugin_hutchbatch.supervisor.s3 import S3, S3Error

from .conftest import Store
from .test_s3 import KEYS


class Denying(S3):
    """S3 whose policy refuses some requests to a role."""

    def __init__(self, endpoint: str, denied: dict[tuple[str, bool], int]) -> None:
        super().__init__({**KEYS, "AWS_ENDPOINT_URL": endpoint})
        self.denied = denied

    def request(self, method, bucket, key="", *args, **named):  # type: ignore[no-untyped-def]
        status = self.denied.get((method, bool(key)))
        if status:
            error = S3Error(status, "AccessDenied")
            error.role = "ecsInstanceRole"
            raise error
        return super().request(method, bucket, key, *args, **named)


@pytest.mark.parametrize(
    ("denied", "actions"),
    [
        ({}, []),
        ({("GET", False): 403}, ["s3:ListBucket"]),
        ({("GET", True): 403, ("DELETE", True): 403}, ["s3:GetObject", "s3:DeleteObject"]),
        # Where nothing can be stored, reading finds nothing: that is permitted.
        ({("PUT", True): 403}, ["s3:PutObject"]),
    ],
)
def test_what_the_role_may_not_is_named(
    endpoint: str, store: Store, denied: dict[tuple[str, bool], int], actions: list[str]
) -> None:
    place = store.url("folder/")
    try:
        permission_probe.check(Denying(endpoint, denied), (place,), "probe")
    except Failure as failure:
        assert failure.cause is Cause.DENIED
        assert failure.facts.role == "ecsInstanceRole"
        found = list(failure.facts.files)
    else:
        found = []
    assert found == [f"{action} {place}" for action in actions]
    assert store.keys("folder/") == (["folder/probe"] if "s3:DeleteObject" in actions else [])


def test_another_error_is_no_missing_permission(endpoint: str, store: Store) -> None:
    with pytest.raises(S3Error):
        denied = {("GET", True): 400}
        permission_probe.check(Denying(endpoint, denied), (store.url("folder/"),), "probe")
