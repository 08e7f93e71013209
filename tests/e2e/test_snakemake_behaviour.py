"""Groups, retries, keep-going and the rest behave as users know them."""

import itertools
import subprocess
import sys


def test_a_group_runs_as_one_job_and_stores_what_others_need(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: expand("c/{x}.txt", x=["1", "2"])
        rule a:
            output: temp("a/{x}.txt")
            group: "g"
            shell: "echo a{wildcards.x} > {output}"
        rule b:
            input: "a/{x}.txt"
            output: "b/{x}.txt"
            log: "logs/b{x}.log"
            group: "g"
            shell: "cat {input} > {output}; echo b >> {output}; echo logged > {log}"
        rule c:
            input: "b/{x}.txt"
            output: "c/{x}.txt"
            shell: "cat {input} > {output}"
        """,
    )
    output = workflow.succeed("--hutchbatch-array-size", "1")
    assert workflow.text("c/1.txt") == "a1\nb\n"
    assert workflow.text("b/2.txt") == "a2\nb\n"
    assert workflow.text("logs/b1.log") == "logged\n"
    assert not (workflow.stored / "a/1.txt").exists()
    assert workflow.submissions() == 4
    assert "Jobs of a+b run directly" in output


def test_a_failing_group_tells_which_rule_failed(workflow):
    workflow.write(
        "Snakefile",
        """
        rule b:
            input: "a.txt"
            output: "b.txt"
            group: "g"
            shell: "exit 4"
        rule a:
            output: "a.txt"
            group: "g"
            shell: "echo a > {output}"
        """,
    )
    output = workflow.fail()
    assert "a+b (group g)" in output
    assert "rule b" in output
    assert "exit code 4" in output


def test_retries_scale_resources_with_the_attempt(workflow):
    workflow.write(
        "Snakefile",
        """
        rule a:
            output: "a.txt"
            retries: 2
            resources: mem_mb=lambda wildcards, attempt: 100 * attempt
            shell: "test {resources.mem_mb} = 300; echo {resources.mem_mb} > {output}"
        """,
    )
    workflow.succeed()
    assert workflow.text("a.txt") == "300\n"
    assert workflow.submissions() == 3


def test_keep_going_finishes_what_does_not_depend_on_the_failure(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "good2.txt", "bad2.txt"
        rule bad:
            output: "bad.txt"
            shell: "exit 1"
        rule bad2:
            input: "bad.txt"
            output: "bad2.txt"
            shell: "cp {input} {output}"
        rule good:
            output: "good.txt"
            shell: "echo good > {output}"
        rule good2:
            input: "good.txt"
            output: "good2.txt"
            shell: "cp {input} {output}"
        """,
    )
    workflow.fail("--keep-going")
    assert workflow.text("good2.txt") == "good\n"
    assert not (workflow.stored / "bad2.txt").exists()


def test_localrules_stay_here_and_their_files_reach_the_jobs(workflow):
    workflow.write("input.txt", "from my laptop\n")
    workflow.write(
        "Snakefile",
        """
        localrules: upload
        rule all:
            input: "b.txt"
        rule upload:
            input: local("input.txt")
            output: "a.txt"
            shell: "cp {input} {output}; echo $USER_IS_HERE >> {output}"
        rule b:
            input: "a.txt"
            output: "b.txt"
            shell: "cat {input} > {output}; echo ${{USER_IS_HERE:-not here}} >> {output}"
        """,
    )
    workflow.succeed(USER_IS_HERE="here")
    assert workflow.text("b.txt") == "from my laptop\nhere\nnot here\n"
    assert workflow.submissions() == 1


def test_no_more_jobs_than_asked_for_live_at_once(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: expand("{x}.txt", x=range(4))
        rule a:
            output: "{x}.txt"
            resources: mem_mb=50
            shell: "date +%s%N > {output}; sleep 0.5; date +%s%N >> {output}"
        """,
    )
    workflow.succeed("--jobs", "1")
    spans = sorted(
        tuple(map(int, workflow.text(f"{x}.txt").split()))
        for x in range(4)
    )  # fmt: skip
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))


def test_a_second_run_finds_nothing_to_do(workflow):
    workflow.write(
        "Snakefile",
        """
        rule a:
            output: "a.txt"
            shell: "echo a > {output}"
        """,
    )
    workflow.succeed()
    assert "Nothing to be done" in workflow.succeed()


def test_benchmark_touch_shadow_and_checkpoints_work(workflow):
    workflow.write(
        "Snakefile",
        """
        def parts(wildcards):
            with checkpoints.split.get().output[0].open() as file:
                return [f"part/{line.strip()}.txt" for line in file]
        rule all:
            input: "all.txt", "flag"
        checkpoint split:
            output: "list.txt"
            shell: "printf 'x\\ny\\n' > {output}"
        rule part:
            output: "part/{p}.txt"
            benchmark: "bench/{p}.tsv"
            shadow: "minimal"
            shell: "echo {wildcards.p} > {output}; touch litter"
        rule collect:
            input: parts
            output: "all.txt"
            shell: "cat {input} > {output}"
        rule flag:
            input: "all.txt"
            output: touch("flag")
            shell: "true"
        """,
    )
    workflow.succeed()
    assert workflow.text("all.txt") == "x\ny\n"
    assert workflow.text("bench/x.tsv").startswith("s\th:m:s\tmax_rss")
    assert (workflow.stored / "flag").exists()
    assert not (workflow.stored / "litter").exists()
    # As in Snakemake's "6 of 6 steps": the jobs that a checkpoint has brought, and rule all here.
    status = subprocess.run(
        [sys.executable, "-m", "snakemake_executor_plugin_hutchbatch.cli.main", "status"],
        cwd=workflow.folder,
        env=workflow.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "6 of 6 jobs done" in status.stdout
