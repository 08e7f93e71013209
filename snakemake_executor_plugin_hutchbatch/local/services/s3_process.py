"""The process of the S3 endpoint, seen from its starter.

It is a process of its own because hashing objects here would delay Batch's answers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

from ..hosts.terminal import print_message
from ..json_types import Json
from .callers import Keys
from .servers import loopback_socket, url

PACKAGE = Path(__file__).parents[2]
#: Runs ``s3.main`` without the plugin's own ``__init__``, whose imports take longer
#: than the endpoint's.
BOOT = (
    "import importlib, sys, types\n"
    "_, _, name, directory = sys.argv\n"
    "package = sys.modules[name.split('.')[0]] = types.ModuleType(name.split('.')[0])\n"
    "package.__path__ = [directory]\n"
    "importlib.import_module(name).main()\n"
)


class S3Process:
    """Starts the endpoint's process, talks to it and ends it."""

    def __init__(self, data_dir: Path, region: str, keys: Sequence[Keys], port: int = 0) -> None:
        self._listening = loopback_socket(port)
        self.url = url(self._listening)
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                BOOT,
                str(self._listening.fileno()),
                f"{__package__}.s3",
                str(PACKAGE),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[self._listening.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # a Ctrl-C at the terminal is not for it
        )
        settings = {
            "data_dir": str(data_dir),
            "region": region,
            "keys": [astuple(each) for each in keys],
        }
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        self._process.stdin.write(json.dumps(settings).encode() + b"\n")
        self._process.stdin.flush()
        self._asking = threading.Lock()
        self._errors = threading.Thread(target=self._pass_errors_on, name="S3 errors", daemon=True)
        self._errors.start()

    def _pass_errors_on(self) -> None:
        """Prints its errors safely: they may contain untrusted names of objects."""
        assert self._process.stderr is not None  # noqa: S101
        with self._process.stderr as errors:
            for line in errors:
                print_message(line.decode(errors="replace"))

    def wait_until_ready(self) -> None:
        assert self._process.stdout is not None  # noqa: S101
        if not self._process.stdout.readline():
            code = self._process.wait()
            self._errors.join()
            raise RuntimeError(
                f"The S3 endpoint did not start (exit code {code}): its error is shown above."
            )
        self._listening.close()  # the child has it; connections end with the child

    def send_fault(self, fault: Mapping[str, Json] | None) -> dict[str, int]:
        """Activates a fault (``service_faults.py``), or with None ends all faults and resets the
        counts; an empty one changes nothing. Returns how often each kind struck so far; empty if
        the process is gone."""
        return self._ask(fault).get("struck", {})

    def calls(self) -> dict[str, int]:
        """Calls so far, by operation."""
        return self._ask({}).get("calls", {})

    def _ask(self, fault: Mapping[str, Json] | None) -> dict[str, dict[str, int]]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101
        with self._asking:
            try:
                stdin.write(json.dumps(fault).encode() + b"\n")
                stdin.flush()
                answer: dict[str, dict[str, int]] = json.loads(stdout.readline() or b"{}")
            except (OSError, ValueError):
                return {}
        return answer

    def wait(self) -> int:
        """Blocks until the process ends, for whatever reason."""
        return self._process.wait()

    def stop(self) -> None:
        """Ends the process and waits for it."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._listening.close()
