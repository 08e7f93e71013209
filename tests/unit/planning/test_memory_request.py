"""How rules say what memory their jobs need."""

from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_hutchbatch.planning import memory_request


def kind(raw):
    return memory_request.kind_of({"mem_mb": SimpleNamespace(raw=raw)})


def by_name(wildcards, input, attempt):
    return 8000 * attempt


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (4000, "number"),
        ("16 GB", "number"),
        (lambda wildcards, attempt: 4000 * attempt, "attempt"),
        (by_name, "attempt"),
        ("8000 * attempt", "attempt"),
        (lambda wildcards, input: 3 * input.size_mb, "function"),
        (lambda wildcards, input, attempt: input.size_mb * attempt, "function"),
        (lambda wc: 4000, "function"),
        ("max(2 * input.size_mb, 1000) * attempt", "function"),
        (max, "function"),
    ],
)
def test_numbers_functions_of_the_attempt_and_other_functions(raw, expected):
    assert kind(raw) == expected


def test_a_rule_that_says_nothing():
    assert memory_request.kind_of({"runtime": SimpleNamespace(raw=5)}) == ""


def does_not(input, output, params, resources):
    return str(input)


def does(input, output, params, resources):
    return f"java -Xmx{resources.mem_mb}m"


def job(folder="", **rule):
    basedir = SimpleNamespace(get_path_or_uri=lambda secret_free: folder)
    given = {"wrapper": None, "shellcmd": None, "script": None, "notebook": None, "params": []}
    given |= {"run_func": does_not, "basedir": basedir, **rule}
    return SimpleNamespace(is_group=lambda: False, rule=SimpleNamespace(**given))


def test_commands_that_pass_their_memory_on():
    assert not memory_request.passes_on(job(shellcmd="bwa mem {input}"))
    assert memory_request.passes_on(job(shellcmd="java -Xmx{resources.mem_mb}m"))
    assert memory_request.passes_on(job(wrapper="v3/bio/picard"))
    heap = [3, lambda wildcards: 4, lambda wildcards, resources: resources.mem_mb - 500]
    assert not memory_request.passes_on(job(shellcmd="java -Xmx{params[0]}m", params=heap[:2]))
    assert memory_request.passes_on(job(shellcmd="java -Xmx{params[2]}m", params=heap))
    assert not memory_request.passes_on(job())
    assert memory_request.passes_on(job(run_func=does))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("heap = snakemake.resources.mem_mb", True),
        ('options(java.parameters = snakemake@resources[["mem_mb"]])', True),
        ("java -Xmx${snakemake_resources[mem_mb]}m", True),
        ("import importlib.resources", False),
    ],
)
def test_scripts_that_ask_for_their_memory(tmp_path, text, expected):
    (tmp_path / "x.py").write_text(text)
    assert memory_request.passes_on(job(str(tmp_path), script="x.py")) is expected
