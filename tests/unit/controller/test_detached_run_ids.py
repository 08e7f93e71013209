"""Which detached runs there are."""

from types import SimpleNamespace

from snakemake_executor_plugin_hutchbatch.controller import detached_runs
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout


def test_of_many_the_newest_are_listed(monkeypatch):
    """S3 lists them in the order of their names, which begin with the time."""
    monkeypatch.setattr(detached_runs, "MOST", 3)
    names = [f"2026113{n}-000000-aaaaaa" for n in range(9)]

    def paginate(PaginationConfig, **_):
        for name in names[: PaginationConfig["MaxItems"]]:
            yield {"CommonPrefixes": [{"Prefix": f"w/detached/{name}/"}]}

    s3 = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=paginate))
    assert detached_runs.ids(s3, WorkLayout("s3://b/w/")) == names[:-4:-1]
