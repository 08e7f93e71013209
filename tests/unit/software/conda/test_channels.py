"""Channels' names and addresses become plain addresses, and logins apart from them."""

import pytest

from snakemake_executor_plugin_hutchbatch.software.conda.channels import Addresses, ChannelError
from snakemake_executor_plugin_hutchbatch.software.conda.config import Config

ORG = "https://conda.anaconda.org"


def addresses(**config):
    return Addresses(Config(**config))


def one(name, **config):
    (found,) = addresses(**config).channels([name])
    return found


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("conda-forge", f"{ORG}/conda-forge"),
        (" bioconda/ ", f"{ORG}/bioconda"),
        ("conda-forge/label/rust_dev", f"{ORG}/conda-forge/label/rust_dev"),
        ("conda-forge/linux-64", f"{ORG}/conda-forge"),
        ("pkgs/main", "https://repo.anaconda.com/pkgs/main"),
        ("https://h:8443/a/b/", "https://h:8443/a/b"),
        ("https://h/a/noarch", "https://h/a"),
        ("http://h/a b", "http://h/a%20b"),
        ("https://h/a%20b", "https://h/a%20b"),
    ],
)
def test_a_channel_is_where_conda_looks_for_it(name, url):
    assert one(name) == url


def test_a_name_for_several_stands_for_all_of_them_in_order():
    main, r = (f"https://repo.anaconda.com/pkgs/{name}" for name in ("main", "r"))
    assert addresses().channels(["conda-forge", "defaults", main]) == (
        f"{ORG}/conda-forge",
        main,
        r,
    )


def test_places_of_channels_can_be_others():
    config = {
        "alias": "https://alias/c",
        "custom": {"bioconda": "https://custom/x"},
        "mirrored": {"conda-forge": ("https://m1/cf/", "https://m2/cf")},
        "multi": {"lab": ("bioconda", "r", "https://h/own")},
    }
    assert one("r", **config) == "https://alias/c/r"
    assert one("bioconda", **config) == "https://custom/x/bioconda"
    assert one("bioconda/label/main", **config) == "https://custom/x/bioconda/label/main"
    assert one("conda-forge", **config) == "https://m1/cf"
    assert addresses(**config).channels(["lab"]) == (
        "https://custom/x/bioconda",
        "https://alias/c/r",
        "https://h/own",
    )


def test_full_addresses_at_anaconda_are_looked_up_at_the_alias_too():
    alias = {"alias": "https://mirror/conda"}
    assert one(f"{ORG}/bioconda", **alias) == "https://mirror/conda/bioconda"
    pin = f"{ORG}/conda-forge/noarch/tzdata-2024a-h0_0.conda"
    assert addresses().package(pin) == pin
    assert (
        addresses(**alias).package(pin)
        == "https://mirror/conda/conda-forge/noarch/tzdata-2024a-h0_0.conda"
    )
    assert one("https://old/x", migrated=("https://old",)) == f"{ORG}/x"
    assert one("https://other/x", **alias) == "https://other/x"


def test_tokens_and_passwords_are_kept_apart():
    found = addresses(alias="https://h/conda/t/ONE")
    assert found.channels(["lab", "https://me:p%40w@b/c", "https://h2/t/TWO/x"]) == (
        "https://h/conda/lab",
        "https://b/c",
        "https://h2/x",
    )
    access = found.access()
    assert access.tokens == {
        "https://h/conda/lab/": "https://h/conda/t/ONE/lab/",
        "https://h2/x/": "https://h2/t/TWO/x/",
    }
    assert access.hosts == {"b": {"BasicHTTP": {"username": "me", "password": "p@w"}}}


def test_a_pin_with_a_token_is_a_plain_address_and_a_login():
    found = addresses()
    pin = f"{ORG}/t/TOKEN/lab/linux-64/x-1-0.conda"
    assert found.package(pin) == f"{ORG}/lab/linux-64/x-1-0.conda"
    assert found.access().url(found.package(pin)) == pin
    # the token is for another place
    elsewhere = addresses(alias="https://mirror")
    assert elsewhere.package(pin) == "https://mirror/lab/linux-64/x-1-0.conda"
    assert not elsewhere.access().is_secret


@pytest.mark.parametrize(
    "name", ["/data/channel", "./channel", "~/c", "file:///c", "local", "ftp://h/c", "a?b=c"]
)
def test_what_a_job_cannot_reach_is_refused(name):
    with pytest.raises(ChannelError, match="its channel"):
        addresses(alias="ftp://x" if name == "local" else ORG).channels([name])


def test_refusals_show_no_login():
    with pytest.raises(ChannelError) as refused:
        one("ftp://me:SECRET@h/c")
    assert "SECRET" not in str(refused.value)


def test_two_logins_for_one_place_are_refused():
    with pytest.raises(ChannelError, match="different logins"):
        addresses().channels(["https://a:1@h/x", "https://b:2@h/y"])
    with pytest.raises(ChannelError, match="two different tokens"):
        addresses().channels(["https://h/t/A/x", "https://h/t/B/x"])
