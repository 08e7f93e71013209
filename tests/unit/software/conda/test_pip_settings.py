"""What pip is set to here holds for the pip of environments that are built elsewhere."""

import subprocess

from snakemake_executor_plugin_hutchbatch.software.conda import access, pip_settings
from snakemake_executor_plugin_hutchbatch.software.conda.access import Access

LISTED = """\
global.index-url='https://of-all/simple'
global.cert='/etc/ssl/own.crt'
global.extra-index-url='\\nhttps://one/simple\\nhttps://two/simple file:///here'
global.timeout='60'
install.index-url='https://of-install/simple'
install.no-binary='a,b'
install.find-links='/wheels https://wheels'
freeze.timeout='1'
:env:.timeout='5'
:env:.disable-pip-version-check='1'
no line of it
global.pre=no literal
"""


def test_settings_that_say_where_packages_are_from_come_along_as_variables():
    assert pip_settings.variables(LISTED.splitlines()) == {
        "PIP_INDEX_URL": "https://of-install/simple",
        "PIP_EXTRA_INDEX_URL": "https://one/simple https://two/simple",
        "PIP_NO_BINARY": "a,b",
        "PIP_FIND_LINKS": "https://wheels",
        "PIP_TIMEOUT": "5",
    }


def test_they_are_what_pip_itself_says(monkeypatch, tmp_path):
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://in.file/simple\ntrusted-host = in.file\n")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_INDEX_URL", "https://of.variable/simple")
    found = pip_settings.of_this_machine()
    assert found["PIP_INDEX_URL"] == "https://of.variable/simple"
    assert found["PIP_TRUSTED_HOST"] == "in.file"


def test_without_pip_there_are_none(monkeypatch):
    def fails(*_, **__):
        raise OSError

    monkeypatch.setattr(subprocess, "run", fails)
    assert pip_settings.of_this_machine() == {}


def test_they_travel_with_the_logins_as_they_may_hold_some():
    plain = Access(pip={"PIP_INDEX_URL": "https://pip/simple"})
    secret = Access(pip={"PIP_INDEX_URL": "https://me:pw-SECRET@pip/simple"})
    assert (plain.is_secret, secret.is_secret) == (False, True)
    assert access.loads(access.dumps(secret)) == secret
    assert secret.for_urls([]).pip == secret.pip
    said = secret.hidden("Looking in indexes: https://me:pw-SECRET@pip/simple")
    assert "SECRET" not in said
