"""Conda channels in which every package that a workflow asks for exists, as a stand-in.

For workflows that are run by hand with ``public_workflow.py --conda``. A checkout is searched for
env files and for the wrappers that its rules name, whose files lie in a folder as
``--wrapper-prefix file://FOLDER/`` has them, ``FOLDER/VERSION/bio/…``. Packages hold programs of
``stand_in_program.py``; those of ``MODULES`` are the real ones, which must be installed for the
Python that runs this. Of a file with pins (``….pin.txt``) each URL exists; since it also says the
hash of each package, which no stand-in can have, the hashes in ``FOLDER`` are changed.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import conda_channel
import yaml
from conda_channel import PLACEHOLDER, Channel, File, Package
from packaging.requirements import Requirement

PROGRAM = Path(__file__).with_name("stand_in_program.py")
ANACONDA = "https://conda.anaconda.org/"
DEFAULTS = "pkgs/main"
#: Programs of packages that are not called as the package is.
PROGRAMS = {
    "bedtools": ("bedtools", "genomeCoverageBed", "bedGraphToBigWig"),
    "deeptools": ("computeMatrix", "plotFingerprint", "plotHeatmap", "plotProfile"),
    "homer": ("annotatePeaks.pl",),
    "htslib": ("bgzip", "tabix"),
    "picard-slim": ("picard",),
    "r-base": ("R", "Rscript"),
    "rseqc": (
        *("bam_stat.py", "infer_experiment.py", "inner_distance.py", "junction_annotation.py"),
        *("junction_saturation.py", "read_GC.py", "read_distribution.py", "read_duplication.py"),
    ),
    "sra-tools": ("fasterq-dump",),
    "star": ("STAR",),
    "subread": ("featureCounts",),
    "ucsc-bedgraphtobigwig": ("bedGraphToBigWig",),
}
#: Programs that a stand-in cannot stand for: this machine's own.
REAL = {"gawk": Path("/usr/bin/mawk")}
#: Packages that workflows import: real ones, from PyPI.
MODULES = ("gffutils", "pandas", "snakemake-wrapper-utils")
#: What real packages need: the beginning of the name, and the package.
NEEDS = {"r-": "r-base", "bioconductor-": "r-base", "phantompeakqualtools": "r-base"}
_WRAPPER = re.compile(r"""["'](v?\d+\.\d+\.\d+/[\w./-]+)["']""")
_SPEC = re.compile(r"^(?:[\w./-]+::)?([\w.-]+?)\s*((?:[=<>!~].*)?)$")
_VERSION = re.compile(r"(?<![!<])(?:[=>~]=?|<=)\s*([\w.]+)")


@dataclass(frozen=True)
class Environment:
    """``specs``: its packages by name, with what it says of their versions; ``pins``: URLs."""

    file: Path
    channels: tuple[str, ...]
    specs: dict[str, str]
    pins: tuple[str, ...] = ()


def environments(checkout: Path, wrappers: Path | None) -> list[Environment]:
    """Those of a checkout, and of the wrappers that its Snakefiles name."""
    files = [path for path in _files(checkout) if path.suffix in {".yaml", ".yml"}]
    for path in _files(checkout):
        if wrappers and (path.suffix == ".smk" or path.name == "Snakefile"):
            named = _WRAPPER.findall(path.read_text())
            files += [wrappers / name / "environment.yaml" for name in named]
    return [found for path in sorted({*files}) if path.is_file() and (found := read(path))]


def _files(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if ".snakemake" not in path.relative_to(folder).parts]


def read(path: Path) -> Environment | None:
    """An env file, or nothing where it is another one."""
    said = yaml.safe_load(path.read_text())
    if not isinstance(said, dict) or not isinstance(said.get("dependencies"), list):
        return None
    specs = {}
    for each in said["dependencies"]:
        if isinstance(each, str):
            match = _SPEC.match(each.strip())
            assert match, f"{path}: {each}"
            specs[match[1].lower()] = match[2]
    channels = [c for c in said.get("channels", ["conda-forge"]) if c != "nodefaults"]
    pin = path.with_suffix(".linux-64.pin.txt")
    urls = pin.read_text().splitlines() if pin.is_file() else []
    return Environment(
        path,
        tuple(DEFAULTS if c == "defaults" else c for c in channels),
        specs,
        tuple(url.partition("#")[0] for url in urls if "://" in url),
    )


def wanted_version(constraint: str) -> str:
    """A version that meets a constraint."""
    found = _VERSION.search(constraint)
    return found[1].rstrip(".") if found else "1.0"


@dataclass
class Wanted:
    """Packages to make: by channel and file name."""

    packages: dict[tuple[str, str], Package] = field(default_factory=dict)

    def add(self, channel: str, package: Package, suffix: str = conda_channel.CONDA) -> None:
        self.packages[channel, f"{package.subdir}/{package.stem}{suffix}"] = package


def wanted(found: Iterable[Environment]) -> Wanted:
    found = list(found)
    out = Wanted()
    pinned: dict[str, str] = {}  # where the pins have a package, it is looked for there
    for each in found:
        for url in each.pins:
            channel, package, suffix = _of_url(url, named=each.specs.keys())
            pinned.setdefault(package.name, channel)
            out.add(channel, package, suffix)
    by_name: dict[str, list[Environment]] = {}
    for each in found:
        for name in each.specs:
            by_name.setdefault(name, []).append(each)
    for name, users in by_name.items():
        for user in users:
            package = stand_in(name, wanted_version(user.specs[name]), named=True)
            channel = pinned.get(name, "")
            if channel not in user.channels:
                channel = _channel(users) or user.channels[0]
            out.add(channel, package)
    for extra in (stand_in("r-base", "4.4"), conda_channel.python(), conda_channel.pip()):
        out.add("conda-forge", extra)
    return out


def _channel(users: list[Environment]) -> str | None:
    """One that all of these have: bioconda if it can be, as for most tools."""
    common = [c for c in users[0].channels if all(c in user.channels for user in users)]
    return "bioconda" if "bioconda" in common else next(iter(common), None)


def _of_url(url: str, named: Iterable[str]) -> tuple[str, Package, str]:
    place, _, subdir = url.rpartition("/")[0].rpartition("/")
    file = url.rpartition("/")[2]
    suffix = next(s for s in (conda_channel.CONDA, conda_channel.TAR_BZ2) if file.endswith(s))
    name, version, build = file.removesuffix(suffix).rsplit("-", 2)
    package = stand_in(name, version, named=name in named)
    noarch = "generic" if subdir == "noarch" else None
    number = re.search(r"_(\d+)$", build)
    return (
        place.removeprefix(ANACONDA),
        replace(
            package,
            build=build,
            build_number=int(number[1]) if number else 0,
            noarch=noarch,
            depends=(),  # they are all in the pins
        ),
        suffix,
    )


def stand_in(name: str, version: str, named: bool = False) -> Package:
    """A package with programs, if an env file names it or it is known for them."""
    if name == "python":
        return conda_channel.python(version)
    needs = [need for start, need in NEEDS.items() if name.startswith(start) and name != need]
    files: dict[str, File] = {f"share/{name}/version.txt": conda_channel.text(f"{version}\n")}
    if named and name in MODULES:
        files |= _modules(name)
        needs.append("python")
    elif name in REAL:
        files[f"bin/{name}"] = File(REAL[name].read_bytes(), 0o755)
    elif named or name in PROGRAMS:
        files |= {f"bin/{each}": program(name, version) for each in PROGRAMS.get(name, (name,))}
    return Package(name, version, depends=tuple(needs), files=files)


def program(name: str, version: str) -> File:
    real = Path(sys.executable).resolve()
    source = PROGRAM.read_text().replace("@PREFIX@", PLACEHOLDER)
    return conda_channel.script(
        f"#!{real} -IS\n{source.replace('@PACKAGE@', f'{name} {version}')}", prefix=True
    )


def _modules(name: str, seen: frozenset[str] = frozenset()) -> Iterator[tuple[str, File]]:
    """The files of an installed distribution and of what it requires."""
    distribution = importlib.metadata.distribution(name)
    for file in distribution.files or ():
        path = Path(str(distribution.locate_file(file)))
        own = not {"..", "tests"} & {*file.parts} and path.suffix != ".pyc"
        if own and path.is_file():
            yield f"{conda_channel.SITE}/{file}", File(path.read_bytes())
    for text in distribution.requires or ():
        needed = Requirement(text)
        if needed.name not in seen and (not needed.marker or needed.marker.evaluate()):
            yield from _modules(needed.name, seen | {name})


def make(root: Path, found: Iterable[Environment]) -> int:
    """Channels below ``root``, indexed. Returns how many packages they have."""
    found = list(found)
    packages = wanted(found).packages
    hashes: dict[str, str] = {}
    channels = {name: Channel(root / name) for name, _ in packages}
    channels |= {name: Channel(root / name) for each in found for name in each.channels}
    for (channel, file), package in packages.items():
        suffix = next(s for s in (conda_channel.CONDA, conda_channel.TAR_BZ2) if file.endswith(s))
        made = channels[channel].add(package, suffix)
        hashes[f"{ANACONDA}{channel}/{file}"] = hashlib.md5(made.read_bytes()).hexdigest()  # noqa: S324
    for each in channels.values():
        each.index()
    for each in found:
        if each.pins:
            pin = each.file.with_suffix(".linux-64.pin.txt")
            pin.write_text("@EXPLICIT\n" + "".join(f"{u}#{hashes[u]}\n" for u in each.pins))
    return len(packages)
