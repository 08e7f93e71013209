"""``hutchbatch plan``: how a run would go, without sending anything."""

import json

import pytest
import warm_start

SNAKEFILE = """
rule all:
    input: "all.txt", "picked.txt"
rule one:
    output: "one/{s}.txt"
    threads: lambda wildcards: int(wildcards.s)
    resources: mem_mb=2000, runtime=30, mem_gb=2, time="02:00:00"
    conda: "envs/one.yaml"
    shell: "echo {wildcards.s} > {output}"
rule gather:
    input: expand("one/{s}.txt", s=(1, 2, 4))
    output: "all.txt"
    run:
        pass
checkpoint pick:
    output: "picked.txt"
    container: "docker://quay.io/org/picker:1"
    shell: "touch {output}"
rule huge:
    output: "huge.txt"
    threads: 1000
    shell: "touch {output}"
localrules: all
print("the Snakefile prints")
"""


@pytest.fixture
def plan(workflow):
    workflow.write("Snakefile", SNAKEFILE)
    workflow.write("envs/one.yaml", "dependencies: []\n")

    def run(*arguments, **changes):
        given = ("--default-storage-provider", "s3", "--default-storage-prefix", workflow.prefix)
        environment = workflow.environment(**changes)
        return warm_start.hutchbatch(
            "plan", *arguments, *given, cwd=workflow.folder, env=environment
        )

    return run


def test_a_plan_says_how_each_rule_runs_and_sends_nothing(plan, workflow):
    before = workflow.submissions()
    done = plan("--json", "--", "-n")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rules = {rule["rule"]: rule for rule in found["rules"]}
    one, gather, pick = rules["one"], rules["gather"], rules["pick"]
    assert (one["jobs"], one["runs"], one["vcpus"], one["minutes"]) == (
        3,
        "direct",
        [1, 4],
        [30, 30],
    )
    assert one["queues"] == ["cpu-spot-50"]
    assert gather["runs"] == "snakemake"
    assert "run:" in gather["reason"]
    assert pick["image"] == "quay.io/org/picker:1"
    assert rules["all"]["runs"] == "here"
    assert found["checkpoints"] == ["pick"]
    assert not found["refusals"]
    assert any("envs" in hint or "conda" in hint for hint in found["hints"])
    assert workflow.submissions() == before
    assert not list(workflow.stored.rglob("*"))


def test_a_run_that_would_be_refused_ends_a_plan_with_1(plan):
    done = plan("--", "snakemake", "huge.txt", "all.txt")
    assert done.returncode == 1
    assert "Refused: Rule huge: " in done.stdout
    assert "one " in done.stdout  # the others are there all the same
    done = plan("--", SNAKEMAKE_HUTCHBATCH_QUEUE="no-such-queue")
    assert done.returncode == 1
    assert "no-such-queue" in done.stdout


def test_a_plan_of_a_broken_workflow_is_a_sentence(plan, workflow):
    workflow.write("Snakefile", "rule x:\n    output 1")
    done = plan("--")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "hutchbatch: Snakemake could not plan this workflow" in done.stderr
