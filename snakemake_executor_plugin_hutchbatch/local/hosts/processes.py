"""The local cloud's ``Host`` that runs containers as processes of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from ..json_types import Json
from .host import Exit, Launch, Output
from .lines import LineSplitter
from .volumes import Volumes, program_paths, python_paths

#: Runs ``container.main`` without the plugin's own ``__init__``, whose imports take long. Its
#: argument is the folder of its modules.
BOOT = (
    "import importlib, sys, types\n"
    "package = sys.modules['hosts'] = types.ModuleType('hosts')\n"
    "package.__path__ = sys.argv[1:2]\n"
    "importlib.import_module('hosts.container').main()\n"
)
#: Docker's default for an image that sets no PATH.
USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Where a job sees its private folder if that is inside a hidden one.
SEEN = "/hutchbatch-job"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
CANNOT_START = "CannotStartContainerError"
MIB = 1024 * 1024


class ProcessHost:
    """Runs each ``Launch`` as processes of this machine, below ``directory``.

    ``given``: variables added to each container's environment (endpoints, credentials). Jobs are
    isolated by namespaces if the system permits; ``isolate=False`` never tries. ``say`` is called
    with lines for the user; ``words`` are said with the first job. ``launched_in``: the user's
    working folder, which isolated jobs do not see, as on AWS. ``search_path``: the user's PATH,
    whose programs stand for those of images.
    """

    def __init__(
        self,
        directory: Path,
        given: Mapping[str, str],
        say: Callable[[str], None] = lambda _: None,
        isolate: bool = True,
        launched_in: Path | None = None,
        search_path: str = "",
        words: str | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.given = dict(given)
        self.volumes = Volumes(self.directory / "host")
        self.refused: str | None = None if isolate else "isolation is switched off"
        self._say = say
        place = str(launched_in.resolve()) if launched_in else "/"
        self._hidden = [] if place == "/" else [place]
        programs = program_paths(search_path, *self._hidden)
        self._own = [*python_paths(*self._hidden), *programs.seen]
        self._path = _joined(str(Path(sys.executable).parent), programs.path, USUAL_PATH)
        self._words = words
        self._lock = threading.Lock()
        self._running: set[ProcessContainer] = set()
        (self.directory / "root").mkdir(parents=True, exist_ok=True)
        (self.directory / "containers").mkdir(exist_ok=True)

    def start(self, launch: Launch, output: Output) -> ProcessContainer:
        """Starts a container; returns at once."""
        container = ProcessContainer(self, launch, output)
        with self._lock:
            self._running.add(container)
            words, self._words = self._words, None
        if words:
            self._say(words)
        container.begin()
        return container

    def close(self) -> None:
        """Kills what is still running and waits until it is gone."""
        with self._lock:
            running = list(self._running)
        for container in running:
            container.kill()
        for container in running:
            container.wait()

    def order(self, launch: Launch, private: Path) -> dict[str, Json]:
        """The order for ``container.py`` (see its ``run``)."""
        isolate = self.refused is None
        binds = []
        seen = str(private)
        if isolate:
            if any(private.is_relative_to(folder) for folder in self._hidden):
                seen = SEEN  # otherwise the hidden folder would exist, just for this
                binds.append((str(private), seen, False, 0))
            own = [*self._own, *([] if seen == SEEN else [seen])]
            missing = launch.missing
            for bind in self.volumes.binds(launch.mounts, private, own, self._hidden, missing):
                read_only = bind.read_only and bind.path != seen
                binds.append((bind.source, bind.path, read_only, bind.root_disk))
        environment = self.environment(launch, Path(seen))
        return {
            "command": launch.command,
            "environment": environment,
            "directory": "/" if isolate else str(private / "home"),
            "isolate": isolate,
            "root": str(self.directory / "root"),
            "binds": binds,
            "hidden": self._hidden,
            "memory": launch.memory * MIB,
            "name": private.name,
            "ulimits": launch.ulimits,
            "marks": [
                f"{name}={environment[name]}"
                for name in ("AWS_BATCH_JOB_ID", "AWS_BATCH_JOB_ATTEMPT", "HOSTNAME")
                if name in environment
            ],
        }

    def environment(self, launch: Launch, private: Path) -> dict[str, str]:
        """The whole environment of a container's command. Nothing is inherited; HOME is its own
        empty folder, so that it does not find the user's AWS configuration."""
        return {
            "PATH": self._path,
            "HOME": str(private / "home"),
            "HOSTNAME": private.name,
            **self.given,
            **launch.environment,
        }

    def found_refused(self, why: str) -> None:
        """Stops using namespaces, and reports that once."""
        with self._lock:
            if self.refused is not None:
                return
            self.refused = why
        self._say(
            f"This system does not allow private mounts ({why}), so jobs run without them. /tmp in"
            " a job is this machine's own /tmp, and jobs see this machine's folders: a command that"
            " uses one of them works here and fails on AWS."
        )

    def forget(self, container: ProcessContainer) -> None:
        with self._lock:
            self._running.discard(container)


