"""Any workflow on the local cloud, held against plain Snakemake: run by hand, not in CI.

    git clone https://github.com/snakemake-workflows/snakemake-workflow-template
    python tests/public_workflow.py snakemake-workflow-template -- --directory .test

The checkout is copied twice. In one copy plain Snakemake runs, in the other Snakemake with
hutchbatch on the local cloud, both with the arguments after ``--`` and with the programs on the
PATH: what the workflow calls must be there, or something that stands for it. Compared are the jobs
that ran (rule, wildcards, inputs, outputs, logs, as Snakemake's log names them) and every declared
output, byte for byte, with what is in S3. A second run must do what it does there, mostly
nothing. With ``--conda WRAPPERS`` both run with ``--sdm conda`` and ``--wrapper-prefix``, against
channels of stand-ins (``stand_in_channel.py``, which says what that folder holds), plain Snakemake
with a stand-in for conda itself. ``--ignore PATTERN`` leaves out the content of outputs that hold
times or random numbers.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import stand_in_channel
import stand_in_conda
import yaml
from conda_channel import ChannelServer

from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud

PREFIX = "s3://hutchbatch/public"
#: What a job's lines in Snakemake's log say that must be the same.
COMPARED = ("input", "output", "log", "benchmark", "wildcards")
_JOB = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):$")
_FINISHED = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)")


@dataclass(frozen=True)
class Ran:
    """One run of Snakemake."""

    code: int
    output: str
    seconds: float

    def finished(self) -> Counter[str]:
        """How many jobs of each rule ended well."""
        found = (_FINISHED.match(line) for line in self.output.splitlines())
        return Counter(match[1] for match in found if match)

    def jobs(self) -> Counter[str]:
        """The jobs that were started, each as one line; those of rules with ``message:``, of
        which Snakemake's log shows nothing else, are not among them."""
        return Counter(_jobs(self.output.splitlines()))


def _jobs(lines: Sequence[str]) -> Iterator[str]:
    parts: list[str] = []
    for line in [*lines, ""]:
        if match := _JOB.match(line):
            parts = [match[1]]
        elif parts and line.startswith("    "):
            name, _, value = line.strip().partition(": ")
            if name in COMPARED:
                names = re.sub(r" \((?:send to|retrieve from) storage\)", "", value)
                parts.append(f"{name}={names}")
        elif parts:
            yield " ".join(parts)
            parts = []


def run(arguments: Sequence[str], folder: Path, environment: dict[str, str]) -> Ran:
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout, time.monotonic() - begin)


def declared(directory: Path) -> set[str]:
    """The outputs that Snakemake has noted in a working directory, by their names there."""
    metadata = directory / ".snakemake" / "metadata"
    encoded = {  # long names are cut into folders that begin with @
        str(path.relative_to(metadata)).replace("/", "").replace("@", "")
        for path in metadata.rglob("*")
        if path.is_file()
    }
    names = {base64.b64decode(name).decode() for name in encoded}
    return {name for name in names if (directory / name).exists()}


def files(directory: Path, names: set[str]) -> dict[str, Path]:
    """Every file of these outputs, of directories too."""
    found = {}
    for name in names:
        path = directory / name
        inside = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
        found.update({os.path.relpath(each, directory): each for each in inside})
    return {n: p for n, p in found.items() if p.name != ".snakemake_timestamp"}


def differences(plain: dict[str, Path], stored: Path, ignored: Sequence[str]) -> Iterator[str]:
    for name, path in sorted(plain.items()):
        other = stored / name.lstrip("/")
        if not other.is_file():
            yield f"{name} is not in S3"
        elif not any(fnmatch.fnmatch(name, pattern) for pattern in ignored):
            one, two = path.read_bytes(), other.read_bytes()
            if one != two:
                at = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
                begin = max(0, at - 20)
                yield f"{name}: {one[begin : at + 60]!r} is {two[begin : at + 60]!r} in S3"


