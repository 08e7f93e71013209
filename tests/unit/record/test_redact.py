"""Secrets of a run are not kept."""

from dataclasses import dataclass

import pytest

from snakemake_executor_plugin_hutchbatch.record import redact
from snakemake_executor_plugin_hutchbatch.record.redact import discreet, discreet_command


@pytest.mark.parametrize("secret", ["hunter2", "it's = a secret", "--like-an-option"])
@pytest.mark.parametrize(
    "option",
    ["--storage-s3-secret-key", "--storage-s3-access-key", "--x-token", "--storage-s3-secret"],
)
def test_values_of_secret_options_are_left_out(secret, option):
    rest = ["--quiet", "all"]
    assert discreet(["-j", "5", option, secret, *rest]) == ["-j", "5", option, "…", *rest]
    assert discreet([f"{option}={secret}", *rest]) == [f"{option}=…", *rest]
    assert discreet([option]) == [option]
    # Settings of several storages of one kind: tag:value.
    assert discreet([option, secret, "b:x", *rest]) == [option, "…", "…", *rest]


def test_other_arguments_are_kept():
    kept = ["--hutchbatch-secrets", "KEY=arn:aws:ssm:x", "--storage-s3-region=us-west-2", "token"]
    kept += ["--config", "samples=a.tsv", "max_tokens=7", "use_token=true", "key=sample"]
    assert discreet(kept) == kept


def test_secrets_of_config_and_addresses_are_left_out():
    given = ["--config", "token=it's a\nsecret", "db={user: me, password: x}", "n=1"]
    given += ["-s", "https://me:pw@git.org/Snakefile"]
    shown = ["--config", "token=…", "db={user: me, password: …}", "n=1"]
    shown += ["-s", "https://me:…@git.org/Snakefile"]
    assert discreet(given) == shown


def test_a_command_that_an_older_record_holds_is_shown_without_them():
    command = "snakemake --config 'token=it'\"'\"'s a secret' --storage-x-password p -j 5"
    assert discreet_command(command) == (
        "snakemake --config 'token=…' --storage-x-password '…' -j 5"
    )
    assert discreet_command("no shell's text token=abc") == "no shell's text token=…"


@dataclass
class Settings:
    access_key: str = "AKexample"
    password: str | None = None
    endpoint_url: str = "http://somewhere"


def test_what_is_known_of_a_run_goes_out_of_every_text(tmp_path):
    config = {"a": {"token": "sekrit99"}, "password": 12345678, "more": [{"api_key": "k/k k&k"}]}
    config["use_token"] = True
    for _ in range(100):  # as YAML's aliases may make it
        config = {"a": config, "b": config}
    config["itself"] = config
    config["secret"] = "short"
    config["private_key"] = str(tmp_path)
    environment = {"GITHUB_TOKEN": "ghx12345", "PATH": "/some/path", "PWD": "/home/me"}
    arguments = ["--config", "token=hunter2", "--storage-x-token", "zzzzzzzz"]
    hide = redact.of_run(config, [Settings()], environment, arguments)
    for secret in ("sekrit99", "12345678", "k/k k&k", "k%2Fk%20k%26k", "ghx12345", "hunter2"):
        assert hide(f"curl -d {secret} x") == "curl -d … x"
    assert hide("zzzzzzzz AKexample") == "… …"
    kept = f"short true /some/path /home/me http://somewhere {tmp_path}"
    assert hide(kept) == kept
    assert hide.holds('{"command": "curl k/k k&k"}')
    assert not hide.holds('{"command": "curl"}')
