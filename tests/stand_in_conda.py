"""A ``conda`` that does what Snakemake asks of it, with py-rattler: for ``public_workflow.py``.

``install(FOLDER)`` makes a prefix with ``bin/conda`` and ``bin/activate``, as Snakemake looks for
them. Channels come from the files that ``CONDARC`` and the like name, of which this reads
``channel_alias`` and ``default_channels``. It shares no code with the plugin.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

import rattler
import yaml

ANACONDA = "https://conda.anaconda.org/"
#: ``source activate PREFIX``, as conda's own comes down to.
ACTIVATE = """\
export CONDA_PREFIX="$1" CONDA_DEFAULT_ENV="$1" CONDA_SHLVL=1 PATH="$1/bin:$PATH"
for each in "$1"/etc/conda/activate.d/*.sh; do
    if [ -e "$each" ]; then . "$each"; fi
done
"""


def install(folder: Path) -> Path:
    """Returns the folder of its programs."""
    programs = folder / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "activate").write_text(ACTIVATE)
    conda = programs / "conda"
    conda.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" "$@"\n')
    conda.chmod(0o755)
    return programs


def main(words: list[str]) -> int:
    if words[:1] == ["--version"]:
        print("conda 25.1.0")
    elif words[:1] == ["info"]:
        root = Path(os.environ["STAND_IN_CONDA"])
        print(json.dumps({"conda_prefix": str(root), "platform": "linux-64"}))
    elif words[:2] == ["config", "--get"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif "create" in words:
        parser = argparse.ArgumentParser()
        parser.add_argument("--file", type=Path)
        parser.add_argument("--prefix", type=Path)
        options, _ = parser.parse_known_args(words)
        asyncio.run(create(options.file, options.prefix))
    return 0


async def create(file: Path, prefix: Path) -> None:
    configured = yaml.safe_load(Path(os.environ["CONDARC"]).read_text())
    alias = configured["channel_alias"]
    if file.name.endswith(".txt"):
        urls = [line for line in file.read_text().splitlines() if "://" in line]
        channels, specs = pinned(urls, alias)
        priority = rattler.ChannelPriority.Disabled
    else:
        said = yaml.safe_load(file.read_text())
        named = [c for c in said["channels"] if c != "nodefaults"]
        channels = [c if c != "defaults" else configured["default_channels"][0] for c in named]
        specs = [each for each in said["dependencies"] if isinstance(each, str)]
        priority = rattler.ChannelPriority.Strict
    found = await rattler.solve(
        [c if "://" in c else f"{alias}/{c}" for c in channels],
        specs,
        platforms=["linux-64", "noarch"],
        virtual_packages=rattler.VirtualPackage.detect(),
        channel_priority=priority,
    )
    cache = Path(os.environ["STAND_IN_CONDA"]) / "pkgs"
    await rattler.install(found, prefix, cache_dir=cache, show_progress=False)


def pinned(urls: list[str], alias: str) -> tuple[list[str], list[str]]:
    """Channels, and specs that only the files of these URLs meet."""
    channels, specs = [], []
    for url in urls:
        place, _, file = url.partition("#")[0].rpartition("/")
        channels.append(place.rpartition("/")[0].replace(ANACONDA, f"{alias}/"))
        stem = file.removesuffix(".conda").removesuffix(".tar.bz2")
        name, version, build = stem.rsplit("-", 2)
        specs.append(f"{name} =={version} {build}")
    return list(dict.fromkeys(channels)), specs


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # py-rattler's threads may crash an interpreter that takes itself down