def surplus(plain: Path, before: set[str], stored: Path) -> Iterator[str]:
    """What is in S3 and neither lay in the checkout nor was left by plain Snakemake."""
    for path in sorted(each for each in stored.rglob("*") if each.is_file()):
        name = str(path.relative_to(stored))
        own = name.startswith((".hutchbatch", ".snakemake")) or path.name.startswith(".snakemake_")
        # Inputs above the working directory, as ``../`` names them.
        named = re.sub(r"^\.above-(\d+)/", lambda match: "../" * int(match[1]), name)
        if not own and not (plain / named).exists() and name not in before:
            yield f"{name} is in S3 only"


def working_directory(arguments: Sequence[str]) -> str:
    for option in ("--directory", "-d"):
        for at, argument in enumerate(arguments):
            if argument == option:
                return arguments[at + 1]
            if argument.startswith(f"{option}="):
                return argument.partition("=")[2]
    return "."


def main() -> bool:
    own, arguments = _divided(sys.argv[1:])
    options = _options(own)
    work = (options.keep or Path(tempfile.mkdtemp(prefix="public-workflow-"))).resolve()
    for name in ("plain", "hutchbatch"):
        if options.only in (None, name):
            shutil.rmtree(work / name, ignore_errors=True)
            shutil.copytree(options.checkout.resolve(), work / name, symlinks=True)
    with _conda(work, options) as more:
        return _both(work, options, [*arguments, *more])


@contextlib.contextmanager
def _conda(work: Path, options: argparse.Namespace) -> Iterator[list[str]]:
    """What ``--conda`` adds to the arguments; meanwhile channels are served."""
    if not options.conda:
        yield []
        return
    for name in ("wrappers", "channels", "conda"):
        shutil.rmtree(work / name, ignore_errors=True)
    shutil.copytree(options.conda.resolve(), work / "wrappers")
    found = stand_in_channel.environments(options.checkout.resolve(), work / "wrappers")
    count = stand_in_channel.make(work / "channels", found)
    print(f"{len(found)} env files, {count} packages", file=sys.stderr)
    programs = stand_in_conda.install(work / "conda")
    with ChannelServer(work / "channels") as server:
        (work / "condarc").write_text(
            yaml.safe_dump(
                {
                    "channel_alias": server.url,
                    "default_channels": [f"{server.url}/{stand_in_channel.DEFAULTS}"],
                    "channel_priority": "strict",
                }
            )
        )
        os.environ["CONDARC"] = str(work / "condarc")
        options.plain = {
            "STAND_IN_CONDA": str(work / "conda"),
            "PATH": f"{programs}:{os.environ['PATH']}",
        }
        options.server = server
        yield ["--sdm", "conda", "--wrapper-prefix", f"file://{work}/wrappers/"]


