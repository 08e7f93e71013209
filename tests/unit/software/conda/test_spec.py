"""Env files as people write them."""

import pytest

from snakemake_executor_plugin_hutchbatch.software.conda import spec as specs
from snakemake_executor_plugin_hutchbatch.software.conda import virtual
from snakemake_executor_plugin_hutchbatch.software.conda.config import Config
from snakemake_executor_plugin_hutchbatch.software.conda.description import Pin
from snakemake_executor_plugin_hutchbatch.software.conda.spec import SpecError

ORG = "https://conda.anaconda.org"
PIN = "@EXPLICIT\nhttps://conda.anaconda.org/bioconda/linux-64/bwa-0.7.18-he4a0461_0.tar.bz2\n"


def described(text, pins=None, deploy=None, gpu=False, config=None, **variables):
    return specs.describe(
        "envs/a.yaml",
        text if isinstance(text, bytes) else text.encode(),
        pins and pins.encode(),
        deploy and deploy.encode(),
        config or Config(),
        gpu,
        {"HOME": "/nonexistent", **variables},
    )


def description(text, **more):
    return described(text, **more).description


def refusal(text, **more):
    with pytest.raises(SpecError) as refused:
        described(text, **more)
    said = str(refused.value)
    assert "\n" not in said
    return said


WHOLE = """\
name: somebody
prefix: /home/somebody/miniconda3/envs/somebody
channels:
  - conda-forge   # first
  - bioconda
dependencies:
  - python = 3.10
  - bwa =0.7.18
  - bioconda::samtools>=1.20,<2  # [linux]
  - https://h/c::own 1.10
  - pip
  - pip:
      - multiqc==1.21
      - --extra-index-url https://pypi.example.org/simple
      - git+https://github.com/me/tool.git@v1#egg=tool
      - other @ https://h/other-1.0.whl
variables:
  A: 1
  EMPTY:
"""


def test_all_sections_of_an_env_file_are_read():
    found = description(WHOLE, deploy="pip list\n")
    assert found.name == "envs/a.yaml"
    assert found.channels == (f"{ORG}/conda-forge", f"{ORG}/bioconda", "https://h/c")
    assert found.specs == (
        "python = 3.10",
        "bwa =0.7.18",
        f"{ORG}/bioconda::samtools>=1.20,<2",
        "https://h/c::own 1.10",
        "pip",
    )
    assert len(found.pip) == 4
    assert found.variables == {"A": "1", "EMPTY": ""}
    assert found.post_deploy == "pip list\n"
    assert found.virtual == virtual.packages(False, {})
    assert found.pins is None


def test_names_and_comments_do_not_change_what_it_is():
    other = WHOLE.replace("somebody", "x").replace("# first", "# only a comment")
    assert description(other).digest == description(WHOLE).digest
    assert description(WHOLE, gpu=True).digest != description(WHOLE).digest


def test_the_configurations_channels_come_after_the_files_own():
    config = Config(channels=("lab", "bioconda"))
    text = "channels: [bioconda]\ndependencies: [bwa]\n"
    assert description(text, config=config).channels == (f"{ORG}/bioconda", f"{ORG}/lab")
    alone = text.replace("[bioconda]", "[bioconda, nodefaults]")
    assert description(alone, config=config).channels == (f"{ORG}/bioconda",)
    none = "dependencies: [bwa]\n"
    assert description(none, config=config).channels == (f"{ORG}/lab", f"{ORG}/bioconda")
    assert description(none).channels == (f"{ORG}/conda-forge",)


def test_the_configuration_is_part_of_it():
    text = "channels: [conda-forge]\ndependencies: [python]\n"
    found = description(text, config=Config(strict=False, python_has_pip=False))
    assert (found.strict, found.python_has_pip) == (False, False)


def test_pip_is_installed_where_the_file_forgets_it():
    assert description("dependencies: [python, {pip: [a]}]").specs == ("python", "pip")
    for given in ("pip=23", "conda-forge::pip", "pip >=20"):
        found = description(f"dependencies: [{given!r}, {{pip: [a]}}]")
        assert len(found.specs) == 1


@pytest.mark.parametrize(
    "line",
    [
        "-r requirements.txt",
        "-rrequirements.txt",
        "--requirement=x.txt",
        "-c constraints.txt",
        "-e .",
        "--editable git+https://h/x",
        ".",
        "./tool",
        "../tool",
        "/home/me/tool.whl",
        "~/tool",
        "wheels/tool.whl",
        "tool @ file:///home/me/tool.whl",
        "--find-links wheels/",
        "--find-links=/data/wheels",
    ],
)
def test_files_of_this_machine_are_not_for_pip_in_a_job(line):
    said = refusal(f"dependencies: [pip, {{pip: [{line!r}]}}]")
    assert "names a file of this machine" in said


