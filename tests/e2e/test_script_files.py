"""What interpreters are handed in direct mode is what plain Snakemake hands them, byte by byte.

The interpreters are stand-ins that write down their command line and the script's file: so this
covers languages that are not installed here.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import pytest
import warm_start
from workflows import Workflow

from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud

#: Writes its arguments and the script to a file named by the script's suffix.
STAND_IN = r"""#!/bin/bash
for word; do
    script=$(grep -o '[^"]*[.]snakemake/scripts/[^"]*[.][A-Za-z]*' <<< "$word" | head -n 1)
    if [ -n "$script" ]; then break; fi
done
mkdir -p out
{ printf '%s\n' "${0##*/}" "$@"; cat "$script"; } > "out/${script##*.}.txt"
"""
INTERPRETERS = ("Rscript", "julia", "rust-script")
SCRIPTS = {
    "R": "cat('é')\n",
    "Rmd": "---\ntitle: x\n---\n\n# é\n\n```{r}\nsnakemake@params\n```\n",
    "jl": 'println("é")\n',
    "rs": "#!/usr/bin/env rust-script\n//! ```cargo\n//! [dependencies]\n//! ```\nfn main() {}\n",
}
SNAKEFILE = r"""
import os
configfile: "config.yaml"
config["here"] = os.getcwd() + "/x"
config["list"] = {"deep": [[1, 2.5], {"a": None}]}
rule all:
    input: expand("out/{kind}.txt", kind=["R", "Rmd", "jl", "rs"])
"""
RULE = r"""
rule of_KIND:
    input:
        "data/it's é.txt",
        pair=["data/it's é.txt", "data/b c.txt"],
    output: "out/KIND.txt"
    params:
        "positional \"quoted\" it's \\ $HOME é \n new",
        none=None, yes=True, number=7, real=2.5, huge=float("inf"),
        mixed=[1, "a", None], numbers=[1, 2.5], bools=[True, False], empty=[], words=("a", "b"),
        table={"a": {"b": [1, {"c": None}]}, 3: "int key", "it's": 'q"'},
        path=os.getcwd() + "/data",
        real_path=("KIND" != "rs") and Path(os.getcwd()) / "data",  # Rust cannot have one
        by=lambda wildcards, output, threads: f"{output} {threads}",
    log: "logs/it's KIND.log"
    threads: 2
    resources: mem_mb=700, word="it's"
    script: "my scripts/KIND it.KIND"
"""
CONFIG = """
word: it's "é" \\ $HOME
none: null
yes_: true
nested: {a: [1, two, null, {b: 2.5}], 3: [], é: {}}
samples: {a: data/a.txt, b: [x, y]}
"""


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    top = tmp_path_factory.mktemp("interpreters")
    (top / "bin").mkdir()
    for name in INTERPRETERS:
        (top / "bin" / name).write_text(STAND_IN)
        (top / "bin" / name).chmod(0o755)
    path = os.pathsep.join([str(top / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        with LocalCloud(top / "cloud") as cloud:
            (top / "flow").mkdir()
            flow = Workflow(cloud, top / "flow", "script-files")
            flow.write("config.yaml", CONFIG)
            flow.write("Snakefile", SNAKEFILE + "".join(RULE.replace("KIND", k) for k in SCRIPTS))
            for kind, text in SCRIPTS.items():
                flow.write(f"my scripts/{kind} it.{kind}", text)
            for name in ("it's é.txt", "b c.txt"):
                flow.write(f"data/{name}", name)
            plain = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet"]
            assert warm_start.run(plain, cwd=flow.folder, env=os.environ).returncode == 0
            (flow.folder / "out").rename(flow.folder / "plain")
            output = flow.succeed()
            assert "under Snakemake" not in output
            yield flow


def handed(text, work, tmp):
    """The same wherever it ran."""
    for found, name in ((work, "/work"), (tmp, "/tmp"), (r"scripts/tmp\w{8}\.", "scripts/tmp.")):
        text = re.sub(found, name, text)
    return text.splitlines()


@pytest.mark.parametrize("kind", SCRIPTS)
def test_an_interpreter_gets_what_plain_snakemake_hands_it(flow, kind):
    expected = (flow.folder / "plain" / f"{kind}.txt").read_text()
    got = flow.text(f"out/{kind}.txt")
    job = re.search(r"(/[^\s'\"]*)/work/", got).group(1)
    plain = handed(expected, re.escape(str(flow.folder)), tempfile.gettempdir())
    assert handed(got, f"{job}/work", f"{job}/tmp") == plain
