"""Pin files, as conda and snakedeploy write them."""

import pytest

from snakemake_executor_plugin_hutchbatch.software.conda import pins
from snakemake_executor_plugin_hutchbatch.software.conda.description import Pin
from snakemake_executor_plugin_hutchbatch.software.conda.pins import PinError

URL = "https://conda.anaconda.org/bioconda/linux-64/bwa-0.7.18-he4a0461_0.tar.bz2"
OTHER = "https://conda.anaconda.org/conda-forge/noarch/tzdata-2024a-h0c530f3_0.conda"
HEAD = """\
# This file may be used to create an environment using:
# $ conda create --name <env> --file <this file>
# platform: linux-64
# created-by: conda 24.7.1
@EXPLICIT
"""


def test_urls_with_and_without_hashes_are_read():
    text = f"{HEAD}{URL}\n\n  {OTHER}#{'A' * 32}  \n"
    assert pins.parse(text) == (Pin(URL), Pin(OTHER, md5="a" * 32))
    for hashed in ("b" * 64, "sha256:" + "b" * 64):
        assert pins.parse(f"{HEAD}{URL}#{hashed}") == (Pin(URL, sha256="b" * 64),)


def test_an_empty_list_is_an_environment_of_nothing():
    assert pins.parse(HEAD) == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (URL, "no line @EXPLICIT"),
        ("bwa=0.7.18\n", "line 1: it is no http"),
        ("@EXPLICIT\n# platform: osx-arm64\n", "it is for osx-arm64"),
        ("@EXPLICIT\n/home/me/bwa-0.7.18-0.conda\n", "line 2: it is no http"),
        ("@EXPLICIT\nfile:///home/me/bwa-0.7.18-0.conda\n", "line 2: it is no http"),
        (f"@EXPLICIT\n{URL}#abc\n", "line 2: what follows # is neither an MD5"),
        ("@EXPLICIT\nhttps://h/c/linux-64/bwa.zip\n", "line 2: it does not end with the name"),
        ("@EXPLICIT\nhttps://h/c/linux-64/bwa-1.conda\n", "line 2: it does not end with the name"),
        ("@EXPLICIT\nhttps://h/c/osx-64/a-1-0.conda\n", "line 2: it is a package for osx-64"),
        (f"@EXPLICIT\n{URL}\n{URL.replace('0.7.18', '0.7.17')}\n", "it names bwa twice"),
    ],
)
def test_what_is_no_pin_file_for_jobs_is_refused(text, why):
    with pytest.raises(PinError, match=why):
        pins.parse(text)


def test_names_versions_and_builds_come_from_the_address():
    assert pins.parts(URL) == ("bwa", "0.7.18", "he4a0461_0")
    quoted = "https://h/c/noarch/a-b-c-1%212.0-py_0.conda"
    assert pins.parts(quoted) == ("a-b-c", "1!2.0", "py_0")


def test_what_the_channel_says_completes_a_pin():
    package = pins.locked(Pin(URL, md5="a" * 32), "b" * 64, "a" * 32, 10)
    assert (package.sha256, package.md5, package.size) == ("b" * 64, "a" * 32, 10)
    with pytest.raises(PinError, match="another content"):
        pins.locked(Pin(URL, md5="a" * 32), "b" * 64, "c" * 32, 10)
