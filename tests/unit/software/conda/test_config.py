"""conda's configuration is read as conda reads it."""

from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.software.conda import config as configs
from snakemake_executor_plugin_hutchbatch.software.conda.config import Config, ConfigError


@pytest.fixture
def home(tmp_path):
    return tmp_path


def read(home, **variables):
    return configs.read({"HOME": str(home), **variables})


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_any_file_it_is_condas_own(home):
    assert read(home) == Config()


def test_the_search_path_is_condas(home):
    variables = {
        "HOME": "/h",
        "XDG_CONFIG_HOME": "/x",
        "CONDA_EXE": "/opt/conda/bin/conda",
        "CONDA_PREFIX": "/opt/conda/envs/a",
        "CONDARC": "/own/condarc",
    }
    found = [str(path) for path in configs.search_path(variables)]
    assert [path for path in found if path.endswith("condarc")] == [
        *("/etc/conda/.condarc", "/etc/conda/condarc"),
        *("/var/lib/conda/.condarc", "/var/lib/conda/condarc"),
        *("/opt/conda/.condarc", "/opt/conda/condarc"),
        *("/x/conda/.condarc", "/x/conda/condarc"),
        *("/h/.config/conda/.condarc", "/h/.config/conda/condarc"),
        *("/h/.conda/.condarc", "/h/.conda/condarc", "/h/.condarc"),
        *("/opt/conda/envs/a/.condarc", "/opt/conda/envs/a/condarc"),
        "/own/condarc",
    ]
    assert "/etc/conda/condarc.d" in found
    roots = ({"CONDA_ROOT": "/r"}, {"MAMBA_ROOT_PREFIX": "/r"})
    assert all(Path("/r/.condarc") in configs.search_path({"HOME": "/h", **r}) for r in roots)


def test_nearer_files_come_first_and_replace_single_values(home):
    write(home / ".conda/condarc", "channels: [far, both]\nchannel_alias: https://far/\n")
    write(home / ".condarc", "channels:\n  - near\n  - both\nchannel_alias: https://near/c/\n")
    write(home / "own", "channels: first\n")
    config = read(home, CONDARC=str(home / "own"))
    assert config.channels == ("first", "near", "both", "far")
    assert config.alias == "https://near/c"


def test_folders_of_files_are_read_in_order(home):
    write(home / ".conda/condarc.d/2.yml", "channel_alias: https://two\n")
    write(home / ".conda/condarc.d/1.yaml", "channel_alias: https://one\nchannels: [one]\n")
    write(home / ".conda/condarc.d/3.txt", "channel_alias: https://three\n")
    config = read(home)
    assert (config.alias, config.channels) == ("https://two", ("one",))


def test_variables_come_before_files(home):
    write(home / ".condarc", "channels: [file]\nchannel_alias: https://file\nssl_verify: true\n")
    config = read(
        home,
        CONDA_CHANNELS="one, two",
        CONDA_CHANNEL_ALIAS="https://variable/",
        CONDA_DEFAULT_CHANNELS="https://d/main,https://d/r",
        CONDA_CHANNEL_PRIORITY="disabled",
        CONDA_SSL_VERIFY="false",
        CONDA_ADD_PIP_AS_PYTHON_DEPENDENCY="0",
    )
    assert config.channels == ("one", "two", "file")
    assert config.alias == "https://variable"
    assert config.multi["defaults"] == ("https://d/main", "https://d/r")
    assert (config.strict, config.verify, config.python_has_pip) == (False, False, False)


def test_names_for_channels_and_places_are_read(home):
    write(
        home / ".condarc",
        """\
default_channels: [https://mirror/main]
custom_channels: {bioconda: https://mirror/b}
custom_multichannels:
  lab: [conda-forge, bioconda]
migrated_channel_aliases: [https://old/]
mirrored_channels:
  conda-forge: [https://m1/cf, https://m2/cf]
proxy_servers: {http: http://proxy:1, https: http://proxy:2, ftp: http://no}
""",
    )
    config = read(home)
    assert config.custom["bioconda"] == "https://mirror/b"
    assert config.custom["pkgs/main"] == "https://repo.anaconda.com"
    assert config.multi == {
        "lab": ("conda-forge", "bioconda"),
        "defaults": ("https://mirror/main",),
    }
    assert config.migrated == ("https://old",)
    assert config.mirrored == {"conda-forge": ("https://m1/cf", "https://m2/cf")}
    assert config.proxies == {"http": "http://proxy:1", "https": "http://proxy:2"}


@pytest.mark.parametrize(
    ("text", "verify", "authorities"),
    [
        ("ssl_verify: false", False, None),
        ("ssl_verify: no", False, None),
        ("ssl_verify: truststore", True, None),
        ("ssl_verify: /etc/ca.pem", True, "/etc/ca.pem"),
        ("", True, None),
    ],
)
def test_tls_is_as_conda_has_it(home, text, verify, authorities):
    write(home / ".condarc", text)
    config = read(home)
    assert (config.verify, config.authorities_file) == (verify, authorities)
    if authorities is None and verify:
        assert read(home, REQUESTS_CA_BUNDLE="/b.pem").authorities_file == "/b.pem"


@pytest.mark.parametrize(
    ("word", "strict"),
    [("strict", True), ("flexible", True), ("disabled", False), ("false", False)],
)
def test_only_a_priority_that_is_off_is_not_strict(home, word, strict):
    write(home / ".condarc", f"channel_priority: {word}\n")
    assert read(home).strict is strict


def test_variables_in_values_are_filled_in(home):
    write(home / ".condarc", "channels: ['https://${TOKEN}@h/$NAME', $UNSET]\n")
    assert read(home, TOKEN="t", NAME="n").channels == ("https://t@h/n", "$UNSET")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("channels: [", "cannot be read"),
        ("- a\n", "is no list of settings"),
        ("channel_alias: {a: b}", "channel_alias is no text"),
        ("custom_channels: [a]", "custom_channels is no mapping"),
        ("channels: [[a]]", "channels is no text"),
        ("# " + "x" * 1_000_000, "more than 1,000,000 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(home, text, why):
    path = write(home / ".condarc", text)
    with pytest.raises(ConfigError, match=why) as refused:
        read(home)
    assert str(path) in str(refused.value)


def test_an_empty_file_says_nothing(home):
    write(home / ".condarc", "# nothing\n")
    assert read(home) == Config()
