"""Staging beside ``aws s3 cp``: files a second and MB a second, both ways, in one run.

By hand: ``HUTCHBATCH_TEST_AWS=/its/path python tests/benchmarks/staging.py [FILES [MB [TIMES]]]``
(2,000 files of 1 kB and one file of 1,000 MB, 3 times, unless reported). The server is nanio on
loopback with two worker processes, plain HTTP; each figure is the median of the repeats, ours and
the AWS CLI's in turn. Ours is a process of its own that imports the supervisor, stages, and ends,
as the AWS CLI's is. The server's CPU seconds stand beside the clients': where they fill the wall
time, the server is what is measured.
"""

import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
REGION = "us-west-2"
AWS = os.environ.get("HUTCHBATCH_TEST_AWS", "aws")
WORKERS = 2
ROOT = Path(__file__).parents[2] / "snakemake_executor_plugin_hutchbatch"

#: Wall seconds, CPU seconds of the client, and of the server.
Figures = tuple[float, float, float]
#: argv: "in" or "out", folder, bucket prefix, names…
OURS = """
import os, sys, threading
sys.path.insert(0, {root!r})
from supervisor.s3 import S3
way, folder, url = sys.argv[1:4]
names = sys.stdin.read().split()
s3, stop = S3(os.environ), threading.Event()
s3.is_amazon = True  # nanio obeys no conditions; AWS's S3, which does, is asked less
if way == "in":
    from supervisor.download import stage_in
    from supervisor.taskspec import Input
    stage_in(s3, [Input(url + n, n) for n in names], folder, lambda: 1 << 60, stop)
else:
    from supervisor.upload import stage_out
    from supervisor.taskspec import Output
    stage_out(s3, [Output(n, url + n) for n in names], folder, stop)
os._exit(0)
"""


def server_cpu(pid: int) -> float:
    """Of a process and its children, in seconds."""
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
        waiting += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
    return total / os.sysconf("SC_CLK_TCK")


def timed(command: list[str], environ: dict[str, str], text: str, server: int) -> Figures:
    before, busy = resource.getrusage(resource.RUSAGE_CHILDREN), server_cpu(server)
    start = time.perf_counter()
    subprocess.run(command, env=environ, input=text, text=True, check=True, stdout=-3)
    wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, server_cpu(server) - busy


def main() -> None:
    given = [int(text) for text in sys.argv[1:]]
    files, megabytes, repeats = given + [2000, 1000, 3][len(given) :]
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "nanio", "serve", "--host", "127.0.0.1"),
                *("--port", str(port), "--data-dir", str(top / "s3"), "--no-access-log"),
                *("--region", REGION, "--log-level", "error", "--workers", str(WORKERS)),
            ],
            env={
                **os.environ,
                "NANIO_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"],
                "NANIO_SECRET_KEY": KEYS["AWS_SECRET_ACCESS_KEY"],
            },
        )
        try:
            measure(top, server.pid, f"http://127.0.0.1:{port}", files, megabytes, repeats)
        finally:
            server.terminate()
            server.wait()


def measure(
    top: Path, server: int, endpoint: str, files: int, megabytes: int, repeats: int
) -> None:
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
        **KEYS,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for _ in range(100):
        made = subprocess.run(
            [AWS, "s3", "mb", "s3://staging"], env=environ, check=False, stdout=-3, stderr=-3
        )
        if not made.returncode:
            break
        time.sleep(0.2)
    small, big = top / "small", top / "big"
    for folder in (small, big):
        folder.mkdir()
    for i in range(files):
        (small / f"f{i:05}").write_bytes(os.urandom(1000))
    with (big / "one").open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1_000_000))
    ours = [sys.executable, "-ISc", OURS.format(root=str(ROOT))]
    version = subprocess.run([AWS, "--version"], capture_output=True, text=True, check=True).stdout
    print(f"{version.strip()}; nanio on loopback, {WORKERS} workers, plain HTTP; ", end="")
    print(f"{os.cpu_count()} processors for all; medians of {repeats}")
    print(f"{'':18}{'wall s':>16}{'client CPU s':>16}{'server CPU s':>16}{'a second':>18}")
    print(f"{'':18}" + f"{'ours':>8}{'aws':>8}" * 3 + f"{'ours':>9}{'aws':>9}{'ratio':>8}")
    copy = [AWS, "s3", "cp", "--recursive", "--only-show-errors"]
    back = top / "back"
    for folder, unit, amount in ((small, "files", files), (big, "MB", megabytes)):
        names = "\n".join(path.name for path in folder.iterdir())
        there = f"s3://staging/{folder.name}/"
        cases: dict[str, tuple[list[str], list[str]]] = {
            "up": ([*ours, "out", str(folder), there], [*copy, str(folder), there]),
            "down": ([*ours, "in", str(back), there], [*copy, there, str(back)]),
        }
        for way, commands in cases.items():
            figures: tuple[list[Figures], list[Figures]] = ([], [])
            for _ in range(repeats):
                for command, list_ in zip(commands, figures, strict=True):
                    shutil.rmtree(back, ignore_errors=True)
                    back.mkdir()
                    list_.append(timed(command, environ, names, server))
            middle = [[statistics.median(f[i] for f in who) for who in figures] for i in range(3)]
            print(
                f"{amount:,} {unit} {way}".ljust(18)
                + "".join(f"{mine:8.2f}{theirs:8.2f}" for mine, theirs in middle)
                + f"{amount / middle[0][0]:9.0f}{amount / middle[0][1]:9.0f}"
                + f"{middle[0][1] / middle[0][0]:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
