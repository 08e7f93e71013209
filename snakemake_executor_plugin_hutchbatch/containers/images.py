"""Finds out which images are on this machine, and pulls those that are not."""

from __future__ import annotations

import contextlib
import subprocess
import threading

from .engines import Engine, last_line


class Images:
    """The engine's images. An image that is present is never pulled."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._present: set[str] = set()
        self._turns: dict[str, threading.Lock] = {}
        self._pulls: set[subprocess.Popen[str]] = set()
        self._given_up = False

    def has(self, image: str) -> bool:
        with self._lock:
            if image in self._present:
                return True
        if self._engine.run("image", "inspect", "--format={{.Id}}", image).returncode:
            return False
        with self._lock:
            self._present.add(image)
        return True

    def need(self, image: str) -> str | None:
        """None once ``image`` is on this machine, otherwise why it cannot be pulled. Jobs that need
        the same image wait for one pull."""
        with self._lock:
            turn = self._turns.setdefault(image, threading.Lock())
        with turn:
            return None if self.has(image) else self._pull(image)

    def give_up(self) -> None:
        """Cancels all pulls, also later ones."""
        with self._lock:
            self._given_up = True
            for pull in self._pulls:
                with contextlib.suppress(OSError):
                    pull.terminate()

    def _pull(self, image: str) -> str | None:
        with self._lock:
            if self._given_up:
                return "the local cloud is ending"
            pull = subprocess.Popen(
                self._engine.command("pull", "--quiet", full_name(image)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._pulls.add(pull)
        _, said = pull.communicate()
        with self._lock:
            self._pulls.discard(pull)
        if pull.returncode == 0:
            return None
        # AWS's words: "pull image manifest has been retried 1 time(s): failed to resolve ref …".
        return (
            "pull image manifest has been retried 0 time(s): failed to resolve ref"
            f" {full_name(image)}: {last_line(said)}"
        )


def full_name(image: str) -> str:
    """``image`` with its registry, which by default is Docker Hub, as on AWS. Podman would search
    other registries, or none."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"
