"""A filled-in frame is, character for character, what Snakemake itself writes."""

import io

import pytest
from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, ResourceList, Wildcards

from snakemake_executor_plugin_hutchbatch.software import languages
from snakemake_executor_plugin_hutchbatch.software.parts import Parts
from snakemake_executor_plugin_hutchbatch.software.source import Source
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import SCRIPT_BENCH

CONFIG = {
    "samples": {"a": ["r1", "r2"], "it's": 'a "b" \\ c'},
    "depth": 30,
    "ratio": 0.5,
    "on": True,
}
TEXTS = {
    "r": "print(snakemake@input)\n",
    "rmarkdown": "---\ntitle: x\n---\n\n# Results `r 1 + 1`\n",
    "julia": "println(snakemake.input)\n",
    "bash": "#!/bin/bash\necho ${snakemake_input[0]}\n",
    "rust": "//! ```cargo\n//! [dependencies]\n//! ```\nfn main() {}\n",
}
SUFFIXES = {"r": "R", "rmarkdown": "Rmd", "julia": "jl", "bash": "sh", "rust": "rs"}


def source(language):
    name = f"plot it's.{SUFFIXES[language]}"
    return Source(name, TEXTS[language], language, f"/w/scripts/{name}", "/w/scripts")


def parts(bench_iteration=None, **changes):
    given = Params(["first"])
    given.append([1, 2.5])
    given._add_name("numbers")
    given.append({"nested": {"path": "x y"}})
    given._add_name("deep")
    read = InputFiles(["data/a b.txt", "data/it's.txt", "é.txt"])
    read._set_name("reads", 0, end=2)
    values = {
        "input": read,
        "output": OutputFiles(["out.txt"]),
        "params": given,
        "wildcards": Wildcards(fromdict={"sample": "a'b"}),
        "threads": 4,
        "resources": ResourceList(
            fromdict={"_cores": 4, "_nodes": 1, "mem_mb": 700, "tmpdir": "/t"}
        ),
        "log": Log(),
        "rule": "plot",
        "bench_iteration": bench_iteration,
    }
    return Parts(**{**values, **changes})


def by_snakemake(source, parts, config):
    """What Snakemake's own classes write."""
    made = languages.written(source, parts, config)
    file = io.BytesIO()
    made.write_script(made.get_preamble(), file)
    return file.getvalue().decode()


def filled(source, parts, config):
    pieces = languages.frame(source, config, "", parts.bench_iteration, "/shim")
    values = languages.values(source, parts, None)
    return "".join(p if isinstance(p, str) else values[p] for p in pieces)


@pytest.mark.parametrize("bench_iteration", [None, SCRIPT_BENCH])
@pytest.mark.parametrize("language", TEXTS)
def test_a_script_is_what_snakemake_writes(language, bench_iteration):
    given = parts(bench_iteration)
    if language == "rust":  # JSON has no lists with names
        given = parts(bench_iteration, params=Params(fromdict={"a": 1, "b": "x"}))
    assert filled(source(language), given, CONFIG) == by_snakemake(source(language), given, CONFIG)


@pytest.mark.parametrize("language", TEXTS)
def test_an_empty_rule_gives_a_script_empty_lists(language):
    empty = parts(
        input=InputFiles(),
        output=OutputFiles(),
        params=Params(),
        wildcards=Wildcards(),
        resources=ResourceList(),
    )
    assert filled(source(language), empty, {}) == by_snakemake(source(language), empty, {})