@pytest.mark.parametrize(
    "line",
    [
        "tool==1.0",
        "tool[extra]>=1,<2; python_version < '3.11'",
        "--index-url https://pypi.example.org/simple",
        "--find-links http://127.0.0.1:1/wheels/index.html",
        "--no-index",
        "--pre",
        "git+https://github.com/a/b@main",
        "https://h/a/tool-1.0-py3-none-any.whl",
        "tool-with-r-e-c",
    ],
)
def test_what_pip_gets_from_the_network_is_handed_on(line):
    text = f'dependencies:\n - pip\n - pip:\n   - "{line}"\n'
    assert description(text).pip == (line,)


def test_logins_do_not_stand_in_what_others_may_read(tmp_path):
    text = """\
channels: [https://h/t/$TOKEN/c, "https://me:SECRET2@b/d"]
dependencies: [x, "https://h/t/SECRET1/c::y"]
"""
    found = described(text, TOKEN="SECRET1")
    assert found.description.channels == ("https://h/c", "https://b/d")
    assert found.description.specs == ("x", "https://h/c::y")
    assert "SECRET" not in repr(found.description)
    assert found.access.tokens == {"https://h/c/": "https://h/t/SECRET1/c/"}
    assert set(found.access.hosts) == {"b"}
    assert "SECRET" not in refusal("dependencies: [{pip: ['--index-url https://a:SECRET@h/s']}]")


def test_logins_of_this_machine_are_found_for_its_channels(tmp_path):
    (tmp_path / ".netrc").write_text(
        "machine h login me password pw\nmachine other login me password pw\n"
    )
    (tmp_path / ".netrc").chmod(0o600)
    found = described("channels: [https://h/c]\ndependencies: [x]\n", HOME=str(tmp_path))
    assert set(found.access.hosts) == {"h"}


def test_authorities_travel_as_text(tmp_path):
    pem = tmp_path / "ca.pem"
    pem.write_text("PEM")
    assert described("dependencies: [x]", config=Config(verify=False)).access.verify is False
    there = Config(authorities_file=str(pem))
    assert described("dependencies: [x]", config=there).access.authorities == "PEM"
    said = refusal("dependencies: [x]", config=Config(authorities_file="/no/ca.pem"))
    assert "ssl_verify names /no/ca.pem" in said


# pins


def test_a_pin_file_comes_before_the_env_file():
    found = description(WHOLE, pins=PIN, deploy="exit 0")
    assert found.pins == (Pin(PIN.split()[1]),)
    assert found.post_deploy == "exit 0"
    assert (found.specs, found.pip, found.channels, found.virtual) == ((), (), (), ())
    # as with Snakemake, what the env file says does not matter then
    assert description("", pins=PIN, deploy="exit 0").digest == found.digest


def test_pins_are_looked_up_where_the_configuration_says():
    found = description(WHOLE, pins=PIN, config=Config(alias="https://mirror"))
    assert found.pins[0].url.startswith("https://mirror/bioconda/linux-64/bwa-")


@pytest.mark.parametrize("pins", ["bwa=1\n", "@EXPLICIT\nhttps://h/osx-64/a-1-0.conda\n"])
def test_a_pin_file_that_cannot_be_used_is_named(pins):
    assert refusal(WHOLE, pins=pins).startswith("envs/a.linux-64.pin.txt cannot be used: ")


# refusals


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("# only a comment\n", "it is empty"),
        ("- bwa\n", "no env file with dependencies:"),
        ("dependencies: [", "it is no YAML"),
        ("dependencies: {a: b}", "dependencies: is no list"),
        ("dependencies: [[a]]", "dependencies: has an item that is no text"),
        ("dependencies: [{conda: [a]}]", "has a section conda:"),
        ("dependencies: ['https://h/c/linux-64/a-1-0.conda']", "names a package by its address"),
        ("channels: {a: b}\ndependencies: []", "channels: is no list"),
        ("channels: [/data/c]\ndependencies: []", "is a folder of this machine"),
        ("dependencies: ['/data/c::x']", "is a folder of this machine"),
        ("variables: [a]\ndependencies: []", "variables: is no mapping"),
        ("variables: {A-B: c}\ndependencies: []", "no variables of a shell"),
        (b"\xff\xfe\x00", "is no text in UTF-8"),
        (b"#" * 2_000_001, "more than 2,000,000 bytes"),
    ],
)
def test_what_is_no_env_file_is_refused_with_a_sentence(text, why):
    said = refusal(text)
    assert said.startswith("envs/a.yaml ")
    assert why in said


def test_an_environment_of_nothing_is_one():
    assert description("dependencies: []\n").specs == ()
    assert description("channels: [conda-forge]\n").specs == ()
