"""How many rules of public workflows run in direct mode: run by hand, not in CI.

    git clone https://github.com/snakemake-workflows/rna-seq-star-deseq2 flows/rna-seq-star-deseq2
    python tests/share_of_direct_mode.py flows            # each folder in flows/ is a workflow
    python tests/share_of_direct_mode.py flows --least 95 # exit code 1 where it is less

Of each workflow every Snakefile that is a workflow of its own is planned (``hutchbatch plan
--json``) on the local cloud, with the configurations of its test folders, and what is missing is
made up: the input files that its rules name are empty. What its Snakefiles import must be installed
here (pandas, as a rule). Rules are counted once each, all and those without an image of their own
(a workflow's global ``container:`` is one); the reasons of those under Snakemake are listed.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from workflows import Workflow, slug

from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud
from snakemake_executor_plugin_hutchbatch.planning import default_image

#: Where a workflow's Snakefile is, as Snakemake looks for it.
SNAKEFILES = ("workflow/Snakefile", "Snakefile")
#: How often what is missing is made up, and the plan tried again.
ROUNDS = 30
#: How Snakemake says that files are missing.
_MISSING = re.compile(r"^\s+affected files:\n((?:\s+.+\n)+)", re.MULTILINE)


@dataclass
class Shares:
    """``modes``: rule → how it runs; ``own``: those that name an image of their own; ``reasons``:
    why under Snakemake; ``failed``: workflows that cannot be planned, and the last lines of why."""

    modes: dict[tuple[str, str], str] = field(default_factory=dict)
    own: set[tuple[str, str]] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, workflow: str, plan: dict) -> None:
        for rule in plan["rules"]:
            key = (workflow, rule["rule"])
            if key in self.modes or rule["runs"] == "here":
                continue
            if rule["image"] and not default_image.is_default(rule["image"]):
                self.own.add(key)
            self.modes[key] = rule["runs"] or "unknown"
            if rule["runs"] != "direct":
                text = rule["reason"] or rule["refused"] or "Snakemake cannot tell yet"
                self.reasons[text.replace(rule["rule"], "…")] += 1

    def share(self, workflow: str | None = None, own: bool = True) -> tuple[int, int]:
        """Rules in direct mode, and all; or, not ``own``, those without an image of their own."""
        modes = [
            mode
            for key, mode in self.modes.items()
            if workflow in (None, key[0]) and (own or key not in self.own)
        ]
        return modes.count("direct"), len(modes)


def launches(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Where Snakemake is started for a workflow, and with which options."""
    for snakefile in SNAKEFILES:
        if (folder / snakefile).is_file():
            tests = sorted(folder.glob(".test/config*/config.y*ml"))
            if not tests:
                yield folder, ["--snakefile", snakefile]
            for config in tests:
                target = folder / ".test"
                yield (
                    target,
                    [*("--snakefile", f"../{snakefile}"), "--configfile", str(config)],
                )
            return
    for part in sorted(folder.iterdir()):
        if part.is_dir() and not part.name.startswith("."):
            yield from launches(part)


def _with_samples(folder: Path) -> None:
    """Configurations that are there as samples only, as a user would copy them."""
    for sample in folder.rglob("config/*.sample.*"):
        target = sample.with_name(sample.name.replace(".sample", ""))
        if not target.exists():
            shutil.copy(sample, target)


def plan(flow: Workflow, options: list[str]) -> dict | str:
    """What ``hutchbatch plan`` says, or why it says nothing."""
    module = "snakemake_executor_plugin_hutchbatch.cli.main"
    command = [
        *(sys.executable, "-m", module, "plan", "--json", "--", *options, "--cores", "8"),
        *("--default-storage-provider", "s3", "--default-storage-prefix", flow.prefix),
        "--forceall",
    ]
    for _ in range(ROUNDS):
        done = subprocess.run(
            command,
            cwd=flow.folder,
            env=flow.environment(),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        try:
            found = json.loads(done.stdout)
        except ValueError:
            found = None
        if found and found["rules"]:
            return dict(found)
        missing = [
            name.strip() for part in _MISSING.findall(done.stderr) for name in part.splitlines()
        ]
        if not missing:
            break
        for name in missing:
            key = name.removeprefix(flow.prefix + "/").split(" ")[0]
            path = flow.stored / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    reported = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return "\n    ".join(reported[-12:]) or "nothing was said"


def measure(flows: Path, cloud: LocalCloud, work: Path) -> Shares:
    shares = Shares()
    for source in sorted(path for path in flows.iterdir() if path.is_dir()):
        folder = work / source.name
        shutil.copytree(source, folder, symlinks=True)
        _with_samples(folder)
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=False)
        for number, (place, options) in enumerate(launches(folder)):
            flow = Workflow(cloud, place, f"shares/{slug(source.name)}-{number}")
            found = plan(flow, options)
            if isinstance(found, str):
                shares.failed[f"{source.name} {' '.join(options)}"] = found
            else:
                shares.add(source.name, found)
        direct, total = shares.share(source.name)
        plain = "{} of {} without an image of their own".format(*shares.share(source.name, False))
        print(f"{source.name}: {direct} of {total} rules in direct mode ({plain})", flush=True)
    return shares


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("flows", type=Path, help="a folder with a folder for each workflow")
    parser.add_argument("--least", type=float, default=0, help="percent below which this fails")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        with LocalCloud(work / "cloud") as cloud:
            shares = measure(given.flows.resolve(), cloud, work / "flows")
    for name, why in shares.failed.items():
        print(f"{name}: cannot be planned: {why}")
    for reason, count in shares.reasons.most_common():
        print(f"{count:4} {reason}")
    percent = 0.0
    for own, which in ((True, "rules"), (False, "rules without an image of their own")):
        direct, total = shares.share(own=own)
        percent = 100 * direct / total if total else 0.0
        print(f"{direct} of {total} {which} in direct mode: {percent:.1f} %")
    return int(percent < given.least)


if __name__ == "__main__":
    raise SystemExit(main())
