"""conda's configuration as a submitted run takes it along: the same channels, and no login."""

import dataclasses

import pytest

from snakemake_executor_plugin_hutchbatch.software.conda import config, elsewhere, spec

CONDARC = """
channels:
  - lab
  - https://jdoe:pass-word-1@conda.example.org/private
  - https://conda.example.org/t/to-ken-2/other
channel_alias: https://mirror.example.org/t/${MIRROR_TOKEN}/conda
migrated_channel_aliases: [https://old.example.org/c]
default_channels: [https://mirror.example.org/main]
custom_channels:
  lab: https://jdoe:pass-word-1@lab.example.org/channels
custom_multichannels:
  both: [lab, https://conda.example.org/t/to-ken-2/other]
mirrored_channels:
  conda-forge: [https://mirror.example.org/t/to-ken-2/cf]
channel_priority: disabled
add_pip_as_python_dependency: false
proxy_servers:
  https: http://jdoe:pass-word-1@proxy.example.org:3128
"""
SECRETS = ("pass-word-1", "to-ken-2", "to-ken-3", "jdoe")
ENV = b"""
channels: [lab, conda-forge, both, defaults, "https://$LAB_HOST/x", "https://a:$LAB_KEY@b.org/y"]
dependencies: [tool]
"""
HERE = {"MIRROR_TOKEN": "to-ken-3", "LAB_HOST": "lab.example.org", "LAB_KEY": "to-ken-2"}


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.condarc").write_text(CONDARC)
    return tmp_path / "home"


def there(tmp_path, here, authorities=None):
    """What a Snakemake on another machine reads."""
    files = elsewhere.files(here, authorities, "TREE")
    for name, content in files.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    variables = {"HOME": str(tmp_path / "nobody"), "TREE": str(tmp_path / "tree")}
    return config.read({**variables, "CONDARC": str(tmp_path / "tree" / elsewhere.CONDARC)})


def test_an_environment_is_the_same_one_on_another_machine(home, tmp_path):
    here = config.read({**HERE, "HOME": str(home)})
    authorities = tmp_path / "ours.pem"
    authorities.write_text("PEM")
    here = dataclasses.replace(here, authorities_file=str(authorities))
    ours = spec.describe("a.yaml", ENV, None, None, here, False, HERE)
    assert ours.access.is_secret
    travels = elsewhere.variables({**HERE, "CONDA_OVERRIDE_CUDA": ""}, {}, ours.named)
    assert travels == {"LAB_HOST": "lab.example.org", "CONDA_OVERRIDE_CUDA": ""}
    theirs = spec.describe("a.yaml", ENV, None, None, there(tmp_path, here, "PEM"), False, travels)
    assert theirs.description == ours.description
    assert theirs.access.authorities == "PEM"


def test_no_login_goes_along(home, tmp_path):
    here = config.read({**HERE, "HOME": str(home)})
    sent = b"".join(elsewhere.files(here, None, "TREE").values()).decode()
    assert not [secret for secret in SECRETS if secret in sent]
    assert "proxy" not in sent
    pip = {"PIP_INDEX_URL": "https://jdoe:pass-word-1@pypi.example.org", "PIP_TIMEOUT": "9"}
    assert elsewhere.variables({}, pip, ()) == {"PIP_TIMEOUT": "9"}
    assert there(tmp_path, dataclasses.replace(here, verify=False)).verify is False


def test_without_configuration_conda_s_own_stands(tmp_path):
    plain = config.merged([], {})
    assert there(tmp_path, plain) == plain
