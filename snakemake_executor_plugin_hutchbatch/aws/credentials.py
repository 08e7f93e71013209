"""Credentials that expire during a run: looked for again, waited for, and used once renewed.

botocore reads keys of the environment and of ``~/.aws/credentials`` once and keeps them; those of
``aws sso login`` it refreshes until the login itself expires. Either way calls fail that would
succeed after a renewal, and jobs on Batch are not affected: they have their role's.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Mapping

import boto3
import botocore.session
from botocore.credentials import CredentialResolver, Credentials, ReadOnlyCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    SSOError,
    TokenRetrievalError,
)
from botocore.loaders import Loader, create_loader

from . import errors, timestamps

#: Seconds between two looks for new credentials.
LOOK_EVERY = 5.0
#: Seconds after which the request to renew them is repeated.
TELL_EVERY = 3600.0
#: What a refresh raises if only the user can renew them.
ENDED = (SSOError, TokenRetrievalError, CredentialRetrievalError)


class Renewal:
    """The credentials of this process, shared by the controller's clients and Snakemake's storage.

    Before ``begin`` nothing is waited for: credentials that expired before the run are an error at
    once. Thread-safe.
    """

    def __init__(
        self,
        resolver: Callable[[], CredentialResolver] = lambda: _chain(botocore.session.get_session()),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._clock = clock
        self._say: Callable[[str], None] | None = None
        self._sleep: Callable[[float], object] = time.sleep
        self._stopped: Callable[[], bool] = lambda: True
        self._lock = threading.Lock()
        self._held: Credentials | None = None
        self._reminded: float | None = None
        self._watcher: Callable[[str | None], None] = lambda _: None
        self._used = threading.local()

    def begin(
        self,
        say: Callable[[str], None],
        sleep: Callable[[float], object],
        stopped: Callable[[], bool],
    ) -> None:
        """From here on, new credentials are waited for if they have expired, until ``stopped``;
        ``sleep`` takes seconds."""
        self._say, self._sleep, self._stopped = say, sleep, stopped

    def watch(self, watcher: Callable[[str | None], None]) -> None:
        """``watcher`` takes, again and again while credentials are waited for, the sentence that
        says so, and None when they are renewed."""
        self._watcher = watcher

    def load(self) -> Credentials | None:
        """What botocore's own chain finds, and keeps; None if there are none."""
        with self._lock:
            if self._held is None:
                self._held = self._resolver().load_credentials()
            return Renewable(self) if self._held is not None else None

    @property
    def waits(self) -> bool:
        """Whether a run is under way, for which it is worth waiting."""
        return self._say is not None and not self._stopped()

    @property
    def has_begun(self) -> bool:
        """Whether there is a run, or was one."""
        return self._say is not None

    def tell(self, line: str) -> None:
        """Shows a line in the terminal, once there is a run."""
        if self._say is not None:
            self._say(line)

    @property
    def method(self) -> str:
        """Where the credentials were found, in botocore's words."""
        return str(getattr(self._held, "method", None) or "")

    @property
    def used(self) -> ReadOnlyCredentials | None:
        """The keys with which this thread's last request was signed."""
        return getattr(self._used, "keys", None)

    def frozen(self) -> ReadOnlyCredentials:
        """Keys for one request; waits if only the user can renew them. Without a run, raises what
        botocore raises."""
        waited = False
        while True:
            held = self._held
            assert held is not None  # noqa: S101 - ``load`` came before
            try:
                keys: ReadOnlyCredentials = held.get_frozen_credentials()
            except (*ENDED, ClientError) as error:
                if isinstance(error, ClientError) and not errors.is_expired(error):
                    raise
                if not self._look(None) and not self._wait():
                    raise
                waited = True
                continue
            if waited:
                self._renewed()
            self._used.keys = keys
            return keys

    def renew(self, ended: ReadOnlyCredentials | None) -> bool:
        """Whether there are other credentials than ``ended``, which AWS refuses as expired; waits
        for them. False without a run, or after its end."""
        while not self._look(ended):
            if not self._wait():
                return False
        self._renewed()
        return True

    def _renewed(self) -> None:
        """Says so, once, if they were waited for."""
        if self._reminded is not None:
            self._reminded = None
            self.tell("Your AWS credentials are renewed; the run goes on.")
            self._watcher(None)

    def _look(self, ended: ReadOnlyCredentials | None) -> bool:
        """Whether usable credentials other than ``ended`` are held or can be found now."""
        with self._lock:
            if _keys(self._held) not in (None, ended):
                return True
            resolver = self._resolver()
            found = self._quietly(resolver)
            if found is not None and found.method == "env" and _keys(found) == ended:
                # This process's variables cannot be renewed from outside; the files can.
                resolver.remove("env")
                found = self._quietly(resolver)
            if _keys(found) in (None, ended):
                return False
            self._held = found
            return True

    @staticmethod
    def _quietly(resolver: CredentialResolver) -> Credentials | None:
        try:
            return resolver.load_credentials()
        except (BotoCoreError, ClientError):
            return None

    def _wait(self) -> bool:
        if not self.waits:
            return False
        now = self._clock()
        if self._reminded is None or now - self._reminded > TELL_EVERY:
            self._reminded = now
            self.tell(sentence(os.environ))
        self._watcher(sentence(os.environ))
        self._sleep(LOOK_EVERY)
        return self.waits


