"""The local cloud as a whole: starts, uses and stops its endpoints."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from .batch import BatchConfig, BatchService, build_batch_app
from .environment import applied, endpoints, person, script
from .hosts.choice import Containers, LocalHost, choose_host
from .hosts.machine import machine
from .hosts.terminal import print_message
from .kept import SCRIPT, Kept, write_private
from .services.callers import Keys
from .services.front import Front
from .services.log_store import LogStore
from .services.logs import LogsApi
from .services.metadata import PREFIX, metadata_app
from .services.s3_process import S3Process
from .services.s3_storage import create_bucket
from .services.servers import ServerThread

BUCKET = "hutchbatch"
#: AWS's rate for SubmitJob (https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html);
#: of other operations it is not known.
CALLS_PER_SECOND = 50.0


class DirectoryInUse(RuntimeError):
    """Another local cloud uses the folder, or it belongs to another user."""


class LocalCloud:
    """S3, Batch, CloudWatch Logs, STS and EC2's spot prices on loopback; jobs run on this machine.

    As a context manager::

        with LocalCloud(tmp_path) as cloud:
            subprocess.run(command, env=cloud.environment_for(os.environ))

    ``directory`` contains buckets (``s3/``), output (``logs/``), the "host"'s folders
    (``hosts/``, emptied at the next start), and what stays for the next start (``kept.py``).
    Jobs are processes of this machine or, with ``containers``, containers of their images (see
    ``local/hosts/choice.py``). With ``isolate=False`` processes run without namespaces even where
    those are allowed.
    ``capacity`` is what jobs can use at once: vCPUs and MiB, by default the machine's own.
    ``launched_in`` is the user's working folder: it is hidden from jobs if the system permits.
    ``host`` runs the jobs instead, for example a simulated one.
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        say: Callable[[str], None] = print_message,
        isolate: bool = True,
        containers: Containers = "none",
        config: BatchConfig | None = None,
        capacity: tuple[int, int] | None = None,
        host: LocalHost | None = None,
        launched_in: Path | None = None,
    ) -> None:
        self.directory = Path(directory).resolve()
        self.bucket_dir = self.directory / "s3" / BUCKET
        self.config = config or BatchConfig(calls_per_second=CALLS_PER_SECOND)
        self._say = say
        self._isolate = isolate
        self._containers: Containers = containers
        self._given_host = host
        self._launched_in = launched_in
        self._capacity = capacity or machine()
        self._ends = ExitStack()
        self._stopping = False
        self._kept = Kept.load(self.directory)
        self.user, self.token = self._kept.user, self._kept.token
        #: The user's keys after renewing them.
        self.renewed = Keys.random("user")
        #: Of jobs: with a job role, and with their machine's.
        self.role, self.machine = Keys.random("role"), Keys.random("machine")

    # --- life ---

    def start(self) -> Self:
        """Starts everything; if that fails, stops what has started and raises."""
        self._take_directory()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        create_bucket(self.directory / "s3", BUCKET)
        keys = (self.user, self.renewed, self.role, self.machine)
        self.s3 = S3Process(self.directory / "s3", self.config.region, keys, self._kept.s3_port)
        self._ends.callback(self.s3.stop)
        store = LogStore(self.directory / "logs")
        self.host = self._given_host or choose_host(
            self._containers,
            self.directory,
            self._say,
            self._isolate,
            self._launched_in,
            os.environ.get("PATH", ""),
        )
        self._ends.callback(self.host.close)
        self.batch = BatchService(
            self.config,
            self.host,
            lambda stream, line: store.append(self.batch.log_group(stream), stream, line),
            say=self._say,
            machine=self._capacity,
            has_group=store.has_group,
        )
        front = Front(
            build_batch_app(self.batch),
            LogsApi(store, self.config.region, self.batch.service_faults),
            keys,
            self.role,
            self.token,
            self.batch.service_faults,
            metadata_app(
                self.batch.attempt,
                secrets.token_urlsafe(24),
                self.machine,
                self.batch.service_faults,
                self.config.region,
            ),
            self.config.region,
        )
        self.server = ServerThread(front, "Batch", self._say, self._kept.port)
        self._ends.callback(self.server.stop)
        self.batch.metadata_url = f"{self.server.url}{PREFIX}"
        self.batch.role_variables = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.server.url}/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.token,
        }
        self.host.given.update(endpoints(self.s3.url, self.server.url))
        self._ends.callback(self.batch.stop)
        self.server.start()
        self.batch.start()
        self.s3.wait_until_ready()
        self.batch.service_faults.relay = self.s3.send_fault
        threading.Thread(target=self._watch_s3, name="S3 watch", daemon=True).start()
        self._keep()

    def stop(self) -> None:
        """Kills running jobs and ends every endpoint; may be called twice."""
        self._stopping = True
        self._ends.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- use ---

    @property
    def environment(self) -> dict[str, str]:
        """The variables that direct AWS's clients to the local cloud."""
        return {
            **endpoints(self.s3.url, self.server.url),
            **person(self.user, self.config.region),
            "HUTCHBATCH_LOCAL_CONTROL": f"{self.server.url}/_control",
            "HUTCHBATCH_LOCAL_CONTROL_TOKEN": self.token,
        }

    def environment_for(self, base: Mapping[str, str]) -> dict[str, str]:
        """``base`` with those, and without variables that direct clients elsewhere."""
        return applied(self.environment, base)

    def fault(self, **form: object) -> None:
        """Activates a fault: see ``batch.fault_kinds.parse_fault``."""
        self.batch.fault(form)

    def calls(self) -> Mapping[str, object]:
        """Batch's calls so far, by operation."""
        return self.batch.calls()

    def struck(self) -> Counter[str]:
        """How often each kind of fault struck so far."""
        return self.batch.struck() + Counter(self.s3.send_fault({}))

    def s3_calls(self) -> Mapping[str, int]:
        """S3's calls so far, by operation, including those of jobs."""
        return self.s3.calls()

    def reset(self) -> None:
        """Ends all faults and resets the counts."""
        self.batch.reset()

    # --- within ---

    def _take_directory(self) -> None:
        """Locks the folder for one cloud and empties its hosts. The folder is private: no other
        user can read it or plant links in it."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() not in (0, self.directory.stat().st_uid):
            raise DirectoryInUse(
                f"{self.directory} belongs to another user: choose another folder with --dir."
            )
        with suppress(OSError):  # a file system without modes
            self.directory.chmod(0o700)
        lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(lock, 32).decode().strip() or "unknown"
            os.close(lock)
            raise DirectoryInUse(
                f"{self.directory} is in use by another hutchbatch local (process {holder}):"
                " wait for it to end, or choose another folder with --dir."
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._ends.callback(os.close, lock)
        with suppress(FileExistsError), (self.directory / ".gitignore").open("x") as file:
            file.write("*\n")  # nothing here belongs in a repository
        shutil.rmtree(self.directory / "hosts", ignore_errors=True)

    def _keep(self) -> None:
        """For the next start, and for other terminals."""
        wanted = (self._kept.s3_port, self._kept.port)
        for url, port in zip((self.s3.url, self.server.url), wanted, strict=True):
            if port and not url.endswith(f":{port}"):
                self._say(
                    f"Port {port}, which this local cloud had before, is taken: it is at {url} now."
                    f" Terminals that use it need the new {SCRIPT}."
                )
        self._kept.save(self.directory, self.s3.url, self.server.url)
        self.script = self.directory / SCRIPT
        write_private(self.script, script(self.environment))

    def _watch_s3(self) -> None:
        code = self.s3.wait()
        if not self._stopping:
            self._say(f"The S3 endpoint of the local cloud stopped by itself (exit code {code}).")
