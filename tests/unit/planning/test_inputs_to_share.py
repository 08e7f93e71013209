"""Which inputs jobs share: what a place in S3, or a rule, names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sample_plan import PLAN
from snakemake.iocontainers import InputFiles

from snakemake_executor_plugin_hutchbatch import ExecutorSettings
from snakemake_executor_plugin_hutchbatch.cli.commands import plan
from snakemake_executor_plugin_hutchbatch.planning import fingerprint, run_plan, shared_inputs
from snakemake_executor_plugin_hutchbatch.planning.job_paths import JobPaths, Tokens
from snakemake_executor_plugin_hutchbatch.planning.requirements import PlanError
from snakemake_executor_plugin_hutchbatch.planning.rule_checks import CheckedJob
from snakemake_executor_plugin_hutchbatch.planning.tasks import shared_paths, snakemake_task
from snakemake_executor_plugin_hutchbatch.settings.options import PER_JOB, job_values
from snakemake_executor_plugin_hutchbatch.settings.values import NONE, SettingError


class File(str):
    """A file in S3, as Snakemake has it."""

    is_storage = True

    @property
    def storage_object(self) -> Any:
        provider = SimpleNamespace(is_default=True)
        return SimpleNamespace(
            query=f"s3://bucket/{self}", bucket="bucket", key=str(self), provider=provider
        )


class LocalFile(str):
    is_storage = False


def job(shared: object = None, rule: str = "align") -> Any:
    files = [File("ref/genome.fa"), File("ref/index/1"), File("ref/index/2"), File("reads/A.fq")]
    inputs: Any = InputFiles(toclone=[*files, LocalFile("ref/here.txt")])
    inputs._set_name("genome", 0)
    inputs._set_name("index", 1, end=3)
    resources = {} if shared is None else {"hutchbatch_shared": shared}
    return SimpleNamespace(
        input=inputs, resources=resources, rule=SimpleNamespace(name=rule), is_group=lambda: False
    )


def shared(names: object = None, *prefixes: str) -> list[str]:
    settings = ExecutorSettings(shared=list(prefixes) or None)
    return sorted(shared_inputs.of_job(job(names), settings))


def test_nothing_is_shared_that_nobody_names() -> None:
    assert shared() == []


def test_a_rule_shares_the_inputs_that_it_names() -> None:
    assert shared("genome") == ["ref/genome.fa"]
    assert shared("genome index") == ["ref/genome.fa", "ref/index/1", "ref/index/2"]
    assert shared("genome,index") == shared("genome index")


REFERENCE = ["ref/genome.fa", "ref/index/1", "ref/index/2"]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("s3://bucket/ref/", REFERENCE),
        ("s3://bucket/ref", REFERENCE),
        ("s3://bucket/ref/genome.fa", REFERENCE[:1]),
        ("s3://bucket/re", []),
        ("s3://bucket/ref/genome.f", []),
        ("s3://other/ref", []),
    ],
)
def test_what_lies_below_a_place_in_s3_is_shared(prefix: str, found: list[str]) -> None:
    assert shared(None, prefix) == found


def test_the_whole_bucket_may_be_named_but_not_one_whose_name_begins_alike() -> None:
    assert shared_inputs.is_below("s3://bucket/x", ["s3://bucket"])
    assert not shared_inputs.is_below("s3://bucket2/x", ["s3://bucket"])
    assert not shared_inputs.is_below(None, ["s3://bucket"])


def test_a_rule_can_say_that_it_shares_nothing() -> None:
    assert shared("none", "s3://bucket") == []


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        ("genom", "did you mean 'genome'?"),
        ("genome xyz", "names 'xyz', which is no name of an input of rule align: they are genome"),
        ("s3://b/ref", "--hutchbatch-shared"),
        ("", "empty"),
        (3, "names inputs of the rule"),
    ],
)
def test_what_names_no_input_is_refused_with_what_to_write(names: object, hint: str) -> None:
    with pytest.raises(PlanError, match=r"hutchbatch_shared") as error:
        shared_inputs.check(job(names))
    assert hint in str(error.value)


def test_a_rule_without_named_inputs_is_shown_how_to_name_one() -> None:
    bare = job("genome")
    bare.input = InputFiles(toclone=[File("a")])
    with pytest.raises(PlanError, match='input: genome="…"'):
        shared_inputs.check(bare)


def test_option_and_resource_are_read_each_in_its_own_way() -> None:
    settings = ExecutorSettings(shared=["s3://bucket/ref/", "s3://bucket/ref", "s3://other"])
    assert settings.value("shared") == ("s3://bucket/ref", "s3://other")
    assert "shared" in PER_JOB
    assert job_values({"hutchbatch_shared": "genome index"}) == {"shared": ("genome", "index")}
    assert job_values({"hutchbatch_shared": "none"}) == {"shared": NONE}
    with pytest.raises(SettingError, match="resource hutchbatch_shared='s3://b/x'"):
        job_values({"hutchbatch_shared": "s3://b/x"})


def test_the_plan_of_a_run_names_what_its_jobs_share() -> None:
    def checked(mode: Any, *names: str) -> Any:
        from dataclasses import replace  # noqa: PLC0415

        one: Any = SimpleNamespace(is_local=False)
        return CheckedJob(one, "align", replace(PLAN, mode=mode), shared=frozenset(names))

    both = run_plan.planned("align", [checked("direct", "b", "a"), checked("direct", "a", "c")])
    assert both.shared == ("a", "b", "c")
    assert run_plan.planned("align", [checked("snakemake", "a")]).shared == ("a",)


def test_a_job_under_snakemake_shares_what_is_fetched_for_it() -> None:
    where = JobPaths("/work", ("/launch",))
    shares = shared_paths(job("genome"), where, ExecutorSettings())
    found = {"ref/genome.fa": "s3://bucket/ref/genome.fa", "reads/A.fq": "s3://bucket/reads/A.fq"}
    token = Tokens("/T", "/W", "/TREE")
    task = snakemake_task(PLAN, "snakemake", token, status="s3://b/", inputs=found, shared=shares)
    assert [each.path for each in task.inputs if each.shared] == ["ref/genome.fa"]
    alone = snakemake_task(PLAN, "snakemake", token, status="s3://b/", inputs=found)
    assert fingerprint.of(task, PLAN, {}) == fingerprint.of(alone, PLAN, {})


def test_hutchbatch_plan_shows_what_is_shared() -> None:
    rules = (
        run_plan.PlannedRule("align", 3, "direct", shared=tuple(f"ref/{n}" for n in range(7))),
        run_plan.PlannedRule("call", 3, "direct", shared=("ref/0",)),
        run_plan.PlannedRule("plot", 3, "direct"),
    )
    shown = [str(line) for line in plan.lines(run_plan.RunPlan(rules))]
    reported = "align ref/0, ref/1, ref/2, ref/3, ref/4 and 2 more; call ref/0."
    assert f"Fetched once a machine, for all jobs there: {reported}" in shown
    assert run_plan.RunPlan(rules).as_json()["rules"][1]["shared"] == ("ref/0",)  # type: ignore[index]
