"""The shim gives scripts what Snakemake's own modules give them, in any Python from 3.6 on."""

import json
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
from snakemake import io as snakemake_io
from snakemake import utils
from snakemake.exceptions import WildcardError
from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, ResourceList, Wildcards

from snakemake_executor_plugin_hutchbatch.software import frames, pickles
from snakemake_executor_plugin_hutchbatch.software.parts import Parts
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    SCRIPT_BENCH,
    SCRIPT_TMPDIR,
    SCRIPT_WORKDIR,
)

#: Pythons that may be here: pyenv's, Debian's and this one.
PYTHONS = sorted(
    {
        *(str(p) for p in Path.home().glob(".pyenv/versions/3.*/bin/python3")),
        *filter(None, [shutil.which("python3", path="/usr/bin")]),
        sys.executable,
    }
)
CONFIG = {"samples": {"a": ["r1", "r2"]}, "here": "/launch/data", 5: None}


def localized(text):
    """A launch folder is the job's working directory there."""
    return text.replace("/launch", SCRIPT_WORKDIR)


def parts():
    given = Params(["first"])
    for name, value in {
        "deep": {"list": [1, 2.5, None, True, ("t",)], "set": {"x"}},
        "path": PurePosixPath("/launch/x"),
        "text": "in /launch/y and /launch",
        "samples": CONFIG["samples"],
    }.items():
        given.append(value)
        given._add_name(name)
    read = InputFiles(["a b.txt", "/launch/c.txt"])
    read._set_name("both", 0, end=2)
    return Parts(
        input=read,
        output=OutputFiles(["out.txt"]),
        params=given,
        wildcards=Wildcards(fromdict={"sample": "s"}),
        threads=3,
        resources=ResourceList(fromdict={"mem_mb": 700, "tmpdir": SCRIPT_TMPDIR}),
        log=Log(fromdict={"err": "a.log"}),
        rule="r",
        bench_iteration=SCRIPT_BENCH,
    )


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shim")
    for name, content in frames.shim_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def in_job(python, shim, code, *arguments, **more):
    """What a bare Python prints that has the shim and nothing else."""
    begin = f"import sys; sys.path.insert(0, {str(shim)!r}); import hutchbatch_script\n"
    done = subprocess.run(
        [python, "-I", "-S", "-B", "-c", begin + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        **more,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SHOW = """
import json
job, config = sys.argv[1:]
s = hutchbatch_script.load(job, config, ["/scratch/tmp", "/scratch/work"], 2)
p = s.params
print(json.dumps({
    "input": [list(s.input), s.input.both, s.input["both"], str(s.input)],
    "params": [p[0], p.deep["list"], sorted(p.deep["set"]), str(p.path), p.text, p.get("none", 1)],
    "same": p.samples is s.config["samples"],
    "config": [s.config["here"], sorted(map(str, s.config))],
    "rest": [s.output[0], s.wildcards.sample, s.threads, s.resources.mem_mb, s.resources.tmpdir],
    "log": [s.log.err, s.log_fmt_shell(), s.log_fmt_shell(stdout=False, append=True)],
    "bench": s.bench_iteration, "rule": s.rule, "dir": s.scriptdir,
    "href": str(s.report_href("a/b.html").child_path("c").anchor("d")),
}))
"""


@pytest.mark.parametrize("python", PYTHONS)
def test_an_object_from_here_is_whole_in_every_python(python, shim):
    config = pickles.Config.of(CONFIG)
    made = pickles.script_object(parts(), CONFIG, SCRIPT_WORKDIR + "/scripts")
    packed = pickles.packed(made, localized, config.known)
    shown = in_job(python, shim, SHOW, packed, pickles.packed(CONFIG, localized, {}))
    assert json.loads(shown) == {
        "input": [["a b.txt", "/scratch/work/c.txt"]]
        + [["a b.txt", "/scratch/work/c.txt"]] * 2
        + ["a b.txt /scratch/work/c.txt"],
        "params": [
            "first",
            [1, 2.5, None, True, ["t"]],
            ["x"],
            "/scratch/work/x",
            "in /scratch/work/y and /scratch/work",
            1,
        ],
        "same": True,
        "config": ["/scratch/work/data", ["5", "here", "samples"]],
        "rest": ["out.txt", "s", 3, 700, "/scratch/tmp"],
        "log": ["a.log", " > a.log 2>&1", " 2>> a.log"],
        "bench": 2,
        "rule": "r",
        "dir": "/scratch/work/scripts",
        "href": str(made.report_href("a/b.html").child_path("c").anchor("d")),
    }


@pytest.mark.parametrize("python", PYTHONS)
def test_shell_runs_in_every_python(python, shim, tmp_path):
    code = """
hutchbatch_script.install()
from snakemake import shell
from snakemake.utils import makedirs
import snakemake.io, snakemake.logging, snakemake.exceptions
makedirs("made")
word = ["a", "it's"]
print(shell("echo {word:q}; ls -d made", read=True), list(shell("echo 1", iterable=True)))
"""
    assert in_job(python, shim, code, cwd=tmp_path) == "a it's\nmade\n ['1']\n"


def test_what_the_shim_lacks_is_said(shim):
    done = subprocess.run(
        [
            sys.executable,
            "-ISc",
            f"import sys; sys.path.insert(0, {str(shim)!r})\n"
            "import hutchbatch_script; hutchbatch_script.install()\nimport snakemake.report",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "which only Snakemake itself has, and it is not installed here" in done.stderr


def test_an_image_s_own_snakemake_serves_what_the_shim_lacks(shim):
    code = f"import sys; sys.path.insert(0, {str(shim)!r}); import hutchbatch_script as h\n"
    code += "h.install(); from snakemake.utils import format, Paramspace; import snakemake.utils\n"
    code += "print(Paramspace.__module__, snakemake.utils.__file__.count('site-packages'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "snakemake.utils 1\n"


def test_a_library_that_the_image_lacks_is_named(shim):
    numpy = pytest.importorskip("numpy")
    given = parts()
    given.params.append(numpy.float64(2.5))
    made = pickles.script_object(given, {}, "/s")
    packed = pickles.packed(made, localized, {})
    code = "hutchbatch_script.load(*sys.argv[1:], folders=['/t', '/w'], bench_iteration=None)"
    begin = f"import sys; sys.path.insert(0, {str(shim)!r}); import hutchbatch_script\n"
    done = subprocess.run(
        [sys.executable, "-ISc", begin + code, packed, pickles.packed({}, localized, {})],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "a library that this image does not have (No module named 'numpy" in done.stderr


def test_sizes_of_inputs_are_those_of_the_files(shim, tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 2048)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "b").write_bytes(b"y" * 1024)
    code = """
hutchbatch_script.install()
from snakemake.iocontainers import InputFiles
i = InputFiles(["a", "d"])
print(i.size, i.size_kb, i.size_files, i.size_mb)
"""
    shown = in_job(sys.executable, shim, code, cwd=tmp_path)
    assert shown == f"3072 3.0 [2048, 1024] {3 / 1024}\n"


#: Expressions whose values, or errors, must be those of Snakemake's own.
ALIKE = [
    'format("{a} {b:q} {c[x]} {{}}", a=["x", "y"], b=["it\'s", "b"], c={"x": 1})',
    'format("{a:u} {b:>4} {c:.2f}", a="x", b="y", c=1.234)',
    'format("{missing}")',
    'expand("{a}.{b}", a=[1, 2], b="cd")',
    'expand(["{a}", "x{a}"], a=["p", "q"])',
    'expand("{a}.{b}", zip, a=[1, 2], b=[3, 4])',
    'expand("{a}.{b}", a=[1], allow_missing=True)',
    'expand("{a}.{b}", a=[1])',
    'multiext("p", ".a", ".b")',
    'regex_from_filepattern("a/{b}.{c,[0-9]{2}}.{b}")',
    'strip_wildcard_constraints("{a,x{2}}/{b}")',
    'sorted(get_wildcard_names("{a}/{b,x}"))',
    'apply_wildcards("{a}/{b,x}", {"a": 1, "b": 2})',
    'limit("{a}/{b}", a=["x", "y"], b=["z"])',
    'simplify_path("a/../b")',
    "linecount(__file__) > 0",
    'AlwaysQuotedFormatter().format("{0} {1:u}", "a b", "c d")',
]


@pytest.mark.parametrize("expression", ALIKE)
def test_helpers_answer_as_snakemake_s_own(expression, shim):
    names = {**vars(snakemake_io), **vars(utils), "__file__": __file__}
    try:
        expected = repr([str(each) for each in _listed(eval(expression, names))])  # noqa: S307
    except (NameError, WildcardError) as error:
        expected = type(error).__name__
    code = f"""
hutchbatch_script.install()
__file__ = {__file__!r}
from snakemake.io import *
from snakemake.io import (regex_from_filepattern, strip_wildcard_constraints, expand, multiext,
    get_wildcard_names, apply_wildcards, limit)
from snakemake.utils import *
from snakemake.utils import format
try:
    value = {expression}
    print(repr([str(each) for each in (value if isinstance(value, list) else [value])]))
except Exception as error:
    print(type(error).__name__)
"""
    assert in_job(sys.executable, shim, code).strip() == expected


def _listed(value):
    return value if isinstance(value, list) else [value]
