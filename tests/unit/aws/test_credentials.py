"""Credentials that end in mid-run: looked for, waited for, taken."""

import botocore.session
import pytest
from botocore.exceptions import UnauthorizedSSOTokenError

from snakemake_executor_plugin_hutchbatch.aws import credentials, errors
from snakemake_executor_plugin_hutchbatch.aws.credentials import Renewal

FILE = "[default]\naws_access_key_id = {0}\naws_secret_access_key = secret-{0}\n"


@pytest.fixture
def files(tmp_path, monkeypatch):
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def keys(renewing) -> str:
    return credentials.session(renewing).get_credentials().get_frozen_credentials().access_key


def begun(sleep, stopped=lambda: False):
    said = []
    renewing = Renewal()
    renewing.begin(said.append, sleep, stopped)
    return renewing, said


def test_without_credentials_there_are_none(files):
    assert credentials.session(Renewal()).get_credentials() is None


def test_new_keys_in_the_file_take_the_place_of_the_ended_ones(files):
    path = files / "credentials"
    path.write_text(FILE.format("AKIAOLD"))
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            path.write_text(FILE.format("AKIANEW"))

    renewing, said = begun(sleep)
    seen = []
    renewing.watch(seen.append)
    assert keys(renewing) == "AKIAOLD"
    assert renewing.renew(renewing.used)
    assert keys(renewing) == "AKIANEW"
    assert len(said) == 2, "said once that they have ended, once that they are renewed"
    assert str(path) in said[0]
    # At each look, so that the run shows signs of life.
    assert seen == [said[0]] * 3 + [None]


def test_keys_of_the_environment_give_way_to_those_of_the_file(files, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    renewing, _ = begun(lambda _: (files / "credentials").write_text(FILE.format("AKIAFILE")))
    assert keys(renewing) == "AKIAENV"
    assert renewing.renew(renewing.used)
    assert keys(renewing) == "AKIAFILE"


def test_before_a_run_and_after_ctrl_c_nothing_is_waited_for(files):
    (files / "credentials").write_text(FILE.format("AKIAOLD"))
    early = Renewal()
    keys(early)
    assert not early.renew(early.used)
    over = []
    late, _ = begun(over.append, lambda: bool(over))
    keys(late)
    assert not late.renew(late.used)
    assert len(over) == 1


def test_what_another_thread_renewed_is_taken_without_a_wait(files):
    path = files / "credentials"
    path.write_text(FILE.format("AKIAOLD"))
    renewing, said = begun(lambda _: pytest.fail("it waited"))
    keys(renewing)
    ended = renewing.used
    path.write_text(FILE.format("AKIANEW"))
    assert renewing.renew(ended)
    assert renewing.renew(ended)
    assert said == []


class Login:
    """Credentials of a login that ended, until it is renewed."""

    method = "sso"

    def __init__(self, ends_after):
        self.tries, self.ends_after = 0, ends_after

    def get_frozen_credentials(self):
        self.tries += 1
        if self.tries <= self.ends_after:
            raise UnauthorizedSSOTokenError
        return botocore.credentials.ReadOnlyCredentials("ASIALOGIN", "s", "t")


class Chain:
    def __init__(self, found):
        self.found = found

    def load_credentials(self):
        return self.found


def test_a_login_that_ended_is_waited_for():
    login, said = Login(5), []
    renewing = Renewal(lambda: Chain(login))
    renewing.begin(said.append, lambda _: None, lambda: False)
    assert renewing.load().access_key == "ASIALOGIN"
    assert len(said) == 2, "and that it is renewed"
    assert "aws sso login" in said[0]


def test_before_a_run_a_login_that_ended_is_reported():
    credentials = Renewal(lambda: Chain(Login(1000))).load()
    with pytest.raises(UnauthorizedSSOTokenError) as raised:
        credentials.get_frozen_credentials()
    assert "aws sso login" in errors.explain(raised.value, "reading the Batch queues")
