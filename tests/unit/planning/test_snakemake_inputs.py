"""Which inputs a job under Snakemake finds fetched."""

from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_hutchbatch.planning.job_paths import JobPaths
from snakemake_executor_plugin_hutchbatch.planning.tasks import snakemake_inputs

WHERE = JobPaths("/WORK", ("/launch",))


class File(str):
    """One of Snakemake's files: in S3 at its name, unless it is told otherwise."""

    def __new__(cls, name, query=None, retrieve=True, is_storage=True, **settings):
        self = super().__new__(cls, name)
        self.is_storage = is_storage
        query = query or f"s3://b/p/{name}"
        self.storage_object = SimpleNamespace(
            query=query,
            bucket="b",
            key=query.removeprefix("s3://b/"),
            retrieve=retrieve,
            provider=SimpleNamespace(is_default=not settings, settings=SimpleNamespace(**settings)),
            hutchbatch_plain_path=lambda: f".snakemake/storage/s3/b/{name.lstrip('/')}",
        )
        return self


def job(*inputs, output=()):
    return SimpleNamespace(input=inputs, output=output, is_group=lambda: False)


def group(*jobs):
    return SimpleNamespace(jobs=jobs, is_group=lambda: True)


def test_inputs_in_s3_are_fetched_to_where_snakemake_looks_for_them():
    assert snakemake_inputs(job(File("in/a.txt"), File("/launch/b.txt")), {}, WHERE) == {
        "in/a.txt": "s3://b/p/in/a.txt",
        "b.txt": "s3://b/p//launch/b.txt",
    }
    # Outside of the launch folder Snakemake has its own place for it.
    found = snakemake_inputs(job(File("/fh/ref.fa")), {}, WHERE)
    assert list(found) == [".snakemake/storage/s3/b/fh/ref.fa"]


@pytest.mark.parametrize(
    "file",
    [
        File("local.txt", is_storage=False),
        File("web.txt", query="https://example.org/web.txt"),
        File("elsewhere.txt", endpoint_url="https://other.example.org"),
        File("stays.txt", retrieve=False),
    ],
    ids=str,
)
def test_what_snakemake_would_not_fetch_from_the_default_s3_is_left_to_it(file):
    assert snakemake_inputs(job(file), {}, WHERE) == {}


def test_what_a_group_makes_itself_is_not_fetched():
    first = job(File("a.txt"), output=[File("b.txt")])
    second = job(File("b.txt"), File("c.txt"), output=[File("d.txt")])
    assert list(snakemake_inputs(group(first, second), {}, WHERE)) == ["a.txt", "c.txt"]


def test_what_functions_open_comes_too_unless_it_lies_outside():
    also = {"/launch/x.txt": "s3://b/x", "/elsewhere/y.txt": "s3://b/y", "a.txt": "s3://b/p/a.txt"}
    found = snakemake_inputs(job(File("a.txt")), also, WHERE)
    assert found == {"a.txt": "s3://b/p/a.txt", "x.txt": "s3://b/x"}
