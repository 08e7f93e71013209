"""Scripts, wrappers and notebooks in direct mode see what they see in plain Snakemake.

The same workflow runs in plain Snakemake and on the embedded cloud; what the scripts have written
must be the same, but for the folders in which they ran.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import warm_start

SNAKEFILES = Path(__file__).parent / "snakefiles" / "scripts"
HAS_PANDAS = importlib.util.find_spec("pandas") is not None
HAS_R = shutil.which("Rscript") is not None
#: A job's working directory.
WORK = re.compile(r"/[^\s\"']*/work(?=[/\s\"']|$)", re.MULTILINE)
TARGETS = [
    *("out/a.json", "out/b c.json", "out/bash.txt", "out/bench.txt", "out/wrapped.txt"),
    *("out/inner.json", "out/group.txt", "out/piped.txt", "out/notebook.txt", "out/run.txt"),
    *("out/numbers.json", "out/shells.txt"),
]
IN_R = ["out/r.txt", "out/wrapped_r.txt", "out/third.txt", "out/markup.html.R"]


@pytest.fixture(scope="module")
def wrappers(tmp_path_factory):
    """Snakemake's own cache of the wrappers' repository, as it is after the first download."""
    home = tmp_path_factory.mktemp("home")
    repository = home / "repository"
    shutil.copytree(SNAKEFILES / "wrappers", repository)
    git = ["git", "-c", "user.name=us", "-c", "user.email=us@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["tag", "v1.0.0"]):
        subprocess.run([*git, *command], cwd=repository, check=True)
    cached = home / "cache/snakemake/snakemake/source-cache/snakemake-git-cache"
    cached = cached / "github.com/snakemake/snakemake-wrappers"
    cached.parent.mkdir(parents=True)
    subprocess.run(["git", "clone", "-q", "--bare", repository, cached], check=True)
    return home / "cache"


@pytest.fixture(scope="module")
def targets():
    frames = ["out/frames.json"] if HAS_PANDAS else []
    return [*TARGETS, *frames, *(IN_R if HAS_R else [])]


@pytest.fixture(scope="module")
def plain(flow, wrappers, targets):
    """The workflow's folder after a run of plain Snakemake."""
    folder = flow("scripts").folder
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = warm_start.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *targets],
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(wrappers), "PATH": path},
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return folder


@pytest.fixture(scope="module")
def run(flow, wrappers, targets):
    rules = flow("scripts")
    shutil.copytree(SNAKEFILES / "data", rules.stored / "data")
    shutil.rmtree(rules.folder / "data")
    rules.output = rules.succeed(*targets, XDG_CACHE_HOME=str(wrappers))
    return rules


def both(plain, run, name):
    """What a script has written in plain Snakemake, and in its job."""
    expected = (plain / name).read_text().replace(str(plain), "/work")
    return WORK.sub("/work", run.text(name)), expected


def differences(got, expected, where=""):
    if isinstance(got, dict) and isinstance(expected, dict):
        return [
            line
            for key in sorted({*got, *expected})
            for line in differences(got.get(key), expected.get(key), f"{where}.{key}")
        ]
    return [] if got == expected else [f"{where}: {got} instead of {expected}"]


@pytest.mark.parametrize("sample", ["a", "b c"])
def test_a_python_script_sees_what_it_sees_in_plain_snakemake(plain, run, sample):
    got, expected = map(json.loads, both(plain, run, f"out/{sample}.json"))
    for dump in (got, expected):
        # What Snakemake itself runs with differs; how the rule says it does not.
        resources = dump.pop("resources")
        dump["named resources"] = [resources[2]["mem_mb"], resources[2]["extra"]]
    assert differences(got, expected) == []


def test_all_run_directly(run):
    assert "under Snakemake" not in run.output


def test_the_shim_s_shell_and_helpers_do_what_snakemake_s_do(plain, run):
    got, expected = both(plain, run, "out/shells.txt")
    assert got.splitlines() == expected.splitlines()
    assert run.text("logs/shells.log") == (plain / "logs/shells.log").read_text()


@pytest.mark.parametrize(
    "name", ["bash.txt", "bench.txt", "numbers.json", "run.txt", "notebook.txt", "inner.json"]
)
def test_other_scripts_see_what_they_see_in_plain_snakemake(plain, run, name):
    got, expected = both(plain, run, f"out/{name}")
    assert differing_lines(got, expected) == []


@pytest.mark.skipif(not HAS_PANDAS, reason="there is no pandas here")
def test_tables_of_pandas_arrive_as_in_plain_snakemake(plain, run):
    got, expected = both(plain, run, "out/frames.json")
    assert got.splitlines() == expected.splitlines()


def differing_lines(got, expected):
    """Lines that only one of them has, but for resources that Snakemake itself adds."""
    return [
        line
        for line in {*got.splitlines()} ^ {*expected.splitlines()}
        if not re.search(r"tmpdir|_cores|_nodes|mem_mib|disk", line)
    ]


@pytest.mark.skipif(not HAS_R, reason="there is no Rscript here")
@pytest.mark.parametrize("name", ["r.txt", "third.txt", "wrapped_r.txt"])
def test_r_scripts_see_what_they_see_in_plain_snakemake(plain, run, name):
    got, expected = both(plain, run, f"out/{name}")
    assert differing_lines(got, expected) == []


def test_a_wrapper_of_a_tag_needs_no_network(plain, run):
    assert both(plain, run, "out/wrapped.txt")[0] == "one\n--x y z 2\n"
    assert run.text("logs/wrapped.log") == ""


def test_jobs_of_a_wrapper_share_one_object(run):
    stored = list((run.stored.parent).rglob("scripts/*"))
    texts = {path.name for path in stored if path.is_file()}
    assert len(texts) == len([path for path in stored if path.is_file()])


def test_a_group_mixes_commands_scripts_and_wrappers(plain, run):
    assert both(plain, run, "out/group.txt")[0] == "one\nsecond\n1\n"
    assert both(plain, run, "out/piped.txt")[0] == "one\nfeeds\ndrinks\n"


def test_the_executed_notebook_is_kept_as_log(run):
    cells = json.loads(run.text("logs/notebook.ipynb"))["cells"]
    assert cells[0]["metadata"]["tags"] == ["snakemake-job-properties"]
    assert cells[1]["execution_count"]
