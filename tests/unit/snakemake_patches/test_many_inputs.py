"""Which inputs of a local job are pipes or services, found once for all of them."""

import asyncio
import random
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from snakemake.jobs import Job as SnakemakesJob

from snakemake_executor_plugin_hutchbatch.snakemake_patches import many_inputs


@dataclass(eq=False)
class Maker:
    pipe_or_service_output: set = field(default_factory=set)


class Asked:
    """A mapping of dependencies that counts how often it is looked through."""

    def __init__(self, makers):
        self.makers, self.looks = makers, 0

    def items(self):
        self.looks += 1
        return self.makers.items()


def job_with(makers):
    job = SimpleNamespace(input=[f for files in makers.values() for f in files] + ["from nobody"])
    holder = type("Job", (), {"__hash__": object.__hash__})()
    holder.input, holder.dag = job.input, SimpleNamespace(dependencies={holder: Asked(makers)})
    return holder


def plain(job, path):
    return SnakemakesJob.is_pipe_or_service_input(job, path)


async def ask_of_all(job, question):
    return {path for path in job.input if question(job, path)}


@pytest.mark.parametrize("seed", range(20))
def test_the_answer_is_snakemakes_own_and_dependencies_are_looked_through_once(seed):
    dice = random.Random(seed)
    makers = {}
    for number in range(dice.randrange(12)):
        files = {f"{number}.{part}" for part in range(1 + dice.randrange(3))}
        piped = {file for file in files if dice.random() < 0.2}
        makers[Maker(piped | {f"{number}.else"})] = files
    job = job_with(makers)
    asked = many_inputs.is_pipe_or_service_input(plain)
    wanted = {path for path in job.input if plain(job, path)}
    job.dag.dependencies[job].looks = 0
    found = []

    async def prepared(job):
        found.append(await ask_of_all(job, asked))

    asyncio.run(many_inputs.prepare(prepared)(job))
    assert found == [wanted]
    assert job.dag.dependencies[job].looks == 1


def test_after_a_job_was_prepared_or_could_not_be_snakemake_is_asked_again():
    async def failing(job):
        raise OSError("no space")

    first = Maker({"a"})
    job = job_with({first: {"a"}})
    asked = many_inputs.is_pipe_or_service_input(plain)
    with pytest.raises(OSError, match="no space"):
        asyncio.run(many_inputs.prepare(failing)(job))
    first.pipe_or_service_output.clear()
    assert not asked(job, "a")
