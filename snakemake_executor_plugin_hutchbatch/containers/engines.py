"""Finds out whether Podman or Docker works on this machine, and with which options.

An installed engine does not always work: its runtime may not support the kernel's cgroups, it may
not be permitted to raise limits, its daemon may not run. So a tiny container is run like a job,
with one set of options after the other; the first set that works is used for all jobs.
"""

from __future__ import annotations

import io
import platform
import re
import resource
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

PROGRAMS = ("podman", "docker")
PROBE_IMAGE = "localhost/hutchbatch-probe:1"
#: Seconds for an engine's answer that involves no network. A dead daemon may hang.
PATIENCE = 60.0

#: A program that exits with 0, by ``platform.machine()``: its ELF machine number and its code, a
#: system call of exit(0) (syscall(2)).
_EXIT = {
    "x86_64": (62, bytes.fromhex("31ffb83c0000000f05")),
    "aarch64": (183, bytes.fromhex("000080d2a80b80d2010000d4")),
}

#: Global options for a podman whose defaults do not work (podman(1)): without systemd, and with
#: runc if crun does not support the kernel's cgroups.
_REMEDIES: tuple[tuple[str, ...], ...] = (
    (),
    ("--cgroup-manager", "cgroupfs"),
    ("--cgroup-manager", "cgroupfs", "--runtime", "runc"),
)


class NoEngine(Exception):
    """No engine works on this machine; the message says what was tried."""


@dataclass(frozen=True)
class Engine:
    """An engine that works, and its options.

    ``options`` come before the subcommand. ``limits``: the highest ulimits, if the engine cannot
    raise its own. ``memory``: whether memory limits are enforced. ``version``: the major version.
    """

    program: str
    version: int = 0
    options: tuple[str, ...] = ()
    limits: tuple[tuple[str, int], ...] = ()
    memory: bool = True

    @property
    def is_podman(self) -> bool:
        return self.program == "podman"

    @property
    def passes_through(self) -> bool:
        """Whether a container can write to the pipe itself, so that both outputs stay in order.
        https://docs.podman.io/en/latest/markdown/podman-create.1.html#log-driver-driver"""
        return self.is_podman and self.version >= 4

    def command(self, *arguments: str) -> list[str]:
        return [self.program, *self.options, *arguments]

    def run(
        self, *arguments: str, data: bytes = b"", patience: float | None = PATIENCE
    ) -> subprocess.CompletedProcess[str]:
        """Runs a subcommand; captures its output and its errors."""
        done = subprocess.run(
            self.command(*arguments),
            input=data,
            capture_output=True,
            check=False,
            timeout=patience,
            start_new_session=True,  # a Ctrl-C at the terminal is not for the engine
        )
        return subprocess.CompletedProcess(
            done.args,
            done.returncode,
            done.stdout.decode(errors="replace").strip(),
            done.stderr.decode(errors="replace").strip(),
        )

    def limit_options(self, wanted: Sequence[tuple[str, int, int]] = ()) -> list[str]:
        """``--ulimit`` for the job's limits, and for the engine's own where it cannot raise
        them."""
        most = dict(self.limits)
        chosen = {name: (value, value) for name, value in most.items()}
        for name, soft, hard in wanted:
            top = most.get(name, max(soft, hard))
            chosen[name] = (min(soft, top), min(hard, top))
        return [f"--ulimit={name}={soft}:{hard}" for name, (soft, hard) in chosen.items()]

    def create_options(self, memory: int, vcpus: float) -> list[str]:
        """The options of every container. ``memory`` in MiB."""
        options = [
            "--network=host",  # as Batch on EC2; the endpoints are on loopback
            "--security-opt=label=disable",  # SELinux would hide the mounted folders
            f"--cpu-shares={max(2, int(vcpus * 1024))}",
        ]
        if self.memory:
            # No swap instead: the ECS machines have none.
            options += [f"--memory={memory}m", f"--memory-swap={memory}m"]
        if self.is_podman:
            options += ["--http-proxy=false", "--pids-limit=-1"]  # as in Docker
            if self.version >= 4:
                options += ["--unsetenv=container", "--unsetenv=TERM"]
        driver = "passthrough" if self.passes_through else "k8s-file"
        options.append(f"--log-driver={driver if self.is_podman else 'none'}")
        return options


def find_engine(wanted: str) -> Engine:
    """The engine named ``wanted``, or with ``auto`` the first that works. Raises ``NoEngine``."""
    tried: list[str] = []
    for program in PROGRAMS if wanted == "auto" else (wanted,):
        if shutil.which(program) is None:
            tried.append(f"{program} is not installed")
            continue
        try:
            return _probe(program)
        except NoEngine as error:
            tried.append(str(error))
    raise NoEngine("; ".join(tried))


def _probe(program: str) -> Engine:
    """The engine with options that work on this machine. Raises ``NoEngine``."""
    try:
        bare = replace(Engine(program), version=_version(program))
        if bare.run("image", "inspect", PROBE_IMAGE).returncode:
            made = bare.run("import", "-", PROBE_IMAGE, data=_probe_tar())
            if made.returncode:
                raise NoEngine(f"{program} does not work ({last_line(made.stderr)})")
        errors: list[str] = []
        for engine in _variants(bare):
            done = engine.run(
                "run",
                "--rm",
                "--pull=never",
                *engine.create_options(64, 1),
                *engine.limit_options(),
                PROBE_IMAGE,
                "/exit",
            )
            if done.returncode == 0:
                return engine
            if (error := last_line(done.stderr)) not in errors:
                errors.append(error)
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise NoEngine(f"{program} does not answer ({failure})") from failure
    raise NoEngine(
        f"{program} cannot run a container, neither with its own settings nor with other cgroup"
        f" managers, runtimes and limits ({' | '.join(errors)})"
    )


def _variants(bare: Engine) -> Iterator[Engine]:
    """Ways to use an engine, the simplest first; without memory limits only as a last resort."""
    for memory in (True, False):
        for limits in ((), own_limits()):
            for options in _REMEDIES if bare.is_podman else ((),):
                yield replace(bare, options=options, limits=limits, memory=memory)


def own_limits() -> tuple[tuple[str, int], ...]:
    """The limits of this process. Podman lowers its own number of processes to pid_max."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    processes = most if processes == resource.RLIM_INFINITY else min(processes, most)
    return (("nofile", files), ("nproc", processes))


def _version(program: str) -> int:
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    found = re.search(r"version v?(\d+)", done.stdout)
    return int(found[1]) if found else 0


def last_line(text: str) -> str:
    """The last line of an engine's error output, which says what went wrong."""
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("Error: ") if lines else "no reason given"


def _probe_tar() -> bytes:
    """The file system of an image that only contains ``/exit``."""
    machine = platform.machine()
    if machine not in _EXIT:
        raise NoEngine(f"containers are not supported on {machine}")
    program = elf(*_EXIT[machine])
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        entry = tarfile.TarInfo("exit")
        entry.mode, entry.size = 0o755, len(program)
        tar.addfile(entry, io.BytesIO(program))
    return held.getvalue()


def elf(machine: int, code: bytes) -> bytes:
    """A static 64-bit program of one segment (elf(5))."""
    base, header, segment = 0x400000, 64, 56
    size = header + segment + len(code)
    return (
        b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
        + struct.pack(
            "<HHIQQQIHHHHHH",
            2,  # an executable
            machine,
            1,
            base + header + segment,  # where it begins
            header,  # where the segments' table is
            0,
            0,
            header,
            segment,
            1,  # segments
            0,
            0,
            0,
        )
        + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
        + code
    )
