"""Removes a local cloud's containers when the cloud is gone: a child program of ``containers.py``.

``python -I -S sweeper.py LABEL ENGINE…``, stdlib only. Its stdin stays open as long as the cloud
lives; if it ends without the word ``done``, the cloud was killed. Then all containers with the
label are removed, several times: an engine may still be creating one that was requested last.
"""

import subprocess
import sys
import time

ROUNDS, PAUSE = 10, 0.3


def sweep(label: str, engine: list[str]) -> None:
    """Removes all containers that have the label now."""
    listing = [*engine, "ps", "--all", "--quiet", f"--filter=label={label}"]
    found = subprocess.run(listing, stdout=subprocess.PIPE, check=False, text=True)
    if ids := found.stdout.split():
        # Podman's ``rm --force`` alone waits for 10 seconds.
        subprocess.run([*engine, "kill", "--signal=KILL", *ids], check=False)
        subprocess.run([*engine, "rm", "--force", "--volumes", *ids], check=False)


if __name__ == "__main__":
    if "done" not in sys.stdin.read():
        for _ in range(ROUNDS):
            sweep(sys.argv[1], sys.argv[2:])
            time.sleep(PAUSE)
