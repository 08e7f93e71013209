"""Logins that lie on this machine are found for the hosts of an environment's channels."""

import json

import pytest

from snakemake_executor_plugin_hutchbatch.software.conda import logins
from snakemake_executor_plugin_hutchbatch.software.conda.access import Access

BASIC = {"BasicHTTP": {"username": "me", "password": "pw"}}


@pytest.fixture
def home(tmp_path):
    stored = {
        "basic.org": BASIC,
        "*.wide.org": {"BearerToken": "b"},
        "token.org": {"CondaToken": "c"},
        "s3.org": {"S3Credentials": {}},
        "odd.org": 1,
    }
    (tmp_path / ".rattler").mkdir()
    (tmp_path / ".rattler/credentials.json").write_text(json.dumps(stored))
    (tmp_path / ".netrc").write_text(
        "machine netrc.org login you password n\nmachine basic.org login you password n\n"
    )
    (tmp_path / ".netrc").chmod(0o600)
    return tmp_path


def found(home, *urls, access=None, **variables):
    return logins.added(access or Access(), urls, {"HOME": str(home), **variables})


def test_rattlers_file_and_netrc_are_read(home):
    urls = [f"https://{host}/c/" for host in ("basic.org", "a.wide.org", "netrc.org", "x.org")]
    access = found(home, *urls, "http://token.org:81/c/", "https://s3.org/", "https://odd.org/")
    assert access.hosts == {
        "basic.org": BASIC,
        "a.wide.org": {"BearerToken": "b"},
        "netrc.org": {"BasicHTTP": {"username": "you", "password": "n"}},
    }
    assert access.tokens == {"http://token.org:81/": "http://token.org:81/t/c/"}


def test_what_stands_in_an_address_comes_first(home):
    mine = {"BasicHTTP": {"username": "i", "password": "x"}}
    given = Access({"https://token.org/c/": "https://token.org/t/mine/c/"}, {"basic.org": mine})
    assert found(home, "https://basic.org/c/", "https://token.org/c/", access=given) == given


def test_files_can_be_elsewhere(home, tmp_path):
    other, netrc = tmp_path / "other.json", tmp_path / "netrc"
    other.write_text(json.dumps({"a.org": BASIC}))
    netrc.write_text("machine b.org login you password n\n")
    netrc.chmod(0o600)
    access = found(
        home,
        *("https://a.org/", "https://b.org/", "https://basic.org/"),
        RATTLER_AUTH_FILE=str(other),
        NETRC=str(netrc),
    )
    assert set(access.hosts) == {"a.org", "b.org"}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a.org": {"BasicHTTP": 1}}'])
def test_files_that_cannot_be_read_are_none(home, content):
    (home / ".rattler/credentials.json").write_text(content)
    (home / ".netrc").write_text("machine")
    access = found(home, "https://b.org/c/")
    assert access == Access()
