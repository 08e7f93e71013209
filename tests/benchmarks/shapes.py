"""The workflows of ``many_jobs.py``: their rules, what is in S3 before, what jobs make."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

RULES = 400
STEPS = 5

#: What each job does: a command, or a Python script, which the embedded cloud does not run either.
DOES = {"shell": 'shell: "cat {input} > {output}"', "script": 'script: "scripted.py"'}

_FAN = """
rule all:
    input: expand("out/{{n}}.txt", n=range({size}))

rule one:
    input: "in/{{n}}.txt"
    output: "out/{{n}}.txt"
    {does}
"""

_CHAIN = """
rule all:
    input: expand("out/{{n}}.txt", n=range({size}))

rule step1:
    input: "in/{{n}}.txt"
    output: temp("1/{{n}}.txt")
    {does}
"""

_LINK = """
rule step{step}:
    input: "{before}/{{n}}.txt"
    output: {output}
    {does}
"""

_MANY = """
rule all:
    input: expand("{{k}}/{{n}}.txt", k=range({rules}), n=range({size}))
"""

_OF_MANY = """
rule rule{k}:
    input: "in/{{n}}.txt"
    output: "{k}/{{n}}.txt"
    {does}
"""


@dataclass(frozen=True)
class Shape:
    """Of a workflow with ``size`` jobs. Names are relative to the storage prefix.

    ``inputs`` are in S3 before, ``results`` in the end, ``output`` is what a job makes, by its rule
    and wildcard. ``is_done``: all jobs but the first are done already, as Snakemake knows.
    """

    snakefile: Callable[[int, str], str]
    inputs: Callable[[int], Iterator[str]]
    results: Callable[[int], Iterator[str]]
    output: Callable[[str, str], str]
    is_done: bool = False

    def stored(self, size: int) -> Iterator[str]:
        """What is in S3 before, oldest first."""
        yield from self.inputs(size)
        if self.is_done:
            yield from list(self.results(size))[1:]

    def jobs(self, size: int) -> int:
        """How many jobs are to be done."""
        return 1 if self.is_done else size


def _names(folder: str, size: int) -> Iterator[str]:
    return (f"{folder}/{n}.txt" for n in range(size))


def _fan(size: int, does: str) -> str:
    return _FAN.format(size=size, does=DOES[does])


def _chains(size: int, does: str) -> str:
    text = _CHAIN.format(size=size // STEPS, does=DOES[does])
    for step in range(2, STEPS + 1):
        output = '"out/{n}.txt"' if step == STEPS else f'temp("{step}/{{n}}.txt")'
        text += _LINK.format(step=step, before=step - 1, output=output, does=DOES[does])
    return text


def _rules(size: int, does: str) -> str:
    text = _MANY.format(rules=RULES, size=size // RULES)
    return text + "".join(_OF_MANY.format(k=k, does=DOES[does]) for k in range(RULES))


def _step(rule: str, n: str) -> str:
    folder = rule.removeprefix("step")
    return f"{'out' if folder == str(STEPS) else folder}/{n}.txt"


def _results_of_rules(size: int) -> Iterator[str]:
    for k in range(RULES):
        yield from _names(str(k), size // RULES)


#: Sizes are multiples of ``STEPS`` for chains, and of ``RULES`` for rules.
SHAPES = {
    "fan": Shape(_fan, partial(_names, "in"), partial(_names, "out"), lambda _, n: f"out/{n}.txt"),
    "chains": Shape(
        _chains,
        lambda size: _names("in", size // STEPS),
        lambda size: _names("out", size // STEPS),
        _step,
    ),
    "rules": Shape(
        _rules,
        lambda size: _names("in", size // RULES),
        _results_of_rules,
        lambda rule, n: f"{rule.removeprefix('rule')}/{n}.txt",
    ),
    "inputs": Shape(
        _fan,
        partial(_names, "in"),
        partial(_names, "out"),
        lambda _, n: f"out/{n}.txt",
        is_done=True,
    ),
}


def remember(folder: Path, prefix: str, size: int) -> None:
    """Gives what Snakemake knows in ``folder`` of the first result of a fan to the others, as if
    it had made them. ``prefix``: of the storage, with a slash at its end, or empty."""
    metadata = folder / ".snakemake" / "metadata"
    first = metadata / _file_name(f"{prefix}out/0.txt")
    text = first.read_text()
    for n in range(1, size):
        one = text.replace("in/0.txt", f"in/{n}.txt").replace("out/0.txt", f"out/{n}.txt")
        (metadata / _file_name(f"{prefix}out/{n}.txt")).write_text(one)
    first.unlink()


def _file_name(url: str) -> str:
    """As in Snakemake's ``FilePersistence._record_path``, for names of up to 254 characters."""
    return base64.b64encode(url.encode(), altchars=b"-_").decode()