def _both(work: Path, options: argparse.Namespace, arguments: Sequence[str]) -> bool:
    wrong: list[str] = []
    runs: dict[str, Ran] = {}  # plain first
    if options.only != "hutchbatch":
        plain = [*arguments, "--cores", options.cores]
        runs["plain"] = run(plain, work / "plain" / options.folder, {**os.environ, **options.plain})
        (work / "plain.log").write_text(runs["plain"].output)
        if runs["plain"].code:
            print(runs["plain"].output[-3000:], file=sys.stderr)
            wrong.append("plain Snakemake fails")
    elif (work / "plain.log").exists():
        runs["plain"] = Ran(0, (work / "plain.log").read_text(), 0)  # of an earlier start of this
    if options.only != "plain" and not wrong:
        runs["hutchbatch"] = _on_the_cloud(work, options, arguments, wrong)
    if len(runs) == 2 and not wrong:
        wrong += _compared(runs, work, options, arguments)
    for line in wrong:
        print(line, file=sys.stderr)
    for name, ran in runs.items():
        jobs = sum(ran.finished().values())
        print(f"{name}: {jobs} jobs, exit code {ran.code}, {ran.seconds:.0f} s", file=sys.stderr)
    if not options.keep and not wrong:
        shutil.rmtree(work, ignore_errors=True)
    print("equal" if not wrong else f"{len(wrong)} differences, kept in {work}", file=sys.stderr)
    return bool(wrong)


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], usage="%(prog)s CHECKOUT [options] -- ARGUMENTS"
    )
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--folder", default=".", help="where in the checkout Snakemake is started")
    parser.add_argument("--cores", default="32", help="cores of plain Snakemake")
    parser.add_argument("--ignore", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--conda", type=Path, metavar="WRAPPERS", help="folder of wrappers")
    parser.add_argument("--only", choices=("plain", "hutchbatch"), help="run only this one")
    parser.add_argument("--keep", type=Path, help="folder that keeps the copies and the output")
    parser.set_defaults(plain={}, server=None)  # what plain Snakemake's environment has more
    return parser.parse_args(words)


def _on_the_cloud(
    work: Path, options: argparse.Namespace, arguments: Sequence[str], wrong: list[str]
) -> Ran:
    """Both runs with hutchbatch; what is wrong with them is added."""
    shutil.rmtree(work / "cloud", ignore_errors=True)
    launch = work / "hutchbatch" / options.folder
    on_batch = [*("--executor", "hutchbatch", "--jobs", "16"), *arguments]
    on_batch += ["--default-storage-provider", "s3", "--default-storage-prefix", PREFIX]
    on_batch += ["--seconds-between-status-checks", "1"]
    if options.server:
        options.server.forget()
    with LocalCloud(work / "cloud", launched_in=launch) as cloud:
        environment = cloud.environment_for(os.environ)
        first = run(on_batch, launch, environment)
        (work / "hutchbatch.log").write_text(first.output)
        if first.code:
            wrong.append(f"hutchbatch fails: {work / 'hutchbatch.log'}")
            return first
        if options.server:
            fetched = options.server.downloads()
            built = first.output.count(": building it once, ")
            print(f"{built} environments built, {len(fetched)} packages fetched", file=sys.stderr)
            if len(fetched) > len({*fetched}):
                wrong.append("packages are fetched more than once")
            options.server.forget()
        again = run(on_batch, launch, environment)
        (work / "again.log").write_text(again.output)
        if options.server and options.server.downloads():
            wrong.append("a second run fetches packages")
    expected = _again(work, options, [*arguments, "--cores", options.cores])
    if again.code or again.finished() != expected:
        wrong.append(f"a second run does something else: {work / 'again.log'}")
    return first


def _again(work: Path, options: argparse.Namespace, arguments: Sequence[str]) -> Counter[str]:
    """What a second run of plain Snakemake does; it is often nothing, but not always."""
    if not (work / "plain.log").exists():
        return Counter()
    variables = {**os.environ, **options.plain}
    return run(arguments, work / "plain" / options.folder, variables).finished()


def _divided(words: list[str]) -> tuple[list[str], list[str]]:
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1 :]


def _compared(
    runs: dict[str, Ran], work: Path, options: argparse.Namespace, arguments: Sequence[str]
) -> Iterator[str]:
    one, two = (
        replace(ran, output=ran.output.replace(str(work / name), "COPY"))
        for name, ran in runs.items()
    )
    if one.finished() != two.finished():
        yield f"jobs: plain {dict(one.finished() - two.finished())} more, hutchbatch "
        yield f"{dict(two.finished() - one.finished())} more"
    for line in sorted((one.jobs() - two.jobs()).keys()):
        yield f"only plain Snakemake:  {line}"
    for line in sorted((two.jobs() - one.jobs()).keys()):
        yield f"only hutchbatch:       {line}"
    place = Path(options.folder) / working_directory(arguments)
    directory, checkout = work / "plain" / place, options.checkout.resolve() / place
    stored = work / "cloud" / "s3" / "hutchbatch" / "public"
    before = {str(p.relative_to(checkout)) for p in checkout.rglob("*") if p.is_file()}
    yield from differences(files(directory, declared(directory)), stored, options.ignore)
    inputs = str(work / "hutchbatch").lstrip("/")  # named by absolute paths
    found = surplus(directory, before, stored)
    yield from (line for line in found if not line.startswith(inputs))


if __name__ == "__main__":
    sys.exit(main())