class Renewable(Credentials):
    """What botocore's clients hold: the keys that ``Renewal`` has now."""

    def __init__(self, renewal: Renewal) -> None:
        self.renewal = renewal
        self.method = renewal.method

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return self.renewal.frozen()

    # Read-only, as those of botocore's own that refresh themselves should be.

    @property
    def access_key(self) -> str:  # type: ignore[override]
        return str(self.renewal.frozen().access_key)

    @property
    def secret_key(self) -> str:  # type: ignore[override]
        return str(self.renewal.frozen().secret_key)

    @property
    def token(self) -> str | None:  # type: ignore[override]
        return self.renewal.frozen().token

    @property
    def account_id(self) -> str | None:
        return getattr(self.renewal.frozen(), "account_id", None)


def sentence(environ: Mapping[str, str]) -> str:
    """How to renew credentials that have expired."""
    path = environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    profile = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    return (
        "Your AWS credentials have expired. Jobs on AWS Batch go on, and this run waits. Renew "
        f"them in another terminal: 'aws sso login', or new keys in {path} under [{profile}]. "
        "Leave Snakemake running; it goes on by itself."
    )


def _keys(credentials: Credentials | None) -> ReadOnlyCredentials | None:
    """The keys as they are now; None if there are none."""
    try:
        return credentials.get_frozen_credentials() if credentials is not None else None
    except (BotoCoreError, ClientError, RuntimeError):  # botocore's for keys that came expired
        return None


def _chain(session: botocore.session.Session) -> CredentialResolver:
    chain: CredentialResolver = session.get_component("credential_provider")
    return chain


class _Provider:
    """In place of botocore's chain: ``Session.get_credentials`` asks for ``load_credentials``."""

    def __init__(self, renewal: Renewal) -> None:
        self._renewal = renewal

    def load_credentials(self) -> Credentials | None:
        return self._renewal.load()


def session(renewal: Renewal) -> botocore.session.Session:
    """A botocore session whose clients sign with ``renewal``'s credentials."""
    made = botocore.session.get_session()
    made.register_component("credential_provider", _Provider(renewal))
    made.register_component("data_loader", _loader(made.get_config_variable("data_path")))
    timestamps.use(made)
    return made


@functools.cache
def _loader(data_path: str | None) -> Loader:
    """What reads AWS's service models: one for all sessions, as reading them twice takes a fifth of
    a second. ``data_path``: where the user has more of them."""
    return create_loader(data_path)


def share(renewal: Renewal) -> None:
    """Lets boto3's default session, which Snakemake's storage uses, sign with these credentials."""
    if boto3.DEFAULT_SESSION is None:
        boto3.setup_default_session(botocore_session=session(renewal))


#: This process's. Snakemake's storage makes its client before there is an executor.
RENEWAL = Renewal()
