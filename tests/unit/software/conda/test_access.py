"""Logins for channels travel apart from what others may read."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.software.conda import access as accesses
from snakemake_executor_plugin_hutchbatch.software.conda.access import Access, AccessError

ACCESS = Access(
    tokens={
        "https://h/": "https://h/t/ONE/",
        "https://h/deep/": "https://h/deep/t/TWO/",
    },
    hosts={
        "basic.org": {"BasicHTTP": {"username": "me", "password": "THREE"}},
        "bearer.org": {"BearerToken": "FOUR"},
    },
    verify=False,
    authorities="-----BEGIN CERTIFICATE-----\n",
)


def test_what_is_written_is_read_again():
    assert accesses.loads(accesses.dumps(ACCESS)) == ACCESS
    assert accesses.loads(accesses.dumps(Access())) == Access()


def test_an_address_gets_the_token_of_its_longest_prefix_and_loses_it_again():
    pairs = {
        "https://h/c/linux-64/a-1-0.conda": "https://h/t/ONE/c/linux-64/a-1-0.conda",
        "https://h/deep/c/x": "https://h/deep/t/TWO/c/x",
        "https://other/c/x": "https://other/c/x",
    }
    assert {plain: ACCESS.url(plain) for plain in pairs} == pairs
    assert {ACCESS.plain(url) for url in pairs.values()} == set(pairs)


def test_headers_of_logins():
    assert ACCESS.headers("https://basic.org/c/x") == {"Authorization": "Basic bWU6VEhSRUU="}
    assert ACCESS.headers("https://bearer.org:8443/c/x") == {"Authorization": "Bearer FOUR"}
    assert ACCESS.headers("https://h/c/x") == {}


def test_messages_do_not_show_secrets():
    said = ACCESS.hidden("https://h/t/ONE/c and https://h/deep/t/TWO/, THREE or FOUR")
    assert said == "https://h/t/***/c and https://h/deep/t/***/, *** or ***"


def test_a_job_gets_only_what_its_channels_need():
    one = ACCESS.for_urls(["https://h/c/", "https://bearer.org/d/"])
    assert list(one.tokens) == ["https://h/"]
    assert list(one.hosts) == ["bearer.org"]
    assert one.authorities == ACCESS.authorities
    assert one.is_secret
    none = ACCESS.for_urls(["https://conda.anaconda.org/bioconda/"])
    assert not none.is_secret
    assert not none.verify


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"more": 1}',
        b'{"tokens": []}',
        b'{"tokens": {"a": 1}}',
        b'{"hosts": {"h": {}}}',
        b'{"hosts": {"h": {"BasicHTTP": {"username": "SECRET"}}}}',
        b'{"hosts": {"h": {"BearerToken": "SECRET", "more": 1}}}',
        b'{"hosts": {"h": {"S3Credentials": {}}}}',
        b'{"verify": 1}',
        b'{"authorities": 1}',
        b" " * 1_000_001,
    ],
)
def test_what_is_not_written_by_it_is_refused_without_being_shown(content):
    with pytest.raises(AccessError) as refused:
        accesses.loads(content)
    assert "SECRET" not in str(refused.value)


@given(st.binary(max_size=40))
def test_whatever_comes_only_its_own_error_is_raised(content):
    with contextlib.suppress(AccessError):
        accesses.loads(content)
