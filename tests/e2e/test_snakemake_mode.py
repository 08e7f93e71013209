"""Snakemake mode: rules that need Snakemake beside their command."""

import pytest


def test_script_and_run_rules_run_under_snakemake_with_the_vcpus_asked_for(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "run.txt", "script.txt"
        rule run:
            output: "run.txt"
            threads: 2
            run:
                with open(output[0], "w") as file:
                    print(threads, workflow.cores, file=file)
        rule script:
            input: "run.txt"
            output: "script.txt"
            log: "logs/script.log"
            resources: hutchbatch_mode="snakemake"
            script: "scripts/double.py"
        """,
    )
    workflow.write(
        "scripts/double.py",
        """
        with open(snakemake.input[0]) as source, open(snakemake.output[0], "w") as target:
            target.write(source.read() * 2)
        with open(snakemake.log[0], "w") as log:
            log.write("doubled")
        """,
    )
    output = workflow.succeed()
    assert workflow.text("run.txt") == "2 2\n"
    assert workflow.text("script.txt") == "2 2\n2 2\n"
    assert workflow.text("logs/script.log") == "doubled"
    assert "Jobs of script run under Snakemake (set by" in output
    assert "Jobs of run run under Snakemake (rule run has a run:)" in output
    logs = "\n".join(
        event["message"]
        for job in workflow.jobs(output).values()
        for event in workflow.client("logs").get_log_events(
            logGroupName="/aws/batch/job", logStreamName=job["container"]["logStreamName"]
        )["events"]
    )
    assert "pip install" not in logs
    assert "Retrieving from storage" not in logs  # the supervisor has fetched it before


@pytest.mark.thorough
def test_a_failing_script_and_outputs_that_are_not_made_are_reported(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "script.txt", "lazy/a.txt", "empty.txt", "later.txt"
        rule lazy:
            output: "lazy/a.txt", touch("lazy/b.txt"), "lazy/c.txt"
            log: "logs/lazy.txt"
            run: open(log[0], "w").write("nothing to do")
        rule empty:
            output: ensure("empty.txt", non_empty=True), directory("folder")
            run:
                for name in output:
                    open(name, "w").close()
        rule earlier:
            output: "earlier.txt"
            group: "g"
            run: open(output[0], "w").write("fine")
        rule later:
            input: "earlier.txt"
            output: "later.txt"
            group: "g"
            run: pass
        rule script:
            output: "script.txt"
            log: "logs/script.log"
            resources: hutchbatch_mode="snakemake"
            script: "scripts/fail.py"
        """,
    )
    workflow.write(
        "scripts/fail.py",
        """
        with open(snakemake.log[0], "w") as log:
            log.write("no such chromosome")
        raise SystemExit("gave up")
        """,
    )
    output = workflow.fail("--keep-going")
    assert workflow.text("logs/script.log") == "no such chromosome"
    assert "gave up" in output
    for said in (
        "script failed: the command of rule script ended with exit code 1 [COMMAND]",
        "lazy failed: the command of rule lazy succeeded, but lazy/a.txt is missing; lazy/c.txt "
        "is missing. ",
        "    no such chromosome\n",
        "empty failed: the command of rule empty succeeded, but empty.txt is empty; folder is a "
        "file, not a directory. ",
        "earlier+later (group g) failed: the command of rule later succeeded, but later.txt is "
        "missing. ",
        "Jobs: 0 done, 5 failed (earlier+later: 2 MISSING_OUTPUT; empty: 1 MISSING_OUTPUT; lazy: "
        "1 MISSING_OUTPUT; script: 1 COMMAND), 1 not started; ",
    ):
        assert output.count(said) == 1
    shown = [line for line in output.splitlines() if line.startswith("    ")]
    again = ("Storing in", "Finished upload", "MissingOutputException", "missing locally")
    assert not [line for line in shown if any(words in line for words in again)]


def test_mode_can_be_chosen_for_a_rule_and_direct_is_refused_where_impossible(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "a.txt"
        rule a:
            output: "a.txt"
            resources: hutchbatch_mode="snakemake"
            shell: "echo a > {output}"
        rule b:
            output: "b.txt"
            resources: hutchbatch_mode="direct"
            run:
                pass
        """,
    )
    assert "under Snakemake (set by --hutchbatch-mode)" in workflow.succeed("all")
    output = workflow.fail("b.txt")
    assert "direct mode was requested but is not possible: rule b has a run:" in output


@pytest.mark.thorough
def test_retries_happen_outside_the_container_only(workflow):
    workflow.write(
        "Snakefile",
        """
        rule a:
            output: "a.txt"
            retries: 2
            run:
                print("one more run")
                raise ValueError("no")
        """,
    )
    output = workflow.fail()
    assert workflow.submissions() == 3
    logs = workflow.client("logs")
    streams = logs.describe_log_streams(logGroupName="/aws/batch/job", limit=50)["logStreams"]
    runs = [
        event
        for stream in streams
        for event in logs.get_log_events(
            logGroupName="/aws/batch/job", logStreamName=stream["logStreamName"]
        )["events"]
        if "one more run" in event["message"]
    ]
    assert len(runs) == 3, output


def test_a_temporary_output_that_nobody_needs_does_not_fail_the_job(workflow):
    workflow.write(
        "Snakefile",
        """
        rule a:
            output: "a.txt", temp("side.txt")
            run:
                for path in output:
                    open(path, "w").write("x")
        """,
    )
    workflow.succeed()
    assert workflow.text("a.txt") == "x"


def test_a_file_of_the_source_cache_runs_directly(workflow):
    workflow.write(
        "Snakefile",
        """
        rule a:
            output: "a.txt"
            params: script=workflow.source_path("hello.sh")
            shell: "sh {params.script} > {output}"
        """,
    )
    workflow.write("hello.sh", "echo hello\n")
    assert "Jobs of a run directly" in workflow.succeed()
    assert workflow.text("a.txt") == "hello\n"
