"""Parameters are those that Snakemake finds, looked up once for each function."""

import functools
import inspect

import pytest
from snakemake import common

from snakemake_executor_plugin_hutchbatch.snakemake_patches import signatures


def resource(wildcards, input, attempt=1, **more):
    return attempt


def overwritten(*args, **kwargs):
    return 1


common.overwrite_function_params(overwritten, ["wildcards", "output"])


@pytest.mark.parametrize(
    "func",
    [resource, overwritten, functools.partial(resource, "w"), len],
    ids=["function", "overwritten", "partial", "builtin"],
)
def test_parameters_are_snakemakes_own(func):
    found = signatures.get_function_params(common.get_function_params)(func)
    if func is overwritten:
        assert list(found) == ["wildcards", "output"]
    else:
        assert found == inspect.signature(func).parameters


def test_each_function_is_looked_at_once(monkeypatch):
    def plain(func):
        raise AssertionError

    asked = []
    signature = inspect.signature
    monkeypatch.setattr(inspect, "signature", lambda func: asked.append(func) or signature(func))
    find = signatures.get_function_params(plain)

    def of_a_job(wildcards, attempt):
        return attempt

    assert list(find(of_a_job)) == list(find(of_a_job)) == ["wildcards", "attempt"]
    assert asked == [of_a_job]
