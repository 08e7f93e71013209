"""Snakemake's own test cases on the local cloud: run by hand, not in CI.

    git clone https://github.com/snakemake/snakemake
    python tests/snakemake_cases.py snakemake                   # all cases below
    python tests/snakemake_cases.py snakemake test_params test15

Each case is a folder of Snakemake's ``tests/`` with a Snakefile and its ``expected-results``. It is
run as ``tests/tests.py`` there runs it, with hutchbatch as the executor, and what is in S3
afterwards is compared with what is expected. Inputs are uploaded from the case's folder, as they
are for anybody; results of an earlier run that it holds are put into S3 first. ``CASES`` are those
that plain Snakemake passes without a shared disk.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from workflows import Workflow, slug

from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud

CASES = tuple(Path(__file__).with_name("snakemake_cases.txt").read_text().splitlines())
#: What ``run`` of Snakemake's tests takes, and how the command line says it.
OPTIONS = {
    "targets": "",
    "until": "--until",
    "omit_from": "--omit-from",
    "forcerun": "--forcerun",
    "config": "--config",
    "batch": "--batch",
    "retries": "--retries",
    "configfiles": "--configfile",
    "default_resources": "--default-resources",
    "overwrite_resources": "--set-resources",
    "overwrite_groups": "--groups",
    "group_components": "--group-components",
    "snakefile": "--snakefile",
    "max_threads": "--max-threads",
    "resources": "--resources",
    "rerun_triggers": "--rerun-triggers",
}
FLAGS = {"forceall": "--forceall", "benchmark_extended": "--benchmark-extended"}


def how_it_is_run(tests: ast.Module, case: str) -> dict[str, Any]:
    """The arguments of the first ``run(dpath(case), …)``, those that are literals."""
    for call in (node for node in ast.walk(tests) if isinstance(node, ast.Call)):
        if not (isinstance(call.func, ast.Name) and call.func.id == "run" and call.args):
            continue
        path = call.args[0]
        if isinstance(path, ast.Call) and path.args and _literal(path.args[0]) == case:
            return {word.arg: _literal(word.value) for word in call.keywords if word.arg}
    return {}


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        if isinstance(node, ast.Set):  # of an enumeration
            return sorted(
                item.attr.lower() for item in node.elts if isinstance(item, ast.Attribute)
            )
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Batch":
            rule, number, of = (_literal(argument) for argument in node.args)
            return f"{rule}={number}/{of}"
    return None


def arguments(given: dict[str, Any]) -> Iterator[str]:
    for name, option in OPTIONS.items():
        value = given.get(name)
        if value in (None, [], {}, set()):
            continue
        if option:
            yield option
        if isinstance(value, dict):
            for key, item in value.items():
                if isinstance(item, dict):
                    yield from (f"{key}:{k}={v}" for k, v in item.items())
                else:
                    yield f"{key}={item}"
        elif isinstance(value, (list, set, tuple)):
            yield from map(str, sorted(value))
        else:
            yield str(value)
    yield from (flag for name, flag in FLAGS.items() if given.get(name))
    yield "--"


def run_case(checkout: Path, case: str, tests: ast.Module, cloud: LocalCloud, work: Path) -> str:
    """What is wrong with a case; nothing where it passes."""
    source = checkout / "tests" / case
    folder = work / slug(case) / "launch"
    shutil.copytree(source, folder, symlinks=True, ignore=_without_results(source))
    flow = Workflow(cloud, folder, f"cases/{slug(case)}")
    for result in _of_an_earlier_run(source):
        (flow.stored / result).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / result, flow.stored / result)
    given = how_it_is_run(tests, case)
    wanted = list(arguments(given))
    targets = wanted[-1:] + sorted(given.get("targets") or ())
    options = [a for a in wanted[:-1] if a not in targets]
    image = ("--container-image", "docker://snakemake/snakemake")
    done = flow.run(*image, "--cores", "3", *options, *targets)
    (work / slug(case) / "log").write_text(done.output)
    if given.get("shouldfail"):
        return "" if done.code else "it succeeded"
    if done.code:
        return f"exit code {done.code}: {_reason(done.output)}"
    return "; ".join(_differences(source / "expected-results", flow.stored, given))[:300]


def _of_an_earlier_run(source: Path) -> Iterator[Path]:
    """Expected results that the case's folder has already: those of a run belong in S3."""
    expected = source / "expected-results"
    names = (path.relative_to(expected) for path in expected.rglob("*") if path.is_file())
    return (name for name in names if (source / name).is_file())


def _without_results(source: Path) -> Any:
    return lambda folder, _: {"expected-results"} if Path(folder) == source else set()


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if "rror" in line or "xception" in line]
    return " | ".join(lines[:3])[:300]


def _differences(expected: Path, stored: Path, given: dict[str, Any]) -> Iterator[str]:
    for wanted in sorted(path for path in expected.rglob("*") if not path.is_dir()):
        name = wanted.relative_to(expected)
        if name.name in (".gitignore", ".snakemake_timestamp"):
            continue
        if not (stored / name).is_file():
            yield f"{name} is missing"
        elif given.get("check_md5") is not False:
            made = (stored / name).read_bytes()
            if made.strip() != wanted.read_bytes().strip():
                yield f"{name} is {made[:60]!r}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--keep", type=Path, help="folder that keeps the cases and their output")
    options = parser.parse_intermixed_args()
    tests = ast.parse((options.checkout / "tests" / "tests.py").read_text())
    cases = options.cases or CASES
    work = options.keep or Path(tempfile.mkdtemp(prefix="snakemake-cases-"))
    begin = time.monotonic()

    def one(case: str) -> tuple[str, str]:
        try:
            return case, run_case(options.checkout, case, tests, cloud, work)
        except Exception as error:
            return case, f"{type(error).__name__}: {error}"

    with LocalCloud(work / "cloud") as cloud, ThreadPoolExecutor(2) as pool:
        failed = 0
        for case, wrong in pool.map(one, cases):
            failed += bool(wrong)
            print(f"{'FAIL' if wrong else 'pass'}  {case}  {wrong}", file=sys.stderr, flush=True)
    seconds = time.monotonic() - begin
    print(f"{len(cases) - failed} of {len(cases)} pass ({seconds:.0f} s)", file=sys.stderr)
    if not options.keep:
        shutil.rmtree(work, ignore_errors=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
