"""Ceph's S3, the gateway of a cluster in memory: a monitor, one disk, no login between them.

Another implementation of S3 than the local cloud's, in use in many institutes; it checks signatures
and payloads. Debian's and Ubuntu's packages ``radosgw``, ``ceph-mon`` and ``ceph-osd`` have it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "ceph")
#: Storage classes of AWS's that the gateway knows.
CLASSES = ("STANDARD_IA", "GLACIER")
#: Seconds for each step of the start.
PATIENCE = 90
#: One copy of everything in one placement group, and no authentication: for tests.
SETTINGS = """\
[global]
fsid = {fsid}
mon host = [v1:127.0.0.1:{monitor}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
keyring = {folder}/keyring
run dir = {folder}
log file = {folder}/$name.log
admin socket = {folder}/$name.asok
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 5000
mon data avail crit = 0
[client.rgw]
rgw data = {folder}
rgw frontends = beast ssl_endpoint=127.0.0.1:{port} ssl_certificate={certificate} \
ssl_private_key={key}
rgw enable usage log = false
"""


def missing() -> list[str]:
    """The programs that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Gateway:
    """Started by its creation; ``url`` is https. Ends with the process that created it."""

    def __init__(self, folder: Path, certificate: Path, key: Path, user: Mapping[str, str]) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        monitor, port = _free(), _free()
        self.url = f"https://127.0.0.1:{port}"
        fsid, disk = uuid.uuid4(), str(uuid.uuid4())
        (folder / "keyring").touch()
        (folder / "ceph.conf").write_text(
            SETTINGS.format(
                folder=folder,
                fsid=fsid,
                monitor=monitor,
                port=port,
                certificate=certificate,
                key=key,
            )
        )
        try:
            address = f"[v1:127.0.0.1:{monitor}]"
            self._do("monmaptool", "--create", "--addv", "a", address, "--fsid", str(fsid), "map")
            for name in ("mon", "osd"):
                (folder / name).mkdir()
            self._do("ceph-mon", "--mkfs", "-i", "a", "--monmap", "map")
            self._start("ceph-mon", "-i", "a")
            self._do("ceph", "osd", "new", disk, "0")
            self._do("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
            self._start("ceph-osd", "-i", "0")
            # It makes what the gateway needs, and returns when that is there.
            self._do(
                *("radosgw-admin", "-n", "client.rgw", "user", "create"),
                *("--uid", "t", "--display-name", "t"),
                *("--access-key", user["AWS_ACCESS_KEY_ID"]),
                *("--secret-key", user["AWS_SECRET_ACCESS_KEY"]),
            )
            for name in CLASSES:
                self._make_class(name)
            self._start("radosgw", "-n", "client.rgw")
            self._wait(port)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for process in reversed(self._running):
            process.kill()
            process.wait()

    def _make_class(self, name: str) -> None:
        """Ceph has the storage classes that it is given names of; all keep their objects alike."""
        where = ("--placement-id", "default-placement", "--storage-class", name)
        admin = ("radosgw-admin", "-n", "client.rgw")
        self._do(*admin, "zonegroup", "placement", "add", "--rgw-zonegroup", "default", *where)
        pool = ("--data-pool", "default.rgw.buckets.data")
        self._do(*admin, "zone", "placement", "add", "--rgw-zone", "default", *where, *pool)

    def _do(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [program, *self._settings(program), *arguments],
            cwd=self._folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stdout.decode(errors='replace')[-2000:]}"

    def _start(self, program: str, *arguments: str) -> None:
        with (self._folder / f"{program}.out").open("wb") as out:
            self._running.append(
                subprocess.Popen(
                    [
                        *("setpriv", "--pdeathsig", "KILL", program, *self._settings(program)),
                        *(*arguments, "-f"),
                    ],
                    cwd=self._folder,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                )
            )

    def _settings(self, program: str) -> list[str]:
        return [] if program == "monmaptool" else ["-c", str(self._folder / "ceph.conf")]

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self._folder), "LC_ALL": "C.UTF-8"}

    def _wait(self, port: int) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self._running[-1].poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self._folder / "radosgw.out").read_text(errors="replace")[-2000:])


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