class ProcessContainer:
    """A started container: a helper process, and a thread that passes on its output."""

    def __init__(self, host: ProcessHost, launch: Launch, output: Output) -> None:
        self._host = host
        self._launch = launch
        self._output = output
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._orders: list[bytes] = []
        self._done = threading.Event()
        self._exit = Exit(None, f"{CANNOT_START}: its helper process ended without an answer")
        self._thread = threading.Thread(
            target=self._run, name=f"container {launch.job_id}", daemon=True
        )

    def begin(self) -> None:
        self._thread.start()

    def terminate(self, grace: float = 30.0) -> None:
        self._send(f"term {grace}\n".encode())

    def kill(self) -> None:
        self._send(b"kill\n")

    def wait(self) -> Exit:
        self._done.wait()
        return self._exit

    def _send(self, order: bytes) -> None:
        with self._lock:
            self._orders.append(order)
            if self._control is not None:
                with contextlib.suppress(OSError):
                    self._control.sendall(order)

    def _run(self) -> None:
        name = f"{self._launch.job_id}-{self._launch.attempt}".replace(":", "-").replace("/", "-")
        private = self._host.directory / "containers" / f"{name}-{os.urandom(4).hex()}"
        try:
            (private / "home").mkdir(parents=True)
            self._exit = self._attempt(private) or self._attempt(private) or self._exit
        except Exception as error:  # whatever it is, the attempt must end
            self._exit = Exit(None, f"{CANNOT_START}: {error}")
        finally:
            shutil.rmtree(private, ignore_errors=True)
            self._host.forget(self)
            self._done.set()

    def _attempt(self, private: Path) -> Exit | None:
        """Runs it; None if the system refused to isolate it and it must be run without."""
        launch, host = self._launch, self._host
        if not launch.command:
            return Exit(
                None,
                f"{CANNOT_START}: no command specified: the local cloud does not know an image's"
                " own command, so the job definition or the submission must name one",
            )
        if host.refused is not None:
            lacking = host.volumes.without_mounting(launch.mounts)
            if lacking is not None:
                return Exit(
                    None,
                    f"{CANNOT_START}: the volume {lacking} needs a mount, which this system does"
                    f" not allow ({host.refused}): allow user namespaces, or run as root",
                )
        answers = self._run_helper(host.order(launch, private))
        if "refused" in answers:
            host.found_refused(answers["refused"])
            return None
        if "trouble" in answers:
            stage, text = answers["trouble"]
            if stage == "command":
                text = f'exec: "{launch.command[0]}": {text}'
                if "No such file" in text:
                    text = f'exec: "{launch.command[0]}": executable file not found in $PATH'
            return Exit(None, f"{CANNOT_START}: Error response from daemon: {text}")
        if "exit" not in answers:
            return self._exit
        code = os.waitstatus_to_exitcode(answers["exit"])
        code = 128 - code if code < 0 else code
        return Exit(code, OUT_OF_MEMORY if answers["out_of_memory"] and code else None)

    def _run_helper(self, order: dict[str, Json]) -> dict[str, Json]:
        """Starts ``container.py``, passes on its output, returns its answers."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            helper = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", BOOT, str(Path(__file__).parent)],
                stdin=theirs.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={},
                cwd="/",
                start_new_session=True,  # a Ctrl-C at the terminal is not for the jobs
            )
            theirs.close()
            ours.sendall(json.dumps(order).encode() + b"\n")
            with self._lock:
                self._control = ours
                if self._orders:
                    ours.sendall(b"".join(self._orders))
            try:
                self._hand_over(helper)
                with ours.makefile("rb") as file:
                    answers: dict[str, Json] = {}
                    for line in file:
                        answers.update(json.loads(line))
            except BaseException:
                self.kill()  # its output would not be read any more
                raise
            finally:
                with self._lock:
                    self._control = None
                helper.wait()
        return answers

    def _hand_over(self, helper: subprocess.Popen[bytes]) -> None:
        splitter = LineSplitter()
        assert helper.stdout is not None  # noqa: S101 - asked for above
        with helper.stdout as pipe:
            while data := os.read(pipe.fileno(), 65536):
                for line in splitter.feed(data):
                    self._output(line)
        for line in splitter.finish():
            self._output(line)


def _joined(python: str, own: str, usual: str) -> str:
    """One PATH of several; the running Python's programs come first unless the person's own PATH
    has them elsewhere."""
    parts = [part for path in (own, usual) for part in path.split(os.pathsep) if part]
    if python not in parts:
        parts.insert(0, python)
    return os.pathsep.join(dict.fromkeys(parts))
