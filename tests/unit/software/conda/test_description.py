"""What travels of an environment's files, and what its digest stands for."""

import json
from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.software.conda import description as descriptions
from snakemake_executor_plugin_hutchbatch.software.conda.description import (
    Description,
    DescriptionError,
    Pin,
)

SOLVED = Description(
    name="envs/a.yaml",
    channels=("https://conda.anaconda.org/conda-forge", "https://h:8443/c"),
    specs=("bwa=0.7", "https://h:8443/c::tool"),
    virtual=("__glibc=2.28=0", "__archspec=1=x86_64_v3"),
    pip=("a==1",),
    post_deploy="exit 0\n",
    variables={"A": "1"},
)
PINNED = Description("b", pins=(Pin("https://h/c/linux-64/a-1-0.conda", md5="a" * 32),))


@pytest.mark.parametrize("description", [SOLVED, PINNED])
def test_what_is_written_is_read_again(description):
    assert descriptions.loads(descriptions.dumps(description)) == description


def test_the_digest_stands_for_everything_but_the_name():
    assert replace(SOLVED, name="other").digest == SOLVED.digest
    different = [
        replace(SOLVED, channels=SOLVED.channels[::-1]),
        replace(SOLVED, specs=("bwa=0.7",)),
        replace(SOLVED, virtual=("__glibc=2.17=0",)),
        replace(SOLVED, strict=False),
        replace(SOLVED, pip=()),
        replace(SOLVED, post_deploy=None),
        replace(SOLVED, variables={}),
        PINNED,
        replace(PINNED, pins=()),
        replace(PINNED, pins=None),
    ]
    assert len({SOLVED.digest, *(each.digest for each in different)}) == 1 + len(different)
    assert len(SOLVED.digest) == 64


def test_the_addresses_are_those_that_logins_may_be_for():
    assert SOLVED.urls == ("https://conda.anaconda.org/conda-forge/", "https://h:8443/c/")
    assert PINNED.urls == ("https://h/c/linux-64/a-1-0.conda",)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"more": 1},
        {"platform": "osx-64"},
        {"name": 1},
        {"strict": 1},
        {"channels": ["https://u:p@h/c"]},
        {"channels": ["https://h/t/SECRET/c"]},
        {"channels": ["file:///c"]},
        {"channels": ["https://h/c"] * 201},
        {"specs": ["a\n"]},
        {"specs": ["a"] * 2001},
        {"pins": ["a"]},
        {"pins": [{"url": "https://h/t/SECRET/linux-64/a-1-0.conda"}]},
        {"virtual": ["__glibc"]},
        {"pip": ["a\nb"]},
        {"post_deploy": 1},
        {"variables": {"A B": "1"}},
    ],
)
def test_another_form_is_refused_without_secrets(change):
    content = json.dumps({**json.loads(descriptions.dumps(SOLVED)), **change}).encode()
    with pytest.raises(DescriptionError) as refused:
        descriptions.loads(content)
    assert "SECRET" not in str(refused.value)
