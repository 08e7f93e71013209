"""The local cloud's ``Host`` for real containers, with Podman or Docker.

What ECS does with a job definition is done here with the engine's options: the image's ENTRYPOINT
precedes the command, volumes are bind mounts, the memory limit is enforced, the network is the
machine's. ``engines.py`` finds out how this machine's engine must be called.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from ...containers.engines import Engine, last_line
from ...containers.host_python import host_python
from ...containers.images import Images
from ..json_types import Json
from .host import Exit, Launch, Output
from .lines import LineSplitter
from .processes import CANNOT_START, OUT_OF_MEMORY
from .volumes import CLI_PREFIX, Volumes

LABEL = "hutchbatch.directory"
SWEEPER = Path(__file__).with_name("sweeper.py")
#: The file that Podman's monitor creates in its working folder when memory runs out; Podman itself
#: (4.3.1, cgroup version 1) does not look there and reports OOMKilled=false.
OOM_MARK = "oom"
#: How lines begin that an engine writes in place of the container's output if it cannot start it.
ENGINES_WORDS = re.compile("Error: |Error response from daemon|(runc|crun)[: ]|time=|docker: ")
#: The start time that an engine shows for a container that never started.
NEVER = "0001-01-01T00:00:00Z"


class ContainerHost:
    """Runs each ``Launch`` as a container of its image.

    ``directory`` has the host's folders and identifies its containers; ``keep`` is not emptied at
    the next start (for the host's Python). ``given``: variables added to each container.
    """

    def __init__(
        self,
        directory: Path,
        keep: Path,
        engine: Engine,
        given: Mapping[str, str],
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.directory = directory.resolve()
        self.engine = engine
        self.given = dict(given)
        self.images = Images(engine)
        self.volumes = Volumes(self.directory / "host", {CLI_PREFIX: str(host_python(keep))})
        self.label = f"{LABEL}={self.directory}"
        self._lock = threading.Lock()
        self._running: set[Container] = set()
        (self.directory / "containers").mkdir(parents=True, exist_ok=True)
        if not engine.memory:
            say(
                f"{engine.program} cannot limit memory here: jobs may use more than they requested."
            )
        self._sweep()  # leftovers of a cloud that was killed together with its sweeper
        self._sweeper = self._start_sweeper()

    def start(self, launch: Launch, output: Output) -> Container:
        """Starts a container; returns at once."""
        container = Container(self, launch, output)
        with self._lock:
            self._running.add(container)
        container.begin()
        return container

    def close(self) -> None:
        """Kills what is still running and waits until all of it is gone."""
        with self._lock:
            running = list(self._running)
        self.images.give_up()
        for container in running:
            container.kill()
        for container in running:
            container.join()
        self._sweep()
        self._sweeper.communicate(b"done\n")

    def create_arguments(self, launch: Launch, name: str, private: Path) -> list[str]:
        """The engine's ``create`` arguments for a job."""
        engine = self.engine
        options = [
            f"--name={name}",
            f"--label={self.label}",
            "--pull=never",
            *engine.create_options(launch.memory, launch.vcpus),
            *engine.limit_options(launch.ulimits),
        ]
        if launch.user:
            options.append(f"--user={launch.user}")
        if launch.privileged:
            options.append("--privileged")
        if launch.read_only_root:
            options.append("--read-only")
            if engine.is_podman:
                options.append("--read-only-tmpfs=false")  # Docker gives none either
        if launch.shared_memory:
            options.append(f"--shm-size={launch.shared_memory}m")
        for bind in self.volumes.binds(launch.mounts, private, ()):
            mode = ",readonly" if bind.read_only else ""
            options.append(f"--mount=type=bind,source={bind.source},target={bind.path}{mode}")
        for variable in {**self.given, **launch.environment}.items():
            options.append("--env=" + "=".join(variable))
        return ["create", *options, launch.image, *launch.command]

    def forget(self, container: Container) -> None:
        with self._lock:
            self._running.discard(container)

    def _start_sweeper(self) -> subprocess.Popen[bytes]:
        """Removes the host's containers when this process is gone, for whatever reason."""
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(SWEEPER), self.label, *self.engine.command()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def _sweep(self) -> None:
        found = self.engine.run("ps", "--all", "--quiet", f"--filter=label={self.label}")
        if ids := found.stdout.split():
            self.engine.run("kill", "--signal=KILL", *ids)  # otherwise Podman waits for 10 seconds
            self.engine.run("rm", "--force", "--volumes", *ids)


class Container:
    """A started container, and the thread that follows it."""

    def __init__(self, host: ContainerHost, launch: Launch, output: Output) -> None:
        safe = f"{launch.job_id}-{launch.attempt}".replace(":", "-").replace("/", "-")
        self.name = f"hutchbatch-{safe}-{os.urandom(4).hex()}"
        self._host = host
        self._engine = host.engine
        self._launch = launch
        self._output = output
        self._killed = threading.Event()
        self._done = threading.Event()
        self._exit = Exit(None, f"{CANNOT_START}: no further information")
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def terminate(self, grace: float = 30.0) -> None:
        threading.Thread(target=self._stop, args=(grace,), daemon=True).start()

    def kill(self) -> None:
        self._killed.set()
        threading.Thread(target=self._signal, args=("KILL",), daemon=True).start()

    def wait(self) -> Exit:
        self._done.wait()
        return self._exit

    def join(self) -> None:
        """Waits until its container and its files are gone."""
        self._thread.join()

    def _stop(self, grace: float) -> None:
        # Like ``docker stop``, which ECS uses: an image may have its own STOPSIGNAL.
        stop_signal = self._inspect(".Config.StopSignal")
        self._signal(str(stop_signal or "TERM"))
        if not self._done.wait(grace):
            self.kill()

    def _signal(self, which: str) -> None:
        """Repeats the signal until it has arrived: the container may still be starting."""
        while not self._done.is_set():
            if self._engine.run("kill", f"--signal={which}", self.name).returncode == 0:
                return
            self._done.wait(0.1)

    def _run(self) -> None:
        private = self._host.directory / "containers" / self.name
        try:
            private.mkdir()
            self._exit = self._attempt(private)
        except Exception as error:  # whatever it is, the attempt must end
            self._exit = Exit(None, f"{CANNOT_START}: {error}")
        finally:
            self._done.set()
            with contextlib.suppress(Exception):
                self._engine.run("rm", "--force", "--volumes", self.name)
            shutil.rmtree(private, ignore_errors=True)
            self._host.forget(self)

    def _attempt(self, private: Path) -> Exit:
        problem = self._host.images.need(self._launch.image)
        if problem is not None:
            return Exit(None, f"CannotPullContainerError: {problem}")
        if self._killed.is_set():
            return Exit(None, "it was stopped before it started")
        arguments = self._host.create_arguments(self._launch, self.name, private)
        made = self._engine.run(*arguments)
        if made.returncode:
            return Exit(None, f"CannotCreateContainerError: {last_line(made.stderr)}")
        code, held = self._follow(private)
        if code == 0:
            self._hand_over(held)
            return Exit(0)
        state = self._inspect(".State") or {}
        if state.get("StartedAt", NEVER) == NEVER:
            return Exit(None, f"{CANNOT_START}: Error response from daemon: {why_not(held)}")
        self._hand_over(held)
        code = int(state.get("ExitCode", code))
        out_of_memory = state.get("OOMKilled") or (private / OOM_MARK).exists()
        return Exit(code, OUT_OF_MEMORY if out_of_memory and code else None)

    def _follow(self, directory: Path) -> tuple[int, list[str]]:
        """Starts it and passes on its output until it ends. Returns the exit code of the engine's
        program, and first lines that may be the engine's own: they were held back."""
        splitter = LineSplitter()
        held: list[str] = []
        with subprocess.Popen(
            self._engine.command("start", "--attach", self.name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            start_new_session=True,
        ) as engine:
            assert engine.stdout is not None  # noqa: S101 - asked for above
            handed = False
            try:
                while True:
                    data = os.read(engine.stdout.fileno(), 65536)
                    held += splitter.feed(data) if data else splitter.finish()
                    if handed or not all(map(ENGINES_WORDS.match, held)):
                        self._hand_over(held)
                        held, handed = [], True
                    if not data:
                        break
            except BaseException:
                self.kill()  # its output would not be read any more
                raise
            return engine.wait(), held

    def _hand_over(self, lines: list[str]) -> None:
        for line in lines:
            self._output(line)

    def _inspect(self, what: str) -> Json:
        found = self._engine.run("container", "inspect", f"--format={{{{json {what}}}}}", self.name)
        return json.loads(found.stdout) if found.returncode == 0 else None


def why_not(lines: list[str]) -> str:
    """The part of an engine's message about a container that did not start that Docker has, too:
    ``exec: "/bin/x": stat /bin/x: no such file or directory``."""
    last = lines[-1] if lines else "no reason given"
    found = re.search(r'exec: ".*?": .*?(?=: OCI runtime|: unknown|$)', last)
    return found[0] if found else last.removeprefix("Error: ")
